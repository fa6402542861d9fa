"""Who is who: names pass from one person to another, and people change their names. Pure.

The Hub shows no user ids. What it shows is the name and the time the account was made, to the
microsecond. Same name and same time: the same person. Same name, another time: deleted and
made again, so another person, whose history starts anew. Another name with a time known from
somebody whose name is gone: renamed. Where two could be meant nobody is put together.
"""

from collections.abc import Mapping, Set
from datetime import datetime
from sys import intern
from typing import NamedTuple, TypeVar

from common.hub.models import Server
from services.stats.record.state import State
from services.stats.records import MADE_UP, Person

T = TypeVar("T")


def storable(text: str) -> str:
    """The text without the one character that PostgreSQL does not take."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


class Glimpse(NamedTuple):
    """One server as one poll saw it: what is needed of it, and small."""

    name: str
    ready: bool
    pending: str | None
    started: datetime | None
    last_activity: datetime | None
    profile: str | None
    problems: tuple[str, ...]

    @classmethod
    def of(cls, server: Server) -> "Glimpse":
        profile = server.profile
        return cls(
            intern(storable(server.name)),
            server.ready,
            server.pending,
            server.started,
            server.last_activity,
            None if profile is None else intern(storable(profile)),
            server.problems,
        )


class Sight(NamedTuple):
    """What one poll saw of one user."""

    groups: tuple[str, ...] | None
    """None: not readable."""
    created: datetime | None
    moved: datetime | None
    """The user's ``last_activity``, if it is new since the last poll."""
    servers: tuple[Glimpse, ...] = ()

    def may_be(self, person: Person) -> bool:
        """Whether nothing speaks against this being the person of that name."""
        return self.created is None or person.created is None or self.created == person.created


class Register:
    """Says of each sight who it is. What has changed about people gathers on the way."""

    def __init__(self, state: State, now: datetime) -> None:
        self.newcomers: list[Person] = []
        self.people: dict[int, Person] = {}
        self.renamed: dict[str, int] = {}
        self.is_first = not state.people and not state.gone
        """Nobody is known yet: each name is a new person's."""
        self._state, self._now = state, now
        self._next = state.next_person
        self._lost: dict[int, Person] = {}
        self._back: dict[datetime | None, Person] = {}

    def compare(self, sights: Mapping[str, Sight], unchanged: Set[int], *, everybody: bool) -> None:
        """To be called once, before ``who``. ``unchanged``: ids of those seen as they were
        known; ``everybody``: all were listed.
        """
        self._lost = _lost(self._state, sights, unchanged, everybody=everybody)
        known = {**self._state.gone, **self._lost}
        back = _only([(person.created, person) for person in known.values()])
        self._back = _only(
            [(s.created, back[s.created]) for s in sights.values() if s.created in back]
        )

    def admit(self, name: str, sight: Sight) -> Person:
        """A new person."""
        person = Person(self._next, name, sight.created, first_seen=self._now)
        self._next += 1
        self.newcomers.append(person)
        return person

    def who(self, name: str, sight: Sight) -> Person:
        """The person seen under the name; a new one if nobody known can be meant."""
        known = self._state.people.get(name)
        if known is not None and sight.may_be(known):
            if known.created is not None or sight.created is None:
                return known
            person = known._replace(created=sight.created)
        elif (former := self._back.get(sight.created)) is not None:
            person = former._replace(name=name, deleted=None)
            if former.name != name:
                self.renamed[former.name] = former.id
        else:
            return self.admit(name, sight)
        self.people[person.id] = person
        return person

    def close(self) -> set[int]:
        """Whoever was lost and not found again is deleted; their ids."""
        gone = self._lost.keys() - self.people.keys()
        for user_id in gone:
            self.people[user_id] = self._lost[user_id]._replace(deleted=self._now)
        return gone


def _lost(
    state: State, sights: Mapping[str, Sight], unchanged: Set[int], *, everybody: bool
) -> dict[int, Person]:
    """Known people whose name is another's now or, if everybody was listed, nobody's."""
    lost = {}
    seen: set[int] = set()
    for name, sight in sights.items():
        known = state.people.get(name)
        if known is None:
            continue
        if sight.may_be(known):
            seen.add(known.id)
        else:
            lost[known.id] = known
    if everybody:
        for person in state.people.values():
            missing = person.id not in seen and person.id not in unchanged
            if missing and person.created != MADE_UP:
                lost[person.id] = person
    return lost


def _only(pairs: list[tuple[datetime | None, T]]) -> dict[datetime | None, T]:
    """What is at a time where nothing else is; times unknown are left out."""
    at: dict[datetime | None, T] = {}
    twice = set()
    for time, value in pairs:
        if time in at:
            twice.add(time)
        at[time] = value
    return {time: value for time, value in at.items() if time is not None and time not in twice}
