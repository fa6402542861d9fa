"""When a failed request is repeated, and after how long.

Waits grow exponentially with full jitter (AWS Architecture Blog, "Exponential Backoff And
Jitter") and are at least as long as ``Retry-After`` asks for.
"""

import random
from dataclasses import dataclass
from datetime import datetime

from common.hub.clock import parse_http_date

#: Statuses after which a repeated request may succeed.
RETRIED = frozenset({429, 500, 502, 503, 504})
#: Statuses with which a server refuses a request before processing it.
NOT_BEGUN = frozenset({429, 503})


@dataclass(frozen=True)
class Retry:
    """How often a request is sent (``attempts`` includes the first) and the waits in seconds.

    ``unsafe_seconds`` is the longest wait before repeating a request that is not repeatable: after
    a longer one it may no longer be right, which only its sender can decide.
    """

    attempts: int = 4
    base_seconds: float = 0.5
    max_seconds: float = 30.0
    unsafe_seconds: float = 2.0

    def wait_after(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after this many failures (1 or more)."""
        ceiling = min(self.max_seconds, self.base_seconds * 2.0 ** min(failures - 1, 64))
        jittered = random.uniform(0.0, ceiling)  # noqa: S311 - spreads load, hides nothing
        return max(jittered, min(retry_after or 0.0, self.max_seconds))

    def gives_up(self, failures: int, wait: float, *, repeatable: bool) -> bool:
        """Whether to raise the error after this many failures instead of waiting this long."""
        return failures >= self.attempts or not (repeatable or wait <= self.unsafe_seconds)


NO_RETRY = Retry(attempts=1)


def may_repeat(status: int, *, repeatable: bool) -> bool:
    """Whether a request that failed with this status may be sent again.

    A request that is not repeatable, such as stopping a server, may be sent again only if the
    server has not begun to process it.
    """
    return status in NOT_BEGUN or (repeatable and status in RETRIED)


def parse_retry_after(value: str | None, date: datetime | None) -> float | None:
    """Seconds to wait according to a ``Retry-After`` header; None if missing or invalid.

    The header holds seconds or a date (RFC 9110, 10.2.3). A date is compared with the response's
    own ``Date``, so that the local clock does not matter.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    moment = parse_http_date(text)
    if moment is None or date is None:
        return None
    return max(0.0, (moment - date).total_seconds())
