"""What the recorder knows between two polls: all of it can be read back from the database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.stats.intervals import Interval
from services.stats.records import Changes, Person, Session

#: How long intervals of people without a running server are kept in mind.
REMEMBER = timedelta(hours=2)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

SessionKey = tuple[int, str]
"""User id, server name."""

Memberships = tuple[tuple[int, datetime], ...]
"""Group id and since when, sorted. People with the same ones share one tuple (memory)."""


@dataclass
class State:
    """People, memberships and running servers, as of the last poll.

    Ids are given here and not by the database, so that polls can be told apart and put
    together while the database is away. There is one recorder at a time, which makes it safe.
    """

    people: dict[str, Person] = field(default_factory=dict)
    """Who has an account now, by name."""
    gone: dict[int, Person] = field(default_factory=dict)
    """Who had one; kept because a skipped page or a rename can bring them back."""
    members: dict[int, Memberships] = field(default_factory=dict)
    """By user id; people in no group are left out."""
    groups: dict[str, int] = field(default_factory=dict)
    profiles: dict[str, int] = field(default_factory=dict)
    running: dict[SessionKey, Session] = field(default_factory=dict)
    recent: dict[int, list[Interval]] = field(default_factory=dict)
    """Activity by user id that a new mark could touch; sorted, not overlapping."""
    listed: frozenset[str] = frozenset()
    """Names that had any server, even a pending one, in the last poll. Not in the database."""
    ahead: dict[SessionKey, datetime] = field(default_factory=dict)
    """Times ahead of the Hub's clock, as said: seen again they are nothing new. Likewise."""
    last_poll: datetime | None = None
    """Begin of the last whole poll."""
    last_full: datetime | None = None
    """Begin of the last whole poll that listed everybody."""
    floor: datetime = LONG_AGO
    """Activity that ended before is not in ``recent``, unless a server runs since."""
    next_person: int = 1
    next_session: int = 1
    _shared: dict[Memberships, Memberships] = field(default_factory=dict, repr=False)

    def floor_of(self, user_id: int, servers: Iterable[str]) -> datetime:
        """Before this, the person's activity is settled and nothing can be added."""
        marks = [
            session.last_activity
            for name in servers
            if (session := self.running.get((user_id, name))) is not None
        ]
        return min([self.floor, *marks])

    def apply(self, changes: Changes) -> None:
        """Take the changes for known. The database may get them later."""
        for old_name, user_id in changes.renamed.items():
            if (known := self.people.get(old_name)) is not None and known.id == user_id:
                del self.people[old_name]
        for person in changes.everybody():
            self._apply_person(person)
        for group_id, name in changes.groups.items():
            self.groups[name] = group_id
        for profile_id, name in changes.profiles.items():
            self.profiles[name] = profile_id
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
        self.listed = changes.listed
        self.ahead = changes.ahead
        self._forget_settled()

    def _apply_person(self, person: Person) -> None:
        self.next_person = max(self.next_person, person.id + 1)
        if person.deleted is not None:
            if (known := self.people.get(person.name)) is not None and known.id == person.id:
                del self.people[person.name]
            self.gone[person.id] = person
            return
        self.gone.pop(person.id, None)
        self.people[person.name] = person

    def _apply_membership(
        self, group_id: int, user_id: int, since: datetime, until: datetime | None
    ) -> None:
        if until is None:
            self.join(group_id, user_id, since)
            return
        rest = tuple(row for row in self.members.get(user_id, ()) if row != (group_id, since))
        if rest:
            self.members[user_id] = self._shared.setdefault(rest, rest)
        else:
            self.members.pop(user_id, None)

    def join(self, group_id: int, user_id: int, since: datetime) -> None:
        """Count the person among the group's members."""
        row = (group_id, since)
        rows = tuple(sorted({*self.members.get(user_id, ()), row}))
        self.members[user_id] = self._shared.setdefault(rows, rows)

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

    def _forget_settled(self) -> None:
        if self.last_poll is None:
            return
        self.floor = max(self.floor, self.last_poll - REMEMBER)
        servers: dict[int, list[str]] = {}
        for user_id, name in self.running:
            servers.setdefault(user_id, []).append(name)
        for user_id in list(self.recent):
            floor = self.floor_of(user_id, servers.get(user_id, ()))
            kept = [i for i in self.recent[user_id] if i.end >= floor]
            if kept:
                self.recent[user_id] = kept
            else:
                del self.recent[user_id]
