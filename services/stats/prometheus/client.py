"""Range queries to the HTTP API of a Prometheus, with limits on time and size."""

import asyncio
import base64
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from common.errors import ServiceError

LARGEST = 64 << 20
"""Bytes of one response."""

MOST_SERIES = 50_000
"""Series in one response."""

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_ERROR_BYTES = 4096
_LONGEST_REASON = 300

log = logging.getLogger("stats")


class PrometheusUnavailable(ServiceError):
    """There is no usable response. The message is a reason for people, without any secret."""


@dataclass(frozen=True)
class PrometheusSettings:
    """Where the Prometheus is and how to sign in there."""

    url: str
    token_file: str = ""
    """A file with a bearer token, or with USER:PASSWORD."""
    ca_file: str = ""
    timeout_seconds: float = 20.0
    """For one query."""


class Series(msgspec.Struct, frozen=True):
    """The labels and the samples (seconds since 1970, value as text) of one series."""

    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str = ""
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Response(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    data: _Data = msgspec.field(default_factory=_Data)
    error: str = ""
    error_type: str = ""


class PrometheusClient:
    """Sends queries. A response of one query is complete, or PrometheusUnavailable is raised.

    Source: https://prometheus.io/docs/prometheus/latest/querying/api/
    """

    def __init__(self, session: aiohttp.ClientSession, settings: PrometheusSettings) -> None:
        self._session = session
        self._settings = settings
        self._api = settings.url.rstrip("/") + "/api/v1/"

    async def query_range(self, query: str, start: int, end: int, step: int) -> list[Series]:
        """The values of ``query`` at ``start``, ``start + step`` and so on up to ``end``.

        All times are in seconds. Raises PrometheusUnavailable.
        """
        seconds = self._settings.timeout_seconds
        parameters = {
            "query": query,
            "start": str(start),
            "end": str(end),
            "step": str(step),
            "timeout": f"{seconds:g}s",
        }
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.get(
                    self._api + "query_range",
                    params=parameters,
                    headers=await self._authorization(),
                    allow_redirects=False,
                ) as response,
            ):
                body = await _read(response, LARGEST if response.ok else _ERROR_BYTES)
                status = response.status
        except TimeoutError:
            raise PrometheusUnavailable(
                f"Prometheus did not respond within {seconds:g} s; choose fewer days or set"
                " --prometheus-timeout"
            ) from None
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise PrometheusUnavailable(_connection_reason(error)) from None
        # Decoding takes long enough to delay other pages.
        series = await asyncio.to_thread(_decode, status, body)
        # Each sample stands for one step: more of them, or of another time, would be counted, too.
        most = (end - start) // step + 2
        for one in series:
            times = [moment for moment, _ in one.values]
            if times and (
                len(times) > most or min(times) < start - step or max(times) > end + step
            ):
                raise PrometheusUnavailable("the response has other times than it should have")
        return series

    async def _authorization(self) -> dict[str, str]:
        """Read for each query, because tokens such as those of Kubernetes are renewed."""
        if not self._settings.token_file:
            return {}
        return {"Authorization": await asyncio.to_thread(credentials, self._settings.token_file)}


def credentials(path: str) -> str:
    """The header that the file stands for. Raises PrometheusUnavailable."""
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise PrometheusUnavailable(
            f"--prometheus-token-file: the file cannot be read ({reason})"
        ) from None
    if not text or not text.isprintable():
        raise PrometheusUnavailable(
            "--prometheus-token-file: write one line with a token, or with USER:PASSWORD"
        )
    if ":" in text:
        return "Basic " + base64.b64encode(text.encode()).decode()
    return f"Bearer {text}"


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > most:
            if not response.ok:
                break
            raise PrometheusUnavailable(
                f"the response is larger than {most >> 20} MB; choose fewer days"
            )
        parts.append(part)
    return b"".join(parts)


def _decode(status: int, body: bytes) -> list[Series]:
    if status in (401, 403):
        raise PrometheusUnavailable(
            f"Prometheus refused access (HTTP {status}); check --prometheus-token-file"
        )
    if 300 <= status < 400:
        raise PrometheusUnavailable(
            f"Prometheus redirects to another address (HTTP {status}); write the final one in"
            " --prometheus-url"
        )
    try:
        found = msgspec.json.decode(body, type=_Response)
    except _UNDECODABLE:
        hint = "" if status >= 400 else "; check --prometheus-url"
        raise PrometheusUnavailable(
            f"the response is not that of a Prometheus (HTTP {status}){hint}"
        ) from None
    if status != 200 or found.status != "success":
        # Its text names expressions and addresses, which are for the log.
        log.warning(
            "Prometheus rejected a query (HTTP %d, %s): %s",
            status,
            found.error_type[:50],
            found.error[:_LONGEST_REASON],
        )
        kind = found.error_type if found.error_type.isidentifier() else "error"
        raise PrometheusUnavailable(
            f"Prometheus could not answer the query (HTTP {status}, {kind[:50]}); the log has the"
            " details"
        )
    if found.data.result_type != "matrix":
        raise PrometheusUnavailable("the response is incomplete: it has no time series")
    try:
        series = msgspec.json.decode(found.data.result, type=list[Series])
    except _UNDECODABLE:
        raise PrometheusUnavailable("the response has an unexpected time series") from None
    if len(series) > MOST_SERIES:
        raise PrometheusUnavailable(
            f"the response has {len(series):,} time series, more than {MOST_SERIES:,}; choose"
            " fewer days or set --prometheus-selector"
        )
    return series


def _connection_reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "Prometheus' certificate is not trusted; check --prometheus-ca-file"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host of --prometheus-url is unknown"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"Prometheus does not accept connections ({error.os_error.strerror or 'refused'})"
    return f"the connection to Prometheus broke ({type(error).__name__})"
