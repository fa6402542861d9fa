"""The errors that the services raise.

::

    ServiceError
    ├── ConfigError           invalid settings, all of them at once
    ├── RequestError          a request failed
    │   ├── HubError          a request to the Hub failed
    │   │   ├── HubUnavailable    no response, or 429/502/503/504 after the last retry
    │   │   ├── HubForbidden      401/403: the token is invalid or lacks a scope
    │   │   ├── HubNotFound       404: no such user, server or group
    │   │   ├── HubRejected       another 4xx: rejected (pending, conflict)
    │   │   ├── HubFailed         500 and other 5xx: an error inside the Hub
    │   │   └── HubBadResponse    2xx with an unexpected body, or a redirect
    │   └── ProxyError        a request to configurable-http-proxy failed
    │       ├── ProxyUnavailable
    │       ├── ProxyForbidden
    │       ├── ProxyRejected
    │       ├── ProxyBadResponse
    │       └── RouteTaken        the route leads to another target
    └── StoreError            the database was not read or written; nothing was changed
        ├── StoreUnavailable  unreachable, locked for too long, or failing: try again later
        └── StoreRejected     a value that the database does not accept
            └── StoreConflict a row that breaks a constraint, such as a unique key

A RequestError keeps ``method``, ``url`` and ``status`` as attributes. Tokens are only sent in
headers, and the URL is stored without its query, so neither can reach a log.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit


class ServiceError(Exception):
    """Base of all errors that the services raise on purpose."""


class ConfigError(ServiceError):
    """Invalid settings: every problem, each with what to write instead."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class RequestError(ServiceError):
    """A request failed. ``status`` is None if there was no complete response.

    ``retry_after`` is how many seconds the server asked the client to wait, None if it did not.
    """

    retry_after: float | None = None

    def __init__(
        self, message: str, *, method: str = "", url: str = "", status: int | None = None
    ) -> None:
        self.method = method
        self.url = without_query(url)
        self.status = status
        where = f" ({method} {self.url})" if url else ""
        super().__init__(message + where)


class HubError(RequestError):
    """A request to the Hub failed."""


class HubUnavailable(HubError):
    """The Hub did not respond, or responded 429, 502, 503 or 504 to the last attempt."""


class HubForbidden(HubError):
    """The Hub does not accept the token, or the token lacks a scope."""


class HubNotFound(HubError):
    """The Hub has no such user, server or group."""


class HubRejected(HubError):
    """The Hub rejected the request: pending, conflicting or malformed."""


class HubFailed(HubError):
    """An error inside the Hub (500)."""


class HubBadResponse(HubError):
    """The Hub's response does not match its API."""


class ProxyError(RequestError):
    """A request to the proxy's routes API failed."""


class ProxyUnavailable(ProxyError):
    """The proxy did not respond, or failed until the last attempt."""


class ProxyForbidden(ProxyError):
    """The proxy does not accept the token."""


class ProxyRejected(ProxyError):
    """The proxy rejected the request."""


class ProxyBadResponse(ProxyError):
    """The proxy's response is not a route or a route table."""


class RouteTaken(ProxyError):
    """The route leads to another target. It was not changed."""


class StoreError(ServiceError):
    """The database was not read or written. Nothing was changed."""


class StoreUnavailable(StoreError):
    """The database is out of reach, locked for too long, or failing. It may work later."""


class StoreRejected(StoreError):
    """The database does not accept a value, and will not accept it later either."""


class StoreConflict(StoreRejected):
    """A row breaks a constraint: its key exists already, or what it refers to does not."""


def without_query(url: str) -> str:
    """The URL without user information, query and fragment, safe to log."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def unexpected(error: Exception) -> str:
    """What to say of settings that cannot be read; without a text that may contain one of them."""
    what = str(error) if isinstance(error, OSError) else type(error).__name__
    return f"internal error while reading the settings: {what}"
