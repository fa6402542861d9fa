"""What the JUPYTERHUB_* environment says, and what is wrong with settings made of it.

Nothing is read at import. Each ``..._problems`` returns sentences that say what to write
instead, and never repeats a token.
"""

import json
import os
import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class TLSPaths(NamedTuple):
    """Key, certificate and trusted authorities, as paths; an empty one is not used."""

    keyfile: str
    certfile: str
    cafile: str


def service_address() -> tuple[str, int | None]:
    """Address and port of JUPYTERHUB_SERVICE_URL; no port means that nothing is served.

    To a service that it starts without a url the Hub says http://127.0.0.1:0/.
    """
    url = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "127.0.0.1", None  # environment_problems() tells
    if not parts.hostname or port == 0:
        return "127.0.0.1", None
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)


def access_scopes() -> frozenset[str]:
    """Who may come in, as scopes. Nothing said means nobody."""
    text = os.environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES")
    if text:
        try:
            scopes = json.loads(text)
        except ValueError:
            return frozenset()  # environment_problems() tells
        return frozenset(s for s in scopes if isinstance(s, str) and s)
    name = os.environ.get("JUPYTERHUB_SERVICE_NAME")
    return frozenset({f"access:services!service={name}"}) if name else frozenset()


def truth(name: str) -> bool:
    """Whether a variable is switched on, as JupyterHub reads it."""
    return os.environ.get(name, "").lower() in ("1", "true")


def cookie_options() -> dict[str, Any]:
    """What JUPYTERHUB_COOKIE_OPTIONS wants of every cookie."""
    text = os.environ.get("JUPYTERHUB_COOKIE_OPTIONS")
    if not text:
        return {}
    try:
        options = json.loads(text)
    except ValueError:
        return {}  # environment_problems() tells
    return options if isinstance(options, dict) else {}


def internal_certs(location: str) -> TLSPaths:
    """The Hub's own key, certificate and authority below its internal-ssl directory."""
    return TLSPaths(
        f"{location}/hub-internal/hub-internal.key",
        f"{location}/hub-internal/hub-internal.crt",
        f"{location}/hub-ca/hub-ca.crt",
    )


def hub_problems(url: str, token: str, token_file: str) -> list[str]:
    """What is wrong with the way to the Hub."""
    found = []
    if not url:
        found.append(
            "The Hub's API URL is missing. Write --url=http://127.0.0.1:8081/hub/api or set"
            " JUPYTERHUB_API_URL (the Hub sets it for the services that it starts)."
        )
    elif urlsplit(url).scheme not in ("http", "https", "http+unix") or not urlsplit(url).netloc:
        found.append(
            "--url: this is no URL of a Hub's API. Write it like http://127.0.0.1:8081/hub/api."
        )
    if token_file:
        found += _token_file_problems(token_file)
    elif not token:
        found.append(
            "The token is missing. Set JUPYTERHUB_API_TOKEN (the Hub sets it for the services"
            " that it starts), or write --token-file=FILE."
        )
    elif not _header_safe(token):
        found.append("JUPYTERHUB_API_TOKEN holds spaces or other signs that no token has.")
    return found


def environment_problems() -> list[str]:
    """What is wrong with the environment itself."""
    found = []
    timeout = os.environ.get("JUPYTERHUB_REQUEST_TIMEOUT")
    if timeout and not (timeout.isdecimal() and int(timeout) > 0):
        found.append("JUPYTERHUB_REQUEST_TIMEOUT must be a whole number of seconds, as 60.")
    url = os.environ.get("JUPYTERHUB_SERVICE_URL")
    if url and not _is_http_url(url):
        found.append("JUPYTERHUB_SERVICE_URL must look like http://127.0.0.1:10101.")
    scopes = os.environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES")
    if scopes and not _is_list_of_text(scopes):
        found.append(
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES must be a JSON list of scopes, as"
            ' ["access:services!service=NAME"].'
        )
    cookies = os.environ.get("JUPYTERHUB_COOKIE_OPTIONS")
    if cookies and not cookie_options():
        found.append('JUPYTERHUB_COOKIE_OPTIONS must be a JSON object, as {"secure": true}.')
    return found


def prefix_problems(prefix: str) -> list[str]:
    """What is wrong with the path of our pages."""
    if not prefix.startswith("/") or "//" in prefix or any(sign in prefix for sign in "?#\\ "):
        return ["--service-prefix must be a path like /services/NAME/."]
    return []


def internal_certs_problems(location: str) -> list[str]:
    """What is wrong with the Hub's internal-ssl directory."""
    missing = [path for path in internal_certs(location) if not Path(path).is_file()]
    if not missing:
        return tls_problems(internal_certs(location))
    return [
        f"--internal-certs-location: there is no {missing[0]}. Write the directory that the Hub"
        " calls c.JupyterHub.internal_certs_location, or leave --ssl-enabled out."
    ]


def tls_problems(tls: TLSPaths) -> list[str]:
    """What is wrong with the files for TLS: missing, unreadable, not what they should be."""
    found = [
        f"{option}: there is no file {path}."
        for option, path in zip(("--ssl-key", "--ssl-cert", "--ssl-ca"), tls, strict=True)
        if path and not Path(path).is_file()
    ]
    if bool(tls.keyfile) != bool(tls.certfile):
        found.append("--ssl-key and --ssl-cert belong together. Write both.")
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
            found.append(f"--ssl-ca: {tls.cafile} holds no certificates in PEM format.")
    return found


def _token_file_problems(path: str) -> list[str]:
    try:
        token = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        return [f"--token-file: {path} cannot be read ({reason})."]
    if not token:
        return [f"--token-file: {path} is empty."]
    return [] if _header_safe(token) else [f"--token-file: {path} must hold one token alone."]


def _header_safe(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_list_of_text(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
