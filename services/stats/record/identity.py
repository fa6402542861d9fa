"""Match the users of a poll to known people: accounts are renamed, deleted and made again. Pure.

The Hub exposes no user ids. It exposes the name and the time at which the account was created,
to the microsecond:

- same name, same creation time: the same person;
- new name, and the creation time of a person whose name has disappeared: renamed;
- same name, another creation time: the account was deleted and made again, as by a nightly
  ``--cull-users`` or with a new Hub database. People are names, so this is the same person, unless
  the hub gives the names of former users to others (``by_account``).

Ambiguous renames are never merged.
"""

from collections.abc import Mapping, Set
from datetime import datetime
from typing import TypeVar

from services.stats.record.observed import UserSeen
from services.stats.recorder_state import State
from services.stats.records import MADE_UP, Person

T = TypeVar("T")


class IdentityMatcher:
    """Finds the person behind each user of one poll, and collects what changed about people.

    Call ``match_missing`` once, then ``identify`` for each user, then ``deleted`` once.
    """

    def __init__(self, state: State, now: datetime, *, by_account: bool = False) -> None:
        self.newcomers: list[Person] = []
        self.people: dict[int, Person] = {}
        """Known people that changed, by id."""
        self.renamed: dict[str, int] = {}
        """Former names, with the id of the person."""
        self.knows_nobody = not state.people and not state.deleted
        """Whether this is the first poll, in which every user is new."""
        self._state, self._now, self._by_account = state, now, by_account
        self._next_id = state.next_person
        self._missing: dict[int, Person] = {}
        self._returned: dict[datetime | None, Person] = {}
        self._recreated: dict[str, Person] = {}

    def match_missing(
        self, users: Mapping[str, UserSeen], unchanged: Set[int], *, all_listed: bool
    ) -> None:
        """Find people whose name has disappeared, and those who are back or have a new name.

        ``users``: those that may have changed, by name. ``unchanged``: ids of the others that
        were seen. ``all_listed``: the poll listed every user, so absence means something.
        """
        self._missing = _missing(self._state, users, unchanged, all_listed=all_listed)
        candidates = {**self._state.deleted, **self._missing}
        by_created = _unambiguous([(p.created, p) for p in candidates.values()])
        self._returned = _unambiguous(
            [(u.created, by_created[u.created]) for u in users.values() if u.created in by_created]
        )
        if not self._by_account:
            self._match_recreated(users)

    def _match_recreated(self, users: Mapping[str, UserSeen]) -> None:
        """Find the people whose account was made again under the same name."""
        renamed = {person.id for person in self._returned.values()}
        former = {person.name: person for person in self._state.deleted.values()}  # the latest
        for name, user in users.items():
            known = self._state.people.get(name)
            if (known is not None and user.may_be(known)) or user.created in self._returned:
                continue
            person = known or former.get(name)
            if person is not None and person.id not in renamed:
                self._recreated[name] = person
                self._missing.pop(person.id, None)

    def add(self, name: str, user: UserSeen) -> Person:
        """Record a new person."""
        person = Person(
            self._next_id, name, user.created, first_seen=self._now, excluded=user.excluded
        )
        self._next_id += 1
        self.newcomers.append(person)
        return person

    def identify(self, name: str, user: UserSeen) -> Person:
        """The person seen under this name: a known one if it is certain, else a new one."""
        known = self._state.people.get(name)
        if known is not None and user.may_be(known):
            person = known._replace(created=known.created or user.created, excluded=user.excluded)
            if person == known:
                return known
        elif (former := self._returned.get(user.created)) is not None:
            person = former._replace(name=name, deleted=None, excluded=user.excluded)
            if former.name != name:
                self.renamed[former.name] = former.id
        elif (earlier := self._recreated.get(name)) is not None:
            first = earlier.first_created or earlier.created or earlier.first_seen
            person = earlier._replace(
                created=user.created, deleted=None, excluded=user.excluded, first_created=first
            )
        else:
            return self.add(name, user)
        self.people[person.id] = person
        return person

    def deleted(self) -> set[int]:
        """Mark as deleted everyone who disappeared and was not identified; return their ids."""
        ids = self._missing.keys() - self.people.keys()
        for user_id in ids:
            self.people[user_id] = self._missing[user_id]._replace(deleted=self._now)
        return ids


def _missing(
    state: State, users: Mapping[str, UserSeen], unchanged: Set[int], *, all_listed: bool
) -> dict[int, Person]:
    """Known people whose name is now another person's or, in a full listing, nobody's."""
    missing = {}
    seen: set[int] = set()
    for name, user in users.items():
        known = state.people.get(name)
        if known is None:
            continue
        if user.may_be(known):
            seen.add(known.id)
        else:
            missing[known.id] = known
    if all_listed:
        for person in state.people.values():
            absent = person.id not in seen and person.id not in unchanged
            if absent and person.created != MADE_UP:
                missing[person.id] = person
    return missing


def _unambiguous(pairs: list[tuple[datetime | None, T]]) -> dict[datetime | None, T]:
    """The values by their time, without unknown times and times that occur more than once."""
    by_time: dict[datetime | None, T] = {}
    repeated = set()
    for time, value in pairs:
        if time in by_time:
            repeated.add(time)
        by_time[time] = value
    return {
        time: value for time, value in by_time.items() if time is not None and time not in repeated
    }
