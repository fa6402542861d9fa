"""What the recorder knows between two polls. It can be read back from the database. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.stats.intervals import Interval
from services.stats.records import (
    Changes,
    Person,
    Session,
    SpawnCounters,
    Spawns,
    SpawnsKey,
)

#: How long the activity of people without a running server can still be extended.
RECENT = timedelta(hours=2)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

SessionKey = tuple[int, str]
"""User id, server name."""

Memberships = tuple[tuple[int, datetime], ...]
"""Group id and since when, sorted. People in the same groups share one tuple, to save memory."""


@dataclass
class State:
    """People, memberships and running servers, as of the last poll.

    Ids are assigned here rather than by the database, so that polls can be distinguished and
    merged while the database is away. This is safe because only one recorder runs at a time.
    """

    people: dict[str, Person] = field(default_factory=dict)
    """People who have an account now, by name."""
    deleted: dict[int, Person] = field(default_factory=dict)
    """People whose account was deleted: an incomplete listing or a rename can bring them back."""
    members: dict[int, Memberships] = field(default_factory=dict)
    """Memberships by user id, without people in no group."""
    groups: dict[str, int] = field(default_factory=dict)
    profiles: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    running: dict[SessionKey, Session] = field(default_factory=dict)
    recent: dict[int, list[Interval]] = field(default_factory=dict)
    """Activity by user id that new activity could still extend; sorted, not overlapping."""
    had_servers: frozenset[str] = frozenset()
    """Names of users with a server, even a pending one, at the last poll. Not in the database."""
    ahead_of_clock: dict[SessionKey, datetime] = field(default_factory=dict)
    """Activity times later than the Hub's clock, as reported: the same time again is nothing
    new. Not in the database."""
    spawn_counters: SpawnCounters | None = None
    """The Hub's counters of spawns as last read; None: never."""
    spawns: dict[SpawnsKey, Spawns] = field(default_factory=dict)
    """Spawns of the hour in which they were last read: more may be added."""
    last_poll: datetime | None = None
    """Start of the last complete poll."""
    last_full: datetime | None = None
    """Start of the last complete poll that listed all users."""
    settled_until: datetime = LONG_AGO
    """Activity that ended before is not in ``recent``, unless a server has run ever since."""
    next_person: int = 1
    next_session: int = 1
    _shared: dict[Memberships, Memberships] = field(default_factory=dict, repr=False)

    def settled_for(self, user_id: int, servers: Iterable[str]) -> datetime:
        """Before this time, no activity of the person can be added any more."""
        latest = [
            session.last_activity
            for name in servers
            if (session := self.running.get((user_id, name))) is not None
        ]
        return min([self.settled_until, *latest])

    def apply(self, changes: Changes) -> None:
        """Take over the changes of a poll. They may reach the database later."""
        for old_name, user_id in changes.renamed.items():
            if (known := self.people.get(old_name)) is not None and known.id == user_id:
                del self.people[old_name]
        for person in changes.everybody():
            self._apply_person(person)
        for group_id, name in changes.groups.items():
            self.groups[name] = group_id
        for profile_id, name in changes.profiles.items():
            self.profiles[name] = profile_id
        for image_id, name in changes.images.items():
            self.images[name] = image_id
        for group_id, user_id, since, until in changes.memberships():
            self._apply_membership(group_id, user_id, since, until)
        for (user_id, start), end in changes.activity.items():
            self._apply_activity(user_id, start, end)
        for session in changes.sessions.values():
            self._apply_session(session)
        for poll in changes.polls.values():
            if poll.whole and (self.last_poll is None or poll.time > self.last_poll):
                self.last_poll = poll.time
                if poll.full:
                    self.last_full = poll.time
        self._apply_spawns(changes)
        self.had_servers = changes.had_servers
        self.ahead_of_clock = changes.ahead_of_clock
        self._drop_settled()

    def _apply_person(self, person: Person) -> None:
        self.next_person = max(self.next_person, person.id + 1)
        if person.deleted is not None:
            if (known := self.people.get(person.name)) is not None and known.id == person.id:
                del self.people[person.name]
            self.deleted[person.id] = person
            return
        self.deleted.pop(person.id, None)
        self.people[person.name] = person

    def _apply_membership(
        self, group_id: int, user_id: int, since: datetime, until: datetime | None
    ) -> None:
        if until is None:
            self.join(group_id, user_id, since)
            return
        rest = tuple(one for one in self.members.get(user_id, ()) if one != (group_id, since))
        if rest:
            self.members[user_id] = self._shared.setdefault(rest, rest)
        else:
            self.members.pop(user_id, None)

    def join(self, group_id: int, user_id: int, since: datetime) -> None:
        """Add the person to the group's members."""
        memberships = tuple(sorted({*self.members.get(user_id, ()), (group_id, since)}))
        self.members[user_id] = self._shared.setdefault(memberships, memberships)

    def _apply_activity(self, user_id: int, start: datetime, end: datetime | None) -> None:
        known = [i for i in self.recent.get(user_id, ()) if i.start != start]
        if end is not None:
            known.append(Interval(start, end))
            known.sort()
        self.recent[user_id] = known

    def _apply_session(self, session: Session) -> None:
        self.next_session = max(self.next_session, session.id + 1)
        key = (session.user_id, session.server)
        if session.ended is None:
            self.running[key] = session
        elif key in self.running and self.running[key].id == session.id:
            del self.running[key]

    def _apply_spawns(self, changes: Changes) -> None:
        for counters in changes.spawn_counters.values():
            self.spawn_counters = counters
        self.spawns |= changes.spawns
        if self.spawn_counters is not None:
            read = self.spawn_counters.until
            self.spawns = {key: one for key, one in self.spawns.items() if one.until >= read}

    def _drop_settled(self) -> None:
        if self.last_poll is None:
            return
        self.settled_until = max(self.settled_until, self.last_poll - RECENT)
        servers: dict[int, list[str]] = {}
        for user_id, name in self.running:
            servers.setdefault(user_id, []).append(name)
        for user_id in list(self.recent):
            settled = self.settled_for(user_id, servers.get(user_id, ()))
            open_ones = [i for i in self.recent[user_id] if i.end >= settled]
            if open_ones:
                self.recent[user_id] = open_ones
            else:
                del self.recent[user_id]
