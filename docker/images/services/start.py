"""Starts a service: ``start.py cull [FLAGS]``, ``stats`` or ``formgrader``.

Secrets are files in the folder SECRETS (/run/secrets): ``<service>_token`` is the service's Hub
token, and ``postgres_password`` is the database password. DATABASE is the database URL, such as
postgresql://classroom@db/cull. The password is not passed in flags or environment variables, but in
a file that the database library reads (PGPASSFILE). With SUBDOMAINS=yes, each service has its own
host name below that of the Hub in PUBLIC_URL. With ALLOW_PLAIN_HTTP=yes, it shows its pages over
plain HTTP.
"""

import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

SECRETS = Path(os.environ.get("SECRETS", "/run/secrets"))
#: A folder that is private to this container.
SCRATCH = Path(tempfile.gettempdir())
MODULES = {"cull": "cull", "stats": "stats", "formgrader": "formgrader_proxy"}
PORT = 8000


def secret(name: str) -> str | None:
    """Return a secret, or None if it does not exist."""
    try:
        return (SECRETS / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        sys.exit(f"Cannot read the secret {name}: {error.strerror}.")


def flags(name: str) -> list[str]:
    """Return the service's default flags, which precede the given ones."""
    words = [f"--service-name={name}", f"--service-prefix=/services/{name}/"]
    words += ["--ip=0.0.0.0", f"--port={PORT}"]
    # The scopes that grant access to the pages. The Hub sets them only for services that it starts.
    access = json.dumps([f"access:services!service={name}"])
    os.environ.setdefault("JUPYTERHUB_OAUTH_ACCESS_SCOPES", access)
    if os.environ.get("SUBDOMAINS") == "yes":
        public = urlsplit(os.environ["PUBLIC_URL"])
        os.environ["JUPYTERHUB_HOST"] = f"{public.scheme}://{public.netloc}"
        # As in jupyterhub.utils.subdomain_hook_idna, the Hub's default.
        own = f"{public.scheme}://{name}--service.{public.netloc}"
        os.environ["JUPYTERHUB_OAUTH_CALLBACK_URL"] = f"{own}/services/{name}/oauth_callback"
    if os.environ.get("ALLOW_PLAIN_HTTP") == "yes":
        words.append("--allow-plain-http")
    token = SECRETS / f"{name}_token"
    if token.exists():
        words.append(f"--token-file={token}")
    database = os.environ.get("DATABASE")
    if database:
        words.append(f"--db-url={database}")
        password = secret("postgres_password")
        host = urlsplit(database).hostname
        if password is not None and host:
            path = SCRATCH / "pgpass"
            path.touch(mode=0o600)
            escaped = password.replace("\\", "\\\\").replace(":", "\\:")
            path.write_text(f"{host}:*:*:*:{escaped}\n", encoding="utf-8")
            os.environ["PGPASSFILE"] = str(path)
    return words


def healthy() -> int:
    """Check for Docker whether the service responds. :returns: the exit status"""
    name = (SCRATCH / "service").read_text()
    url = f"http://127.0.0.1:{PORT}/services/{name}/health"
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError:
        return 1


def main() -> None:
    """Replace this process with the service."""
    words = sys.argv[1:]
    if words == ["--healthy"]:
        sys.exit(healthy())
    if not words or words[0] not in MODULES:
        print(__doc__)
        sys.exit(f"The first argument must be a service: {', '.join(MODULES)}.")
    name, *given = words
    (SCRATCH / "service").write_text(name)
    command = [sys.executable, "-P", "-m", f"services.{MODULES[name]}"]
    os.execv(sys.executable, command + (given if given[:1] == ["--help"] else flags(name) + given))


if __name__ == "__main__":
    main()
