"""Who is who: names pass from one person to another, and people change their names. Pure.

The Hub shows no user ids. What it shows is the name and the time the account was made, to the
microsecond. Same name and same time: the same person. Same name, another time: deleted and
made again, so another person, whose history starts anew. Another name with a time known from
somebody whose name is gone: renamed. Where two could be meant nobody is put together.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar

from common.models import Server
from services.stats.records import MADE_UP, Person
from services.stats.state import State

T = TypeVar("T")


class Sight(NamedTuple):
    """What one poll saw of one user."""

    groups: tuple[str, ...] | None
    """None: not readable."""
    created: datetime | None
    moved: datetime | None
    """The user's ``last_activity``, if it is new since the last poll."""
    servers: tuple[Server, ...] = ()

    def may_be(self, person: Person) -> bool:
        """Whether nothing speaks against this being the person of that name."""
        return self.created is None or person.created is None or self.created == person.created


@dataclass
class Identities:
    """The outcome: who was seen under which name, and the rows to write."""

    by_name: dict[str, Person] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    renamed: dict[str, int] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)


def who_is_who(
    state: State,
    sights: Mapping[str, Sight],
    unchanged: Set[int],
    now: datetime,
    *,
    absence_counts: bool,
) -> Identities:
    """Match what was seen with who is known. ``absence_counts``: everybody was listed."""
    found = Identities()
    strangers: dict[str, Sight] = {}
    lost: dict[int, Person] = {}
    for name, sight in sights.items():
        known = state.people.get(name)
        if known is None:
            strangers[name] = sight
        elif not sight.may_be(known):
            strangers[name] = sight
            lost[known.id] = known
        else:
            if known.created is None and sight.created is not None:
                known = known._replace(created=sight.created)
                found.people[known.id] = known
            found.by_name[name] = known
    if absence_counts:
        seen = {person.id for person in found.by_name.values()}
        for person in state.people.values():
            if person.created == MADE_UP:
                continue
            if person.id not in seen and person.id not in unchanged:
                lost[person.id] = person
    _place(strangers, state, lost, now, found)
    for person in lost.values():
        if person.id not in found.people:
            found.people[person.id] = person._replace(deleted=now)
            found.deleted.add(person.id)
    return found


def _place(
    strangers: Mapping[str, Sight],
    state: State,
    lost: Mapping[int, Person],
    now: datetime,
    found: Identities,
) -> None:
    if not strangers:
        return
    once = _only([(sight.created, name) for name, sight in strangers.items()])
    known = {**state.gone, **lost}
    back = _only([(person.created, person.id) for person in known.values()])
    number = state.next_person
    for name, sight in strangers.items():
        user_id = back.get(sight.created) if sight.created in once else None
        if user_id is not None:
            former = known[user_id]
            person = former._replace(name=name, deleted=None)
            if former.name != name:
                found.renamed[former.name] = user_id
        else:
            person = Person(id=number, name=name, created=sight.created, first_seen=now)
            number += 1
        found.by_name[name] = person
        found.people[person.id] = person


def _only(pairs: list[tuple[datetime | None, T]]) -> dict[datetime | None, T]:
    """What is at a time where nothing else is; times unknown are left out."""
    at: dict[datetime | None, T] = {}
    twice = set()
    for time, value in pairs:
        if time in at:
            twice.add(time)
        at[time] = value
    return {time: value for time, value in at.items() if time is not None and time not in twice}
