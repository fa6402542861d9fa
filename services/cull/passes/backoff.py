"""Growing pauses for what fails, so that it is tried again, but ever more rarely. Pure."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

LONGEST_SECONDS = 3600.0


@dataclass(frozen=True)
class _Failures:
    count: int
    until: float


class Pauses(Generic[K]):
    """Who failed how often, and until when each is left alone. Times are monotonic seconds."""

    def __init__(self, first_seconds: float, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._first = first_seconds
        self._longest = max(first_seconds, longest_seconds)
        self._failures: dict[K, _Failures] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def paused(self, key: K, now: float) -> bool:
        """Whether to leave it alone for now."""
        failures = self._failures.get(key)
        return failures is not None and now < failures.until

    def failed(self, key: K, now: float) -> float:
        """Note a failure; returns the seconds to leave it alone for."""
        before = self._failures.get(key)
        count = before.count + 1 if before else 1
        # The exponent is bounded: 2.0 ** 1024 overflows, and a target may fail for weeks.
        pause = min(self._longest, self._first * 2.0 ** min(count - 1, 30))
        self._failures[key] = _Failures(count, now + pause)
        return pause

    def succeeded(self, key: K) -> None:
        """Forget its failures."""
        self._failures.pop(key, None)

    def keep_only(self, keys: Iterable[K]) -> None:
        """Forget all but these: the others are gone, or active again."""
        wanted = set(keys)
        self._failures = {key: value for key, value in self._failures.items() if key in wanted}
