"""A history: what really happened at a Hub, and what the recorder did, as one script.

The folder compares the product with a reference that shares no code with it:

- ``history``: the script; ``script_hub``: a fake Hub on which it happens
- ``seen``: what the Hub's responses show, by the rules of docs/stats.md
- ``days`` and ``periods``: the figures that follow, counted minute by minute
- ``truth``: what really happened, which the figures never exceed
- ``product``: the recorder, the database and the queries on the same history
- ``comparison``: both side by side; ``strategies``: histories that hypothesis makes up

All times are whole minutes after the start of the history. Days are sets of minutes, so that no
arithmetic of intervals is needed.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

POLLS = ("poll", "fail", "short", "short once")
"""What the recorder does with the Hub: poll it, and what goes wrong meanwhile."""


class Step(NamedTuple):
    """One event. A step that is not possible, such as starting a running server, does nothing.

    ``do``, with ``user`` and ``detail``:

    - at the Hub: ``create``, ``delete``, ``recreate`` (deleted and created at once), ``rename``
      (to ``detail``), ``join`` and ``leave`` (a group), ``start``, ``report`` (of
      ``last_activity``) and ``stop`` (of a server), ``view`` (a page of the Hub)
    - of the recorder: ``poll``; ``fail`` (the request of that number in a poll fails); ``short``
      and ``short once`` (all listings of the poll leave the user out, or only the first of each
      kind); ``restart``; ``zone`` (a restart with another time zone)
    """

    minute: int
    do: str
    user: str = ""
    detail: str = ""


@dataclass(frozen=True)
class History:
    """A script, and the settings with which it is recorded."""

    steps: tuple[Step, ...]
    zone: str = "UTC"
    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)
    interval: int = 5
    """Minutes between polls, as configured."""
    full_interval: int = 360
    """Minutes between listings of all users."""
    page_size: int = 200
    keep_days: int = 0
    """Days to keep raw records; 0: forever."""

    def time(self, minute: int) -> datetime:
        """The time of a minute."""
        return self.start + timedelta(minutes=minute)

    def in_order(self) -> list[Step]:
        """The steps by time. Within a minute, a poll comes after what happened at the Hub."""
        return sorted(self.steps, key=lambda step: (step.minute, step.do in POLLS))

    def with_(self, **changes: object) -> "History":
        """A copy with some of the settings changed."""
        return replace(self, **changes)  # type: ignore[arg-type]  # fields by name


def work(user: str, first: int, last: int, server: str = "") -> list[Step]:
    """Work from one minute to another, which the server reports every five minutes."""
    times = [*range(first + 5, last, 5), last]
    return [Step(minute, "report", user, server) for minute in times]


def polls(first: int, last: int, every: int = 5) -> list[Step]:
    """Polls on time, both ends included."""
    return [Step(minute, "poll") for minute in range(first, last + 1, every)]
