"""Where a service is: its name and path, the address it listens on, its TLS files."""

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from traitlets import Bool, Int, Unicode, default

from common.config import environment
from common.config.environment import TLSPaths
from common.config.sources import Configured

if TYPE_CHECKING:
    from common.hub.tls import TLSFiles


class Addressed(Configured):
    """The part of a service's settings that says where it is."""

    url: str  # the Hub's API, declared beside the token

    service_name = Unicode(
        help="Our name at the Hub. Default: $JUPYTERHUB_SERVICE_NAME, else the program's."
    ).tag(config=True)
    service_prefix = Unicode(
        help="The path of our pages. Default: $JUPYTERHUB_SERVICE_PREFIX or /services/NAME/."
    ).tag(config=True)
    ip = Unicode(help="Address to listen on. Default: of $JUPYTERHUB_SERVICE_URL.").tag(config=True)
    port = Int(
        None,
        allow_none=True,
        min=0,
        max=65535,
        help="Port to listen on, 0 for any free one. Default: of $JUPYTERHUB_SERVICE_URL;"
        " without either no pages are served.",
    ).tag(config=True)
    base_url = Unicode(help="The hub's base path. Default: $JUPYTERHUB_BASE_URL or /.").tag(
        config=True
    )
    public_hub_url = Unicode(
        help="Where browsers find the Hub, when that is another host than ours,"
        " as https://hub.example.org/hub/. Default: made of $JUPYTERHUB_HOST and base_url."
    ).tag(config=True)

    ssl_key = Unicode(help="TLS key file. Default: $JUPYTERHUB_SSL_KEYFILE.").tag(config=True)
    ssl_cert = Unicode(help="TLS certificate file. Default: $JUPYTERHUB_SSL_CERTFILE.").tag(
        config=True
    )
    ssl_ca = Unicode(
        help="Certificate authorities to trust. Default: $JUPYTERHUB_SSL_CLIENT_CA."
    ).tag(config=True)
    ssl_enabled = Bool(
        False, help="Speak TLS to the Hub's API with the Hub's internal certificates."
    ).tag(config=True)
    internal_certs_location = Unicode(
        "internal-ssl", help="The Hub's internal-ssl directory (with --ssl-enabled)."
    ).tag(config=True)

    @default("service_name")
    def _default_service_name(self) -> str:
        return os.environ.get("JUPYTERHUB_SERVICE_NAME") or self.name

    @default("service_prefix")
    def _default_service_prefix(self) -> str:
        given = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        return given or f"{self.base_url.rstrip('/')}/services/{self.service_name}/"

    @default("base_url")
    def _default_base_url(self) -> str:
        return os.environ.get("JUPYTERHUB_BASE_URL") or "/"

    @default("ip")
    def _default_ip(self) -> str:
        return environment.service_address()[0]

    @default("port")
    def _default_port(self) -> int | None:
        return environment.service_address()[1]

    @default("public_hub_url")
    def _default_public_hub_url(self) -> str:
        return os.environ.get("JUPYTERHUB_HOST", "") + self.base_url.rstrip("/") + "/hub/"

    @default("ssl_key")
    def _default_ssl_key(self) -> str:
        return os.environ.get("JUPYTERHUB_SSL_KEYFILE", "")

    @default("ssl_cert")
    def _default_ssl_cert(self) -> str:
        return os.environ.get("JUPYTERHUB_SSL_CERTFILE", "")

    @default("ssl_ca")
    def _default_ssl_ca(self) -> str:
        return os.environ.get("JUPYTERHUB_SSL_CLIENT_CA", "")

    @property
    def prefix(self) -> str:
        """The path of our pages, with a slash at both ends."""
        return "/" + self.service_prefix.strip("/") + "/" if self.service_prefix != "/" else "/"

    @property
    def serves(self) -> bool:
        """Whether there is an address to serve pages on."""
        return self.port is not None

    @property
    def hub_tls(self) -> "TLSFiles | None":
        """The files for TLS towards the Hub, None for the system's trust alone."""
        return _files(self._hub_tls_paths())

    @property
    def server_tls(self) -> "TLSFiles | None":
        """The files to serve TLS with, None for plain HTTP (as behind the hub's proxy)."""
        return _files(self._server_tls_paths())

    def _hub_tls_paths(self) -> TLSPaths | None:
        if self.ssl_enabled:
            return environment.internal_certs(self.internal_certs_location)
        if not urlsplit(self.url).scheme.endswith("s"):
            return None
        return self._own_tls()

    def _server_tls_paths(self) -> TLSPaths | None:
        scheme = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", "")).scheme
        return self._own_tls() if scheme in ("", "https") else None

    def _own_tls(self) -> TLSPaths | None:
        if not (self.ssl_key or self.ssl_cert or self.ssl_ca):
            return None
        return TLSPaths(self.ssl_key, self.ssl_cert, self.ssl_ca)


def _files(paths: TLSPaths | None) -> "TLSFiles | None":
    if paths is None:
        return None
    from common.hub.tls import TLSFiles

    return TLSFiles(*paths)
