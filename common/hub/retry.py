"""When a request is sent again, and after which pause.

The pause grows with full jitter (AWS architecture blog, "Exponential Backoff And Jitter") and is
at least what ``Retry-After`` asks for.
"""

import random
from dataclasses import dataclass

#: Statuses after which the other side may answer next time.
RETRIED = frozenset({429, 500, 502, 503, 504})
#: Statuses by which the other side says that it has not begun.
NOT_BEGUN = frozenset({429, 503})


@dataclass(frozen=True)
class Retry:
    """How often and how patiently. ``attempts`` counts the first; times in seconds.

    ``unsafe_seconds``: the longest pause before what is not repeatable is sent again.
    """

    attempts: int = 4
    base_seconds: float = 0.5
    max_seconds: float = 30.0
    unsafe_seconds: float = 2.0

    def pause(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures (1 or more)."""
        ceiling = min(self.max_seconds, self.base_seconds * 2.0 ** min(failures - 1, 64))
        jittered = random.uniform(0.0, ceiling)  # noqa: S311 - spreads load, hides nothing
        return max(jittered, min(retry_after or 0.0, self.max_seconds))


NO_RETRY = Retry(attempts=1)
