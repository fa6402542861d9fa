"""Which process of a course gets the next request, and when another one is worth its memory."""

from collections.abc import Sequence
from dataclasses import dataclass

#: A process that has been handling a request for longer than this many seconds is slow. Others are
#: preferred, and if all are slow, another one is started.
MOMENT = 0.25


@dataclass(frozen=True)
class Load:
    """What a running process is doing: its requests, and the seconds since the oldest was sent."""

    requests: int = 0
    busy_for: float = 0.0

    @property
    def slow(self) -> bool:
        """Whether a further request would probably have to wait."""
        return self.busy_for > MOMENT


def least_busy(loads: Sequence[Load]) -> int:
    """The number of the process for the next request, of at least one.

    nbgrader handles one request after the other, so none should be queued behind a slow one while
    another process could handle it. Of slow ones, the one that has been busy for longest will
    probably take longest.
    """

    def cost(number: int) -> tuple[float, int, int]:
        load = loads[number]
        return load.busy_for if load.slow else 0.0, load.requests, number

    return min(range(len(loads)), key=cost)


def overloaded(loads: Sequence[Load]) -> bool:
    """Whether every process is slow."""
    return all(load.slow for load in loads)
