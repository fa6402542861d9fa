"""Settings from the JUPYTERHUB_* environment, and checks of them.

Nothing is read at import. The functions named ``..._problems`` return sentences that say what to
write instead, and never repeat a token.
"""

import json
import os
import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.hub.tls import TLSFiles


def service_address() -> tuple[str, int | None]:
    """Address and port from JUPYTERHUB_SERVICE_URL. Without a port, no pages are served.

    The Hub passes http://127.0.0.1:0/ to a managed service without a URL.
    """
    url = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "127.0.0.1", None  # reported by environment_problems()
    if not parts.hostname or port == 0:
        return "127.0.0.1", None
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)


def is_managed() -> bool:
    """Whether the Hub started this process as a managed service.

    A service that runs elsewhere may have JUPYTERHUB_SERVICE_NAME, too. JUPYTERHUB_SERVER_NAME,
    which is empty, only the Hub sets.
    """
    return bool(
        os.environ.get("JUPYTERHUB_SERVICE_NAME") and "JUPYTERHUB_SERVER_NAME" in os.environ
    )


def access_scopes(service_name: str) -> frozenset[str]:
    """The scopes that give access to the pages of a service.

    The Hub passes them to a managed service. For one that runs elsewhere, they follow from its
    name.
    """
    text = os.environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES")
    if not text:
        return frozenset({f"access:services!service={service_name}"})
    try:
        scopes = json.loads(text)
    except ValueError:
        return frozenset()  # reported by environment_problems(); nobody has access
    return frozenset(s for s in scopes if isinstance(s, str) and s)


def truth(name: str) -> bool:
    """Whether a variable is "1" or "true", as JupyterHub interprets it."""
    return os.environ.get(name, "").lower() in ("1", "true")


def cookie_options() -> dict[str, Any]:
    """Options for every cookie, from JUPYTERHUB_COOKIE_OPTIONS."""
    text = os.environ.get("JUPYTERHUB_COOKIE_OPTIONS")
    if not text:
        return {}
    try:
        options = json.loads(text)
    except ValueError:
        return {}  # reported by environment_problems()
    return options if isinstance(options, dict) else {}


def internal_certs(location: str) -> TLSFiles:
    """The Hub's own key, certificate and authority in its internal-ssl directory."""
    return TLSFiles(
        f"{location}/hub-internal/hub-internal.key",
        f"{location}/hub-internal/hub-internal.crt",
        f"{location}/hub-ca/hub-ca.crt",
    )


def hub_problems(url: str, token: str, token_file: str) -> list[str]:
    """Problems with the Hub's URL and the token."""
    found = []
    if not url:
        found.append(
            "The Hub's API URL is missing. Write --url=http://127.0.0.1:8081/hub/api or set"
            " JUPYTERHUB_API_URL (the Hub sets it for managed services)."
        )
    elif not _is_api_url(url):
        found.append(
            "--url: not the URL of a Hub API. Write a URL such as http://127.0.0.1:8081/hub/api."
        )
    if token_file:
        found += _token_file_problems(token_file)
    elif not token:
        found.append(
            "The token is missing. Write --token-file=FILE or set JUPYTERHUB_API_TOKEN (the Hub"
            " sets it for managed services)."
        )
    elif not header_safe(token):
        found.append(
            "JUPYTERHUB_API_TOKEN contains spaces or other characters that are not part of a token."
        )
    return found


def environment_problems() -> list[str]:
    """Problems with the environment variables."""
    found = []
    timeout = os.environ.get("JUPYTERHUB_REQUEST_TIMEOUT")
    if timeout and not (timeout.isdecimal() and int(timeout) > 0):
        found.append("JUPYTERHUB_REQUEST_TIMEOUT must be a whole number of seconds, such as 60.")
    url = os.environ.get("JUPYTERHUB_SERVICE_URL")
    if url and not is_http_url(url):
        found.append("JUPYTERHUB_SERVICE_URL must be a URL such as http://127.0.0.1:10101.")
    scopes = os.environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES")
    if scopes and not _is_list_of_text(scopes):
        found.append(
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES must be a JSON list of scopes, such as"
            ' ["access:services!service=NAME"].'
        )
    cookies = os.environ.get("JUPYTERHUB_COOKIE_OPTIONS")
    if cookies and not _is_json_object(cookies):
        found.append('JUPYTERHUB_COOKIE_OPTIONS must be a JSON object, such as {"secure": true}.')
    return found


def prefix_problems(prefix: str) -> list[str]:
    """Problems with the path of the service's pages."""
    return [] if is_path(prefix) else ["--service-prefix must be a path such as /services/NAME/."]


def hub_path_problems(base_url: str, public_hub_url: str) -> list[str]:
    """Problems with the Hub's base path and with its URL for browsers."""
    found = []
    if not is_path(base_url):
        found.append("--base-url must be a path such as / or /jupyter/.")
    elif not (is_path(public_hub_url) or is_http_url(public_hub_url)):
        found.append(
            "--public-hub-url must be a URL such as https://hub.example.org/hub/, or a path such"
            " as /hub/. Its default begins with JUPYTERHUB_HOST."
        )
    return found


def internal_certs_problems(location: str) -> list[str]:
    """Problems with the Hub's internal-ssl directory."""
    files = internal_certs(location)
    paths = (files.keyfile, files.certfile, files.cafile)
    missing = [path for path in paths if not Path(path).is_file()]
    if not missing:
        return tls_problems(files)
    return [
        f"--internal-certs-location: {missing[0]} does not exist. Write the directory that"
        " c.JupyterHub.internal_certs_location names, or remove --ssl-enabled."
    ]


def tls_problems(tls: TLSFiles) -> list[str]:
    """Problems with TLS files: missing, unreadable, or not a key or certificate."""
    found = [
        f"{option}: {path} does not exist."
        for option, path in (
            ("--ssl-key", tls.keyfile),
            ("--ssl-cert", tls.certfile),
            ("--ssl-ca", tls.cafile),
        )
        if path and not Path(path).is_file()
    ]
    if bool(tls.keyfile) != bool(tls.certfile):
        found.append("--ssl-key and --ssl-cert must be used together.")
    if found:
        return found
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.certfile:
        try:
            context.load_cert_chain(tls.certfile, tls.keyfile, password=lambda: "")
        except (ssl.SSLError, OSError, ValueError):
            found.append(
                f"--ssl-key and --ssl-cert: {tls.keyfile} and {tls.certfile} are not an"
                " unencrypted key and its certificate in PEM format."
            )
    if tls.cafile:
        try:
            context.load_verify_locations(tls.cafile)
        except (ssl.SSLError, OSError, ValueError):
            found.append(f"--ssl-ca: {tls.cafile} contains no certificates in PEM format.")
    return found


def header_safe(token: str) -> bool:
    """Whether a token can be sent in a header as it is."""
    return token.isascii() and token.isprintable() and " " not in token


def is_http_url(url: str) -> bool:
    """Whether this is an absolute HTTP URL with a valid host and port, and without a login."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if re.search(r"\s", url) or "@" in parts.netloc:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_path(path: str) -> bool:
    """Whether a URL path can be served: no query, empty or dot segments, braces or spaces."""
    if not path.startswith("/") or "//" in path or re.search(r"[?#\\{}<>\"\s\x00-\x1f]", path):
        return False
    return not {".", ".."} & set(path.split("/"))


def _token_file_problems(path: str) -> list[str]:
    try:
        token = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or an impossible path
        reason = getattr(error, "strerror", None) or "not a text file"
        return [f"--token-file: {path} cannot be read ({reason})."]
    if not token:
        return [f"--token-file: {path} is empty."]
    return (
        []
        if header_safe(token)
        else [f"--token-file: {path} must contain one token and nothing else."]
    )


def _is_api_url(url: str) -> bool:
    """Whether a URL leads to an API: HTTP or a Unix socket; no login, query or fragment."""
    if "?" in url or "#" in url:
        return False
    return is_http_url(url) or bool(re.fullmatch(r"http\+unix://[^/\s@]+(/\S*)?", url))


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _is_list_of_text(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
