"""Where a course's formgrader listens, and the connections to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from ssl import create_default_context
from urllib.parse import unquote, urlsplit

import aiohttp

from services.formgrader_proxy.upstream.connection_pool import ConnectionPool

#: What is buffered of an upstream's response before reading from it pauses.
READ_BUFFER_BYTES = 256 * 1024
#: Autograding responds after minutes, so only connecting has a time limit.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=None)
#: The longest response that this service keeps in memory. Ten times what 1,100 students with ten
#: assignments need.
MOST_BYTES = 32 * 1024 * 1024


class Work(StrEnum):
    """PAGES: a page, its data, or a score. JOBS: a long change, such as autograding."""

    PAGES = "pages"
    JOBS = "jobs"


class UpstreamUnreachable(Exception):
    """The upstream could not be reached, or closed the connection before it responded.

    ``sent``: the request may have reached it, so its effect is unknown.
    """

    def __init__(self, text: str, *, sent: bool = False) -> None:
        self.sent = sent
        super().__init__(text)


class RequestFailed(aiohttp.ClientError):
    """A request over :attr:`Upstream.session` has no response.

    ``sent``: the upstream may have received it.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(reason)


async def read_completely(response: aiohttp.ClientResponse) -> bytes:
    """The body of a response, which a course's own code can make endless.

    :raises UpstreamUnreachable: it is longer than :data:`MOST_BYTES`
    :raises aiohttp.ClientError: it ends too early
    """
    parts, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MOST_BYTES:
            raise UpstreamUnreachable("its response is too long", sent=True)
        parts.append(chunk)
    return b"".join(parts)


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A middleware of aiohttp's client: send a request once.

    Otherwise aiohttp repeats a PUT or DELETE by itself, and the error is only that of the last
    attempt. aiohttp raises ClientConnectionError, and no subclass of it, if it was closed before it
    sent the request.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectionError, OSError) as error:
        sent = not isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
        sent = sent and type(error) is not aiohttp.ClientConnectionError
        raise RequestFailed(type(error).__name__, sent=sent) from error


@dataclass
class Streams:
    """Responses whose first part has arrived: for these the upstream computes nothing more."""

    count: int = 0


@dataclass(frozen=True)
class Upstream:
    """The formgrader of a course.

    ``origin`` is scheme and authority without a path: the upstream's own base URL is the public
    prefix, so paths are forwarded unchanged. ``pool`` is for requests without a body, ``session``
    for the others and for WebSockets.
    """

    origin: str
    token: str | None
    session: aiohttp.ClientSession
    pool: ConnectionPool
    streams: Streams = field(default_factory=Streams)

    @classmethod
    def at(cls, url: str, token: str | None) -> "Upstream":
        """The upstream at ``url``: ``http``, ``https`` or ``http+unix``, without a path."""
        parts = urlsplit(url)
        connector: aiohttp.BaseConnector
        # Trusts what the system trusts; SSL_CERT_FILE and SSL_CERT_DIR change that.
        tls = create_default_context() if parts.scheme == "https" else None
        if parts.scheme == "http+unix":
            connector = aiohttp.UnixConnector(unquote(parts.netloc), limit=0)
            origin = "http://localhost"
        else:
            connector, origin = aiohttp.TCPConnector(limit=0, ssl=tls or True), url
        pool = ConnectionPool(url, read_buffer=READ_BUFFER_BYTES, tls=tls)
        return cls(origin, token, _session(connector), pool)

    @property
    def authorization(self) -> dict[str, str]:
        """The header field with which this service itself sends requests."""
        return {"Authorization": f"token {self.token}"} if self.token else {}

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """A response or WebSocket is being passed on, which may take as long as the client likes.

        Meanwhile the upstream can handle other requests.
        """
        self.streams.count += 1
        try:
            yield
        finally:
            self.streams.count -= 1

    async def close(self) -> None:
        """Close the connections."""
        self.pool.close()
        await self.session.close()


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """A session that forwards what it receives: no cookies, no decompression, no proxies."""
    return aiohttp.ClientSession(
        connector=connector,
        middlewares=(_once,),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=TIMEOUT,
        trust_env=False,
    )
