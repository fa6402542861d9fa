"""Separate origins: a host name for each user's server and each service (SUBDOMAINS=yes)."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit


def configure_subdomains(c: Any, wanted: str, public_url: str) -> list[str]:
    """Configure ``c``, the object of jupyterhub_config.py, and return the problems.

    For the hub https://hub.example, the server of ada is at https://ada.hub.example, and the
    service cull at https://cull--service.hub.example; see ``JupyterHub.subdomain_hook``.
    """
    if wanted not in {"yes", "no"}:
        return [f"SUBDOMAINS={wanted} is not valid: use yes or no"]
    if wanted == "no":
        return []
    parts = urlsplit(public_url)
    if not parts.hostname:
        return []  # already reported as an invalid PUBLIC_URL
    if not has_dns_name(parts.hostname):
        return [
            f"SUBDOMAINS=yes needs a DNS name in PUBLIC_URL, not {parts.hostname}; use the hub's"
            " name, such as https://hub.university.example, or set SUBDOMAINS=no"
        ]
    c.JupyterHub.subdomain_host = f"{parts.scheme}://{parts.netloc}"
    return []


def has_dns_name(host: str) -> bool:
    """Whether names below this host can exist: not for localhost and IP addresses."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
    return False
