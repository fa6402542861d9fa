"""Who joined or left a group between two polls. Pure."""

from collections.abc import Iterable
from datetime import datetime

from services.stats.record.observed import storable
from services.stats.recorder_state import Memberships, State
from services.stats.records import Changes


class MembershipChanges:
    """Compares the groups of each user with the known ones and writes the difference."""

    def __init__(self, state: State, changes: Changes, now: datetime) -> None:
        self._state, self._changes, self._now = state, changes, now
        self._groups = dict(state.groups)

    def are_same(self, user_id: int, groups: tuple[str, ...]) -> bool:
        """Whether the person is known to be in exactly these groups."""
        known = self._state.members.get(user_id, ())
        if len(known) != len(groups):
            return False
        ids = self._state.groups
        return {group_id for group_id, _ in known} == {ids.get(name) for name in groups}

    def update(self, user_id: int, groups: tuple[str, ...] | None) -> None:
        """The person is now in these groups. None: not readable, so nothing changes."""
        if groups is None:
            return
        known = self._state.members.get(user_id, ())
        current = {id_of(storable(name), self._groups, self._changes.groups) for name in groups}
        self._leave(user_id, (row for row in known if row[0] not in current))
        for group_id in sorted(current - {row[0] for row in known}):
            self._changes.join(group_id, user_id, self._now)

    def leave_all(self, user_id: int) -> None:
        """The account was deleted."""
        memberships: Memberships = self._state.members.get(user_id, ())
        self._leave(user_id, memberships)

    def _leave(self, user_id: int, memberships: Iterable[tuple[int, datetime]]) -> None:
        for group_id, since in memberships:
            self._changes.left[group_id, user_id, since] = self._now


def id_of(name: str, known: dict[str, int], new: dict[int, str]) -> int:
    """The id of a group or profile. An unknown one gets the next number, in both mappings."""
    number = known.get(name)
    if number is None:
        number = max(known.values(), default=0) + 1
        known[name] = number
        new[number] = name
    return number
