"""How the culler goes about it, and who is told."""

from dataclasses import dataclass, field
from typing import Protocol

from services.cull.passes.results import Done, PassResult
from services.cull.passes.stop import Following


@dataclass(frozen=True, kw_only=True)
class CullSettings:
    """How to go about it. Times in seconds.

    ``period`` is the time between passes: one that has lasted that long begins no further
    stop, for its listing is old. None is for a single pass, which goes to its end and waits
    for slow stops, too. ``slot_seconds`` is how long one target may hold up others: the
    Hub itself answers a slow stop after 10 s.
    """

    concurrency: int = 10
    cull_users: bool = False
    period: float | None = None
    max_stops_per_minute: int = 0
    keep_rows: bool = False
    slot_seconds: float = 15.0
    first_pause: float = 60.0
    following: Following = field(default_factory=Following)


class Observer(Protocol):
    """Who is told of what happens: the metrics."""

    def passed(self, result: PassResult) -> None:
        """A pass is over."""

    def done(self, done: Done) -> None:
        """Something became of a server or a user."""
