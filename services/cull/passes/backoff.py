"""Exponential back-off after a failed stop: each failure doubles the pause. Pure."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MAX_SECONDS = 3600.0


@dataclass(frozen=True)
class _Failures:
    count: int
    retry_at: float


class Backoff(Generic[K]):
    """Counts the failures of each key and says when to retry. Times are monotonic seconds."""

    def __init__(self, first_seconds: float, max_seconds: float = MAX_SECONDS) -> None:
        self._first = first_seconds
        self._max = max(first_seconds, max_seconds)
        self._failures: dict[K, _Failures] = {}

    def __len__(self) -> int:
        """The number of keys whose last attempt failed."""
        return len(self._failures)

    def active(self, key: K, now: float) -> bool:
        """Whether it is too early to retry."""
        failures = self._failures.get(key)
        return failures is not None and now < failures.retry_at

    def failed(self, key: K, now: float) -> float:
        """Record a failure; returns the seconds to wait before the next attempt."""
        before = self._failures.get(key)
        count = before.count + 1 if before else 1
        # The exponent is bounded: 2.0 ** 1024 overflows, and a target may fail for weeks.
        pause = min(self._max, self._first * 2.0 ** min(count - 1, 30))
        self._failures[key] = _Failures(count, now + pause)
        return pause

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def keep_only(self, keys: Iterable[K]) -> None:
        """Forget all other keys, which are gone or no longer due."""
        wanted = set(keys)
        self._failures = {key: value for key, value in self._failures.items() if key in wanted}
