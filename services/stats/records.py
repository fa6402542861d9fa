"""What is recorded: the rows, and the changes that one poll makes to them.

Every row stands in ``Changes`` under its key and with its final values, never as a
difference. So writing the same changes twice is the same as once, and the changes of many
polls merge into one that is no larger than what they touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

MADE_UP = datetime(1970, 1, 1, tzinfo=UTC)
"""``created`` of people in demo data: they are at no Hub, and so not missed there."""


class Person(NamedTuple):
    """Somebody who has, or had, an account. A name may pass from one person to another."""

    id: int
    name: str
    #: when the Hub made the account; with the name it tells who is who. None: not readable.
    created: datetime | None
    first_seen: datetime
    deleted: datetime | None = None


class Session(NamedTuple):
    """One run of a server, from its start to its end. ``ended`` None: it runs."""

    id: int
    user_id: int
    server: str
    profile_id: int | None
    started: datetime
    last_activity: datetime
    ended: datetime | None = None


class Poll(NamedTuple):
    """One look at the Hub. The counts are None where the look was not whole."""

    time: datetime
    #: seconds between polls, as set: further apart is a gap in what was seen
    interval: int
    milliseconds: int
    whole: bool
    full: bool
    users: int | None = None
    servers: int | None = None
    active: int | None = None


MembershipKey = tuple[int, int, datetime]
"""Group id, user id, since."""

ActivityKey = tuple[int, datetime]
"""User id, start."""


@dataclass
class Changes:
    """Rows to write, by key. A value None in ``activity`` takes the row away."""

    newcomers: list[Person] = field(default_factory=list)
    """A list, since that is a fifth of a dict for a first poll of 200,000 users."""
    people: dict[int, Person] = field(default_factory=dict)
    """Who has changed; holds over ``newcomers``."""
    groups: dict[int, str] = field(default_factory=dict)
    profiles: dict[int, str] = field(default_factory=dict)
    joined: dict[tuple[int, datetime], list[int]] = field(default_factory=dict)
    """By group id and since: user ids. Compact, for a first poll of 200,000 users."""
    left: dict[MembershipKey, datetime] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    activity: dict[ActivityKey, datetime | None] = field(default_factory=dict)
    polls: dict[datetime, Poll] = field(default_factory=dict)
    #: former names by user id: for the state, the row itself has the new name
    renamed: dict[str, int] = field(default_factory=dict)
    #: kept in mind until the next poll: who had a server, and times ahead of the Hub's clock
    listed: frozenset[str] = frozenset()
    ahead: dict[tuple[int, str], datetime] = field(default_factory=dict)
    #: what the Hub said that cannot be; for the log, not for the database
    problems: list[str] = field(default_factory=list)
    #: the earliest moment that counts differently now; None: no moment does
    touched: datetime | None = None

    def __len__(self) -> int:
        """How many rows there are to write."""
        listed = len(self.newcomers) + sum(map(len, self.joined.values()))
        return listed + sum(map(len, self._tables()))

    def join(self, group_id: int, user_id: int, since: datetime) -> None:
        """A membership begins."""
        self.joined.setdefault((group_id, since), []).append(user_id)

    def memberships(self) -> Iterator[tuple[int, int, datetime, datetime | None]]:
        """The rows: group id, user id, since, until. Of two for one key the later one holds."""
        for (group_id, since), users in self.joined.items():
            for user_id in users:
                yield group_id, user_id, since, None
        for (group_id, user_id, since), until in self.left.items():
            yield group_id, user_id, since, until

    def update(self, later: "Changes") -> None:
        """Take in the changes of a later poll."""
        for mine, theirs in zip(self._tables(), later._tables(), strict=True):
            mine.update(theirs)
        self.newcomers += later.newcomers
        for key, users in later.joined.items():
            self.joined.setdefault(key, []).extend(users)
        if later.touched is not None:
            self.touch(later.touched)

    def touch(self, moment: datetime) -> None:
        """Note that what is known about this moment has changed: its day counts anew."""
        if self.touched is None or moment < self.touched:
            self.touched = moment

    def without_people(self, gone: set[int]) -> "Changes":
        """The same without every row of these people (they asked to be forgotten)."""
        return Changes(
            newcomers=[person for person in self.newcomers if person.id not in gone],
            people={k: v for k, v in self.people.items() if k not in gone},
            groups=self.groups,
            profiles=self.profiles,
            joined={k: [i for i in users if i not in gone] for k, users in self.joined.items()},
            left={k: v for k, v in self.left.items() if k[1] not in gone},
            sessions={k: v for k, v in self.sessions.items() if v.user_id not in gone},
            activity={k: v for k, v in self.activity.items() if k[0] not in gone},
            polls=self.polls,
            problems=self.problems,
            touched=self.touched,
        )

    def everybody(self) -> Iterator[Person]:
        """The rows of people. Of two for one id the later one holds."""
        yield from self.newcomers
        yield from self.people.values()

    def people_touched(self) -> set[int]:
        """Everybody that a row is about, new people included."""
        return {
            *(person.id for person in self.newcomers),
            *self.people,
            *(user_id for _, user_id, _, _ in self.memberships()),
            *(session.user_id for session in self.sessions.values()),
            *(user_id for user_id, _ in self.activity),
        }

    def _tables(self) -> tuple[dict, ...]:  # type: ignore[type-arg]  # rows of several kinds
        return (
            self.people,
            self.groups,
            self.profiles,
            self.left,
            self.sessions,
            self.activity,
            self.polls,
        )
