"""Start one of the services: ``start.py cull [FLAGS]``, ``stats``, ``formgrader``.

Secrets come from files in the folder SECRETS (/run/secrets): ``<service>_token`` is the service's
token at the Hub, and ``postgres_password`` that of the database. DATABASE, such as
postgresql://classroom@db/cull, is where its tables are; the password goes into no flag and no
environment, but into a file that the database's library reads (PGPASSFILE).
"""

import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

SECRETS = Path(os.environ.get("SECRETS", "/run/secrets"))
#: A file system of this container alone.
SCRATCH = Path(tempfile.gettempdir())
MODULES = {"cull": "cull", "stats": "stats", "formgrader": "formgrader_proxy"}
PORT = 8000


def secret(name: str) -> str | None:
    """A secret's text, None where there is none of that name."""
    try:
        return (SECRETS / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        sys.exit(f"The secret {name} cannot be read: {error.strerror}.")


def flags(name: str) -> list[str]:
    """What the service is started with, before the flags that were given."""
    words = [f"--service-name={name}", f"--service-prefix=/services/{name}/"]
    words += ["--ip=0.0.0.0", f"--port={PORT}"]
    # Who may open its pages: without this, as for any service that the Hub did not start, nobody.
    access = json.dumps([f"access:services!service={name}"])
    os.environ.setdefault("JUPYTERHUB_OAUTH_ACCESS_SCOPES", access)
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
    """Whether the service serves, for Docker. :returns: an exit code"""
    name = (SCRATCH / "service").read_text()
    url = f"http://127.0.0.1:{PORT}/services/{name}/health"
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError:
        return 1


def main() -> None:
    """Become the service."""
    words = sys.argv[1:]
    if words == ["--healthy"]:
        sys.exit(healthy())
    if not words or words[0] not in MODULES:
        print(__doc__)
        sys.exit(f"Name the service first: {', '.join(MODULES)}.")
    name, *given = words
    (SCRATCH / "service").write_text(name)
    command = [sys.executable, "-m", f"services.{MODULES[name]}"]
    os.execv(sys.executable, command + (given if given[:1] == ["--help"] else flags(name) + given))


if __name__ == "__main__":
    main()
