"""How a peer is reached: its address, its unix socket, its TLS."""

import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiohttp


@dataclass(frozen=True)
class TLSFiles:
    """The files of mutual TLS, as JupyterHub's internal_ssl hands them to a service."""

    keyfile: str
    certfile: str
    cafile: str

    def client_context(self) -> ssl.SSLContext:
        """For talking to the Hub. :raises OSError: a file cannot be read or used"""
        context = ssl.create_default_context(cafile=self.cafile or None)
        if self.certfile:
            context.load_cert_chain(self.certfile, self.keyfile or None)
        return context

    def server_context(self) -> ssl.SSLContext:
        """For serving; with a CA, only to who has its certificate. :raises OSError:"""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.cafile or None)
        context.load_cert_chain(self.certfile, self.keyfile or None)
        if self.cafile:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


#: The part of ``http+unix://%2Fpath%2Fto.sock/hub/api`` that stands for the host afterwards.
_UNIX_HOST = "localhost"


def plain_url(url: str) -> str:
    """The URL as it goes on the request line: ``http+unix`` becomes plain http."""
    parts = urlsplit(url)
    if not parts.scheme.endswith("+unix"):
        return url.rstrip("/")
    return f"{parts.scheme.removesuffix('+unix')}://{_UNIX_HOST}{parts.path}".rstrip("/")


def client_session(api_url: str, *, tls: TLSFiles | None = None) -> aiohttp.ClientSession:
    """A session for one peer: its unix socket where the URL has one, its TLS, no cookies."""
    parts = urlsplit(api_url)
    connector: aiohttp.BaseConnector
    if parts.scheme.endswith("+unix"):
        connector = aiohttp.UnixConnector(unquote(parts.netloc), limit=100)
    else:
        connector = aiohttp.TCPConnector(
            limit=100,
            ssl=tls.client_context() if tls else True,
            resolver=aiohttp.ThreadedResolver(),
        )
    session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )
    # aiohttp would send a DELETE again by itself when its connection breaks. By then the
    # first may have been done and the user may have started anew, so we decide on repeats.
    if hasattr(session, "_retry_connection"):
        session._retry_connection = False
    return session
