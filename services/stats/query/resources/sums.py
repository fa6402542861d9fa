"""Adds up the use of servers by user, group and day. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from services.stats.query.resources.names import Owners
from services.stats.query.resources.usage import DailyUse, Use

Days = Mapping[int, Sequence[tuple[date, date]]]
"""By user: the first and last days (both included) on which they may be shown."""


@dataclass
class Resources:
    """What the viewer may see of the use on some days."""

    total: Use = field(default_factory=Use)
    """Every user once."""
    users: dict[int, Use] = field(default_factory=dict)
    groups: dict[str, Use] = field(default_factory=dict)
    """A user in several groups counts in each."""
    days: dict[date, Use] = field(default_factory=dict)
    other: Use = field(default_factory=Use)
    """Of servers whose user is not certain: only for viewers of the whole hub."""
    rest: Use = field(default_factory=Use)
    """Of known users who are not in ``total``: on the whole hub, of those who are not counted."""


@dataclass(frozen=True)
class Shown:
    """Whose use may be shown: of the audience (None: of everybody), and of groups' members."""

    audience: Days | None
    groups: Mapping[str, Days]


class _Sums:
    """Knows all the sums to which a user's day belongs."""

    def __init__(self, shown: Shown, days: Iterable[date]) -> None:
        self.result = Resources(days={day: Use() for day in days})
        self._audience = shown.audience
        self._memberships: dict[int, list[tuple[str, date, date]]] = defaultdict(list)
        for group, members in shown.groups.items():
            for user_id, windows in members.items():
                self._memberships[user_id] += ((group, *window) for window in windows)

    def of(self, user_id: int, day: date) -> Iterator[Use]:
        """Each sum that includes this day of this user."""
        result = self.result
        seen = set()
        for group, first, last in self._memberships.get(user_id, ()):
            # Leaving a group and joining it again on one day counts once.
            if first <= day <= last and group not in seen:
                seen.add(group)
                yield result.groups.setdefault(group, Use())
        if self._audience is None or any(
            first <= day <= last for first, last in self._audience.get(user_id, ())
        ):
            yield result.total
            if user_id not in result.users:
                result.users[user_id] = Use()
            yield result.users[user_id]
            if day not in result.days:
                result.days[day] = Use()
            yield result.days[day]
        else:
            yield result.rest


def collect(
    daily: DailyUse,
    owners: Owners,
    server_seconds: Mapping[tuple[int, date], float],
    shown: Shown,
    days: Iterable[date],
) -> Resources:
    """The sums over what may be shown.

    ``server_seconds``: how long the servers of each user ran on each day.
    """
    sums = _Sums(shown, days)
    measured: dict[tuple[int, date], float] = defaultdict(float)
    for (server, day), use in daily.items():
        owner = owners.of(server, day)
        if owner is None:
            sums.result.other.add(use)
            continue
        measured[owner, day] += use.memory.measured
        for each in sums.of(owner, day):
            each.add(use)
    for key, seconds in server_seconds.items():
        # By user and day: too much on one day does not make up for too little on another.
        covered = min(seconds, measured.get(key, 0.0))
        for each in sums.of(*key):
            each.server_seconds += seconds
            each.covered_seconds += covered
    return sums.result
