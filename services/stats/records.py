"""The records: people, sessions, polls, and the changes that one poll makes to them.

``Changes`` holds each record under its key with its final values, never as a difference. So
writing the same changes twice equals writing them once, and the changes of many polls merge
into one set that is no larger than the records it touches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

MADE_UP = datetime(1970, 1, 1, tzinfo=UTC)
"""``created`` of people in demo data. They have no account, so no poll reports them deleted."""

#: Longest stored interval, so that a query need not look further back for one that overlaps.
LONGEST = timedelta(hours=6)

#: Polls more than this many intervals apart have a gap between them.
GAP = 2.5


class Person(NamedTuple):
    """A user who has, or had, an account. A name may pass from one person to another."""

    id: int
    name: str
    #: when the Hub created the account: with the name, it identifies the person. None: unknown
    created: datetime | None
    first_seen: datetime
    deleted: datetime | None = None
    #: whether they are not counted, by name or as an administrator; members of excluded groups are
    #: found through their memberships
    excluded: bool = False


class Session(NamedTuple):
    """One run of a server, from start to stop. ``ended`` is None while it runs."""

    id: int
    user_id: int
    server: str
    profile_id: int | None
    started: datetime
    last_activity: datetime
    ended: datetime | None = None
    image_id: int | None = None
    #: whether the culler stopped the server; None: unknown, or it runs
    culled: bool | None = None


class Poll(NamedTuple):
    """One poll of the Hub. The counts are None if the poll was incomplete."""

    time: datetime
    #: the configured seconds between polls: polls much further apart have a gap between them
    interval: int
    milliseconds: int
    #: whether everything that was requested could be read
    whole: bool
    #: whether all users were listed
    full: bool
    users: int | None = None
    servers: int | None = None
    active: int | None = None


class Spawns(NamedTuple):
    """Spawns of one outcome that ended within an interval, as the Hub counted them."""

    since: datetime
    until: datetime
    """The interval is an hour of the local clock, or a longer one in which the Hub's counters
    were not read."""
    outcome: str
    """One of :data:`OUTCOMES`."""
    number: int
    seconds: float
    """The sum of their durations."""
    lengths: dict[float, int]
    """Their number by the upper bound of the duration, in seconds; the last one is infinite."""


OUTCOMES = ("success", "failure", "throttled", "too-many-users", "already-pending")
"""How a spawn ended: it was ready, it failed, or the Hub refused to begin it."""


class SpawnCounters(NamedTuple):
    """The Hub's counters of spawns as last read, and since when they have been read.

    From ``since`` to ``until``, the number of spawns is known.
    """

    since: datetime
    until: datetime
    hub_started: datetime | None
    """When the Hub's process was started, which sets its counters to zero. None: unknown."""
    totals: dict[str, tuple[int, float, dict[float, int]]]
    """By outcome: the number, the sum of the durations, and the number by upper bound."""


SpawnsKey = tuple[datetime, datetime, str]
"""Since, until, outcome."""

MembershipKey = tuple[int, int, datetime]
"""Group id, user id, since."""

ActivityKey = tuple[int, datetime]
"""User id, start."""


@dataclass
class Changes:
    """Records to write, by key. A value None in ``activity`` deletes the interval."""

    newcomers: list[Person] = field(default_factory=list)
    """New people. A list takes a fifth of a dict's memory at a first poll of 200,000 users."""
    people: dict[int, Person] = field(default_factory=dict)
    """People that changed, by id; these override ``newcomers``."""
    groups: dict[int, str] = field(default_factory=dict)
    profiles: dict[int, str] = field(default_factory=dict)
    images: dict[int, str] = field(default_factory=dict)
    joined: dict[tuple[int, datetime], list[int]] = field(default_factory=dict)
    """New members' user ids by group id and since; compact, like ``newcomers``."""
    left: dict[MembershipKey, datetime] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    activity: dict[ActivityKey, datetime | None] = field(default_factory=dict)
    polls: dict[datetime, Poll] = field(default_factory=dict)
    spawns: dict[SpawnsKey, Spawns] = field(default_factory=dict)
    spawn_counters: dict[datetime, SpawnCounters] = field(default_factory=dict)
    """By since."""
    #: user ids by former name; for the state only, as the record has the new name
    renamed: dict[str, int] = field(default_factory=dict)
    #: for the next poll only: names of users with a server
    had_servers: frozenset[str] = frozenset()
    #: for the next poll only: activity times that are later than the Hub's clock
    ahead_of_clock: dict[tuple[int, str], datetime] = field(default_factory=dict)
    #: invalid values in the Hub's responses; for the log only
    problems: list[str] = field(default_factory=list)
    #: the earliest moment whose statistics change; None if none do
    touched: datetime | None = None

    def __len__(self) -> int:
        """The number of records to write."""
        listed = len(self.newcomers) + sum(map(len, self.joined.values()))
        return listed + sum(map(len, self._by_key()))

    def join(self, group_id: int, user_id: int, since: datetime) -> None:
        """Add a new membership."""
        self.joined.setdefault((group_id, since), []).append(user_id)

    def memberships(self) -> Iterator[tuple[int, int, datetime, datetime | None]]:
        """Group id, user id, since, until. If a key occurs twice, the later one is right."""
        for (group_id, since), users in self.joined.items():
            for user_id in users:
                yield group_id, user_id, since, None
        for (group_id, user_id, since), until in self.left.items():
            yield group_id, user_id, since, until

    def update(self, later: "Changes") -> None:
        """Merge the changes of a later poll into these."""
        for records, later_records in zip(self._by_key(), later._by_key(), strict=True):
            records.update(later_records)
        self.newcomers += later.newcomers
        for key, users in later.joined.items():
            self.joined.setdefault(key, []).extend(users)
        if later.touched is not None:
            self.touch(later.touched)

    def touch(self, moment: datetime) -> None:
        """Note that the records about this moment changed, so its day must be rolled up again."""
        if self.touched is None or moment < self.touched:
            self.touched = moment

    def without_people(self, forgotten: set[int]) -> "Changes":
        """A copy without any record of these people, whose data was erased."""
        return Changes(
            newcomers=[person for person in self.newcomers if person.id not in forgotten],
            people={k: v for k, v in self.people.items() if k not in forgotten},
            groups=self.groups,
            profiles=self.profiles,
            images=self.images,
            joined={k: [i for i in ids if i not in forgotten] for k, ids in self.joined.items()},
            left={k: v for k, v in self.left.items() if k[1] not in forgotten},
            sessions={k: v for k, v in self.sessions.items() if v.user_id not in forgotten},
            activity={k: v for k, v in self.activity.items() if k[0] not in forgotten},
            polls=self.polls,
            spawns=self.spawns,
            spawn_counters=self.spawn_counters,
            problems=self.problems,
            touched=self.touched,
        )

    def everybody(self) -> Iterator[Person]:
        """All people to write. If an id occurs twice, the later one is right."""
        yield from self.newcomers
        yield from self.people.values()

    def people_touched(self) -> set[int]:
        """Ids of all people that any of the records is about, new people included."""
        return {
            *(person.id for person in self.newcomers),
            *self.people,
            *(user_id for _, user_id, _, _ in self.memberships()),
            *(session.user_id for session in self.sessions.values()),
            *(user_id for user_id, _ in self.activity),
        }

    def _by_key(self) -> tuple[dict, ...]:  # type: ignore[type-arg]  # records of several kinds
        return (
            self.people,
            self.groups,
            self.profiles,
            self.images,
            self.left,
            self.sessions,
            self.activity,
            self.polls,
            self.spawns,
            self.spawn_counters,
        )


NO_HOURS = "[" + ",".join(["0"] * 24) + "]"
"""``observed_hours`` of a day on which no hour was observed, or none is known."""

HUB = 0
"""The group id of the hub's own rollup; those of groups begin at 1."""


class UserDay(NamedTuple):
    """A user's day."""

    day: date
    user_id: int
    active_seconds: int
    idle_seconds: int
    """Time in which a server ran and the user did not work; overlapping servers count once."""
    sessions: int
    was_active: bool
    """Whether they worked in a server, or started one."""
    unobserved_seconds: int = 0
    """Time in which a server ran and nothing was observed, so that the user may have worked."""
    was_present: bool = False
    """Whether they were at the Hub: they opened one of its pages, or did something in a gap."""


UNKNOWN = 0
"""The number of an unknown profile or image in ``ProfileDay``; those of known ones begin at 1."""


class ProfileDay(NamedTuple):
    """A day of a group or of the hub, with the servers of one profile and one image only."""

    day: date
    group_id: int
    profile_id: int
    image_id: int
    sessions: int
    """Servers started."""
    server_seconds: int
    observed_seconds: int
    """The part of ``server_seconds`` in which it was observed whether the users worked."""
    active_seconds: int
    """The part of ``observed_seconds`` in which the server's user worked."""
    ended: int
    """Sessions that ended."""
    ended_seconds: int
    """The sum of their whole lengths."""


class GroupDay(NamedTuple):
    """A day of a group or of the hub. Totals are over its members, and over all their servers.

    What is not known is None: everything about servers on imported days, for example.
    """

    day: date
    group_id: int
    members: int
    newcomers: int
    active: int
    active_7: int
    active_30: int
    active_seconds: int
    idle_seconds: int | None
    """Observed time in which a user had a running server and did not work."""
    server_seconds: int | None
    after_seconds: int | None
    """How long the servers that ended on this day ran after their last activity."""
    saved_seconds: int | None
    """How much longer the servers that stopped while idle would have run: until used again, at
    most 24 hours. Without those that may have been used or stopped in a gap."""
    sessions: int | None
    observed_seconds: int
    mean_running: float | None
    """Over the observed time; None (like the peak) if no time was observed."""
    peak: int | None
    peak_at: datetime | None
    lengths: str
    """Sessions that ended, by their length in whole minutes, as JSON."""
    hours: str
    """Users active in each of the 24 hours of the local clock, as a JSON list."""
    unobserved_seconds: int | None = 0
    """Time in which a user had a running server and nothing was observed."""
    observed_hours: str = ""
    """How much of each of the 24 hours was observed, in percent, as a JSON list; empty: all."""
    servers_known: bool = True
    """Whether servers were observed; an imported file has none."""
    reduced: bool = False
    """Whether a person was erased after the raw records were pruned. What came from these records
    is not known any more: ``lengths``, ``hours``, and what is None."""
    audited: bool | None = None
    """Whether the culler's audit log tells of every server that stopped while idle whether the
    culler stopped it. None: there was none."""
    starts: int | None = None
    """Starts counted by the Hub, of the hub only. Not a part of the stored row: it comes from
    the records of spawns."""
