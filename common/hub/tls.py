"""Key, certificate and certificate authority files for TLS."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class TLSFiles:
    """Paths for mutual TLS, as JupyterHub's ``internal_ssl`` provides them.

    An empty path is not used.
    """

    keyfile: str
    certfile: str
    cafile: str

    def client_context(self) -> ssl.SSLContext:
        """A context for connecting to a server.

        :raises OSError: a file cannot be read or used
        """
        context = ssl.create_default_context(cafile=self.cafile or None)
        if self.certfile:
            context.load_cert_chain(self.certfile, self.keyfile or None)
        return context

    def server_context(self) -> ssl.SSLContext:
        """A context for listening. With an authority, clients must present its certificate.

        :raises OSError: a file cannot be read or used
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.cafile or None)
        context.load_cert_chain(self.certfile, self.keyfile or None)
        if self.cafile:
            context.verify_mode = ssl.CERT_REQUIRED
        return context
