"""A service's name, URL path, listening address and TLS files."""

import os
from urllib.parse import urlsplit

from traitlets import Bool, Int, Unicode, default

from common.config import environment
from common.config.sources import Configured
from common.hub.tls import TLSFiles


class Addressed(Configured):
    """The settings for a service's address."""

    url: str  # the Hub's API URL, a setting of the subclass

    service_name = Unicode(
        help="The service's name at the Hub."
        " Default: $JUPYTERHUB_SERVICE_NAME or the program's name."
    ).tag(config=True)
    service_prefix = Unicode(
        help="The URL path of the pages. Default: $JUPYTERHUB_SERVICE_PREFIX or /services/NAME/."
    ).tag(config=True)
    ip = Unicode(help="Address to listen on. Default: from $JUPYTERHUB_SERVICE_URL.").tag(
        config=True
    )
    port = Int(
        None,
        allow_none=True,
        min=0,
        max=65535,
        help="Port to listen on; 0 for any free port. Default: from $JUPYTERHUB_SERVICE_URL."
        " Without a port, no pages are served.",
    ).tag(config=True)
    base_url = Unicode(help="The Hub's base path. Default: $JUPYTERHUB_BASE_URL or /.").tag(
        config=True
    )
    public_hub_url = Unicode(
        help="The Hub's URL for browsers if it is on another host than the service, such as"
        " https://hub.example.org/hub/. Default: from $JUPYTERHUB_HOST and base_url."
    ).tag(config=True)

    ssl_key = Unicode(help="TLS key file. Default: $JUPYTERHUB_SSL_KEYFILE.").tag(config=True)
    ssl_cert = Unicode(help="TLS certificate file. Default: $JUPYTERHUB_SSL_CERTFILE.").tag(
        config=True
    )
    ssl_ca = Unicode(
        help="File with trusted certificate authorities. Default: $JUPYTERHUB_SSL_CLIENT_CA."
    ).tag(config=True)
    ssl_enabled = Bool(
        False, help="Connect to the Hub's API with the Hub's internal TLS certificates."
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
        """The URL path of the pages, with a slash at both ends."""
        return "/" + self.service_prefix.strip("/") + "/" if self.service_prefix != "/" else "/"

    @property
    def serves(self) -> bool:
        """Whether pages are served."""
        return self.port is not None

    @property
    def hub_tls(self) -> TLSFiles | None:
        """The TLS files for connecting to the Hub; None for the system's authorities."""
        if self.ssl_enabled:
            return environment.internal_certs(self.internal_certs_location)
        return self._own_tls() if urlsplit(self.url).scheme.endswith("s") else None

    @property
    def server_tls(self) -> TLSFiles | None:
        """The TLS files for serving; None for plain HTTP, as behind the Hub's proxy."""
        scheme = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", "")).scheme
        return self._own_tls() if scheme in ("", "https") else None

    def _own_tls(self) -> TLSFiles | None:
        if not (self.ssl_key or self.ssl_cert or self.ssl_ca):
            return None
        return TLSFiles(self.ssl_key, self.ssl_cert, self.ssl_ca)
