"""Turn what one poll sees into changes of the records. Pure.

Give a ``Sampler`` the pages in the order in which they were read: first all users with active
servers, then users by latest activity and, in a full poll, all users. What is seen later
replaces what was seen earlier, so a server that stops while the pages are read counts as
stopped, at the time of its stop. Then ``finish`` returns the changes.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.hub.models import User
from services.stats.record.culls import presence, stopped_at
from services.stats.record.identity import IdentityMatcher
from services.stats.record.memberships import MembershipChanges
from services.stats.record.observed import (
    ACCURACY,
    AHEAD,
    ServerSeen,
    UserSeen,
    storable,
    whole_second,
)
from services.stats.record.sessions import SessionChanges
from services.stats.recorder_state import SessionKey, State
from services.stats.records import GAP, Changes, Person, Poll
from services.stats.settings.exclusion import Exclusion


@dataclass(frozen=True)
class PollContext:
    """The circumstances of one poll."""

    now: datetime
    """When it started, by the Hub's clock."""
    interval: int = 300
    """Configured seconds between polls."""
    full: bool = False
    """Whether all users are listed."""
    by_account: bool = False
    """Whether a name that is used again is another person."""
    groups_readable: bool = True
    """Whether the token may read groups. If not, memberships stay as they are."""
    unlisted: Exclusion | None = None
    """If others are excluded now: who is, by stored name, of those that the Hub does not list."""


class Sampler:
    """One poll. It reads the state but never changes it: that is ``State.apply``."""

    def __init__(self, state: State, context: PollContext) -> None:
        self.state = state
        self.context = context
        self.now = whole_second(context.now)
        self._users: dict[str, UserSeen] = {}
        self._unchanged: set[int] = set()
        self._changes = Changes(ahead_of_clock=dict(state.ahead_of_clock))
        self._matcher = IdentityMatcher(state, self.now, by_account=context.by_account)
        self._memberships = MembershipChanges(state, self._changes, self.now)
        self._sessions = SessionChanges(state, self._changes, self.now, self._longest_pause())
        self._active_since_start: set[str] = set()  # of the poll: not new again at the next one
        self._servers_unreadable: set[str] = set()
        self._group_tuples: dict[tuple[str, ...], tuple[str, ...]] = {}

    def _longest_pause(self) -> timedelta:
        """How far apart activity times of one stretch of work may be.

        Two polling intervals, or three if one poll failed.
        """
        step = max(timedelta(seconds=self.context.interval), ACCURACY)
        if self._is_gapless(step):
            return step + max(step, self.now - (self.state.last_poll or self.now))
        return 2 * step

    def _is_gapless(self, step: timedelta) -> bool:
        """Whether there is no gap between the last poll and this one."""
        return self.state.last_poll is not None and self.now - self.state.last_poll <= GAP * step

    def observe(self, users: Iterable[User], excluded: Set[str] = frozenset()) -> None:
        """Add one page of users. Unchanged users take no memory beyond their id.

        ``excluded``: the names of those who are not counted.
        """
        for user in users:
            name = storable(user.name)
            seen = self._seen(name, user, excluded=user.name in excluded)
            known = self.state.people.get(name)
            if known is not None and self._is_unchanged(known, seen):
                self._users.pop(name, None)
                self._unchanged.add(known.id)
                continue
            if known is not None:
                self._unchanged.discard(known.id)
            elif self._matcher.knows_nobody and not seen.servers and name not in self._users:
                # First poll of a large hub: there is nothing to compare with, and memory counts.
                self._memberships.update(self._matcher.add(name, seen).id, seen.groups)
                continue
            self._users[name] = seen

    def needs_full_listing(self) -> bool:
        """Whether only a full listing can tell a new user from one that was renamed."""
        if self.context.full:
            return False
        people = self.state.people
        unknown = {
            user.created
            for name, user in self._users.items()
            if (known := people.get(name)) is None or not user.may_be(known)
        } - {None}
        return bool(unknown) and any(p.created in unknown for p in people.values())

    def finish(
        self, *, complete: bool = True, full: bool = False, milliseconds: int = 0
    ) -> Changes:
        """Everything that changed. Call this once.

        ``complete`` False: a page or a user could not be read. Absence then proves nothing, so no
        session ends and nobody counts as deleted. ``full``: all users were listed.
        """
        changes, matcher = self._changes, self._matcher
        matcher.match_missing(self._users, self._unchanged, all_listed=complete and full)
        active: set[int] = set()
        present: set[SessionKey] = set()
        new_activity: dict[int, datetime] = {}
        had_servers = set(self._active_since_start)
        seen = set(self._unchanged) if self.context.unlisted is not None else set()
        if not complete:
            had_servers |= self.state.had_servers
        for name in list(self._users):
            user = self._users.pop(name)  # frees memory, which counts at a first poll
            person = matcher.identify(name, user)
            seen.add(person.id)
            self._memberships.update(person.id, user.groups)
            if name in self._servers_unreadable:
                known = self._sessions.running_servers(person.id)
                present.update((person.id, server) for server in known)
            for server in user.servers:
                had_servers.add(name)
                present.add((person.id, server.name))
                if self._sessions.observe(person, server):
                    active.add(person.id)
            if (ended := stopped_at(user)) is not None:
                new_activity[person.id] = ended
            if complete and user.new_activity is not None:
                self._observe_presence(name, person, user)
        if complete:
            self._sessions.end_absent(present, new_activity)
        deleted = matcher.deleted()
        for user_id in deleted:
            self._memberships.leave_all(user_id)
        changes.newcomers, changes.people = matcher.newcomers, matcher.people
        if complete and full and self.context.unlisted is not None:
            changes.people |= self._unlisted(self.context.unlisted, seen)
        self._touch_excluded()
        changes.renamed = matcher.renamed
        changes.had_servers = frozenset(had_servers)
        changes.polls[self.now] = Poll(
            time=self.now,
            interval=self.context.interval,
            milliseconds=milliseconds,
            whole=complete,
            full=full,
            users=self._count_people(len(deleted)) if complete else None,
            servers=self._sessions.count_running() if complete else None,
            active=len(active) if complete else None,
        )
        return changes

    def _unlisted(self, exclusion: Exclusion, seen: Set[int]) -> dict[int, Person]:
        """Former users, and invented ones, who are excluded from now on or no longer."""
        found = {}
        for person in (*self.state.people.values(), *self.state.deleted.values()):
            excluded = exclusion.matches(person.name, admin=person.excluded)
            if person.id not in seen and excluded is not person.excluded:
                person = self._matcher.people.get(person.id, person)
                found[person.id] = person._replace(excluded=excluded)
        return found

    def _touch_excluded(self) -> None:
        """The days of users who are excluded from now on, or no longer, are counted again."""
        if not self._changes.people:
            return
        people = (*self.state.people.values(), *self.state.deleted.values())
        known = {person.id: person.excluded for person in people}
        for person in self._changes.people.values():
            if known.get(person.id, person.excluded) is not person.excluded:
                self._changes.touch(person.first_seen)

    def _seen(self, name: str, user: User, *, excluded: bool) -> UserSeen:
        for problem in user.problems:
            self._changes.problems.append(f"user {name!r}: invalid {problem}")
        new_activity = None
        if user.last_activity is not None and self.state.last_poll is not None:
            last = whole_second(user.last_activity)
            if self.state.last_poll < last <= self.now + AHEAD:
                new_activity = min(last, self.now)
                if last > self.now:
                    self._active_since_start.add(name)
        if "servers" in user.problems:
            self._servers_unreadable.add(name)
        groups = self._group_tuples.setdefault(user.groups, user.groups)
        readable = self.context.groups_readable and "groups" not in user.problems
        return UserSeen(
            groups=groups if readable else None,
            created=user.created,
            new_activity=new_activity,
            servers=tuple(ServerSeen.of(s) for s in user.servers.values() if not s.stopped),
            excluded=excluded,
        )

    def _is_unchanged(self, known: Person, user: UserSeen) -> bool:
        if user.servers or user.new_activity is not None or known.created != user.created:
            return False
        if user.excluded is not known.excluded:
            return False
        if self._sessions.running_servers(known.id):
            return False
        return user.groups is None or self._memberships.are_same(known.id, user.groups)

    def _observe_presence(self, name: str, person: Person, user: UserSeen) -> None:
        """Record that the user was at the Hub, as activity without a length."""
        seen = presence(
            user,
            had_server=name in self.state.had_servers
            or bool(self._sessions.running_servers(person.id)),
        )
        if seen is not None:
            self._sessions.add_activity(person.id, seen, seen)

    def _count_people(self, deleted: int) -> int:
        changes = self._changes
        returned = sum(1 for user_id in changes.people if user_id in self.state.deleted)
        return len(self.state.people) + len(changes.newcomers) + returned - deleted
