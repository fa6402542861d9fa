"""HTTP sessions: TCP or Unix socket, TLS, and no repeats behind the caller's back."""

from urllib.parse import unquote, urlsplit

import aiohttp

from common.hub.tls import TLSFiles

#: Host name on the request line once a socket's path has been taken out of the URL.
_UNIX_HOST = "localhost"


class ConnectionBroken(aiohttp.ClientConnectionError):
    """The connection broke after the request was sent; the server may have acted on it."""


def plain_url(url: str) -> str:
    """The URL for the request line: ``http+unix://%2Fpath%2Fto.sock/x`` as ``http://localhost/x``.

    A trailing slash is removed.
    """
    parts = urlsplit(url)
    if not parts.scheme.endswith("+unix"):
        return url.rstrip("/")
    return f"{parts.scheme.removesuffix('+unix')}://{_UNIX_HOST}{parts.path}".rstrip("/")


def client_session(api_url: str, *, tls: TLSFiles | None = None) -> aiohttp.ClientSession:
    """A session for one server, over a Unix socket if the URL names one. It stores no cookies.

    Requests are sent once: see :class:`ConnectionBroken`.
    """
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
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        middlewares=(_send_once,),
    )


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request whose connection broke.

    aiohttp repeats idempotent methods, DELETE included, after a ClientOSError or
    ServerDisconnectedError. By then the first DELETE may have stopped a server and its user may
    have started a new one, so repeating is the caller's decision. An error of another class
    reaches the caller.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:  # not connected, so nothing was sent
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionBroken(type(error).__name__) from error
