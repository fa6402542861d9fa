"""The errors that the services raise on purpose.

::

    ServiceError
    ├── ConfigError           settings that cannot be used, all of them at once
    ├── HubError              a request to the Hub failed
    │   ├── HubUnavailable    no answer, or 429/502/503/504 after the last retry
    │   ├── HubForbidden      401/403: our token is bad or lacks a scope
    │   ├── HubNotFound       404: no such user, server, group
    │   ├── HubRejected       another 4xx: the Hub will not do it (pending, conflict)
    │   ├── HubFailed         500 and other 5xx: the Hub broke on this request
    │   └── HubBadAnswer      2xx, but not what the Hub's API promises
    ├── ProxyError            a request to configurable-http-proxy failed
    │   ├── ProxyUnavailable
    │   ├── ProxyForbidden
    │   ├── ProxyRejected
    │   ├── ProxyBadAnswer
    │   └── RouteTaken        the route is there already and is someone else's
    └── StoreError            the database was not read or written; nothing was changed
        ├── StoreUnavailable  out of reach, locked for too long, or failing: try again later
        └── StoreRejected     a value that the database does not accept
            └── StoreConflict a row that breaks a constraint, such as a unique key

Every error of a request keeps ``method``, ``url`` and ``status`` as attributes. Tokens travel in
headers only, and a URL is kept without its query, so neither can reach a log.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit


class ServiceError(Exception):
    """Base of all errors that the services raise on purpose."""


class ConfigError(ServiceError):
    """Settings that cannot be used: every problem, each with what to write instead."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class RequestError(ServiceError):
    """A request that failed. ``status`` is None where no whole answer came.

    ``retry_after`` is how many seconds the other side asked us to stay away, if it did.
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
    """The Hub gave no answer, or 429, 502, 503 or 504 until the last retry."""


class HubForbidden(HubError):
    """The Hub does not accept our token, or the token lacks a scope."""


class HubNotFound(HubError):
    """The Hub knows no such user, server or group."""


class HubRejected(HubError):
    """The Hub understood and refused: pending, conflicting or malformed."""


class HubFailed(HubError):
    """The Hub broke on this request (500)."""


class HubBadAnswer(HubError):
    """The Hub answered with success, but not with what its API promises."""


class ProxyError(RequestError):
    """A request to the proxy's routes API failed."""


class ProxyUnavailable(ProxyError):
    """The proxy gave no answer, or a passing failure until the last retry."""


class ProxyForbidden(ProxyError):
    """The proxy does not accept our token."""


class ProxyRejected(ProxyError):
    """The proxy refused the route."""


class ProxyBadAnswer(ProxyError):
    """The proxy answered with success, but not with a route table."""


class RouteTaken(ProxyError):
    """The route leads to a target that is not ours. Nothing was changed."""


class StoreError(ServiceError):
    """The database was not read or written. Nothing was changed."""


class StoreUnavailable(StoreError):
    """The database is out of reach, locked for too long, or failing. It may work later."""


class StoreRejected(StoreError):
    """The database does not accept a value, and will not accept it later either."""


class StoreConflict(StoreRejected):
    """A row breaks a constraint: its key exists already, or what it refers to does not."""


def without_query(url: str) -> str:
    """The URL without user information, query and fragment: what may stand in a log."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
