"""Turn what one poll sees into changes of the records. Pure.

Give a ``Sampler`` the pages in the order in which they were read: first all users with active
servers, then users by latest activity and, in a full poll, all users. What is seen later
replaces what was seen earlier, so a server that stops while the pages are read counts as
stopped, at the time of its stop. Then ``finish`` returns the changes.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import as_utc
from common.hub.models import User
from services.stats.intervals import Interval, add_to
from services.stats.record.culls import end_of_stopped, page_view, reported_activity
from services.stats.record.identity import IdentityMatcher
from services.stats.record.memberships import MembershipChanges, id_of
from services.stats.record.observed import ServerSeen, UserSeen, storable
from services.stats.record.state import SessionKey, State
from services.stats.records import ActivityKey, Changes, Person, Poll, Session

#: Accuracy of the Hub's ``last_activity``: servers and the proxy report it every 5 minutes.
ACCURACY = timedelta(seconds=300)

#: Longest stored interval, so that a query need not look further back for one that overlaps.
LONGEST = timedelta(hours=6)

#: A time this little after the start of the poll is normal: pages take time and clocks differ.
AHEAD = timedelta(seconds=60)

#: Polls more than this many intervals apart have a gap between them.
GAP = 2.5


def whole_second(moment: datetime) -> datetime:
    """The time in UTC, truncated to the second, as it is stored."""
    return as_utc(moment).replace(microsecond=0)


@dataclass(frozen=True)
class PollContext:
    """The circumstances of one poll."""

    now: datetime
    """When it started, by the Hub's clock."""
    interval: int = 300
    """Configured seconds between polls."""
    full: bool = False
    """Whether all users are listed."""
    groups_readable: bool = True
    """Whether the token may read groups. If not, memberships stay as they are."""


class Sampler:
    """One poll. It reads the state but never changes it: that is ``State.apply``."""

    def __init__(self, state: State, context: PollContext) -> None:
        self.state = state
        self.context = context
        self.now = whole_second(context.now)
        self.longest_pause = self._longest_pause()
        """Activity times at most this far apart belong to one stretch of work."""
        self._users: dict[str, UserSeen] = {}
        self._unchanged: set[int] = set()
        self._changes = Changes(ahead_of_clock=dict(state.ahead_of_clock))
        self._recent: dict[int, list[Interval]] = {}
        self._next_session = state.next_session
        self._matcher = IdentityMatcher(state, self.now)
        self._memberships = MembershipChanges(state, self._changes, self.now)
        self._servers_of: dict[int, list[str]] = {}
        for user_id, server in state.running:
            self._servers_of.setdefault(user_id, []).append(server)
        self._profiles = dict(state.profiles)
        self._active_since_start: set[str] = set()  # of the poll: not new again at the next one
        self._servers_unreadable: set[str] = set()
        self._group_tuples: dict[tuple[str, ...], tuple[str, ...]] = {}

    def _longest_pause(self) -> timedelta:
        """Two polling intervals, or three if one poll failed."""
        step = max(timedelta(seconds=self.context.interval), ACCURACY)
        if self._is_gapless(step):
            return step + max(step, self.now - (self.state.last_poll or self.now))
        return 2 * step

    def _is_gapless(self, step: timedelta) -> bool:
        """Whether there is no gap between the last poll and this one."""
        return self.state.last_poll is not None and self.now - self.state.last_poll <= GAP * step

    def observe(self, users: Iterable[User]) -> None:
        """Add one page of users. Unchanged users take no memory beyond their id."""
        for user in users:
            name = storable(user.name)
            seen = self._seen(name, user)
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

    def finish(self, *, whole: bool = True, full: bool = False, milliseconds: int = 0) -> Changes:
        """Everything that changed. Call this once.

        ``whole`` False: a page or a user could not be read. Absence then proves nothing, so no
        session ends and nobody counts as deleted. ``full``: all users were listed.
        """
        changes, matcher = self._changes, self._matcher
        matcher.match_missing(self._users, self._unchanged, all_listed=whole and full)
        active: set[int] = set()
        present: set[SessionKey] = set()
        new_activity: dict[int, datetime] = {}
        had_servers = set(self._active_since_start)
        if not whole:
            had_servers |= self.state.had_servers
        for name in list(self._users):
            user = self._users.pop(name)  # frees memory, which counts at a first poll
            person = matcher.identify(name, user)
            self._memberships.update(person.id, user.groups)
            if name in self._servers_unreadable:
                known = self._servers_of.get(person.id, ())
                present.update((person.id, server) for server in known)
            for server in user.servers:
                had_servers.add(name)
                present.add((person.id, server.name))
                if self._observe_server(person, server):
                    active.add(person.id)
            if user.new_activity is not None:
                new_activity[person.id] = user.new_activity
                if whole and self._observe_page_view(name, person, user):
                    active.add(person.id)
        if whole:
            self._end_absent(present, new_activity)
        deleted = matcher.deleted()
        for user_id in deleted:
            self._memberships.leave_all(user_id)
        changes.newcomers, changes.people = matcher.newcomers, matcher.people
        changes.renamed = matcher.renamed
        changes.had_servers = frozenset(had_servers)
        changes.polls[self.now] = Poll(
            time=self.now,
            interval=self.context.interval,
            milliseconds=milliseconds,
            whole=whole,
            full=full,
            users=self._count_people(len(deleted)) if whole else None,
            servers=self._count_running() if whole else None,
            active=len(active) if whole else None,
        )
        return changes

    def _seen(self, name: str, user: User) -> UserSeen:
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
        )

    def _is_unchanged(self, known: Person, user: UserSeen) -> bool:
        if user.servers or user.new_activity is not None or known.created != user.created:
            return False
        if known.id in self._servers_of:
            return False
        return user.groups is None or self._memberships.are_same(known.id, user.groups)

    def _observe_server(self, person: Person, server: ServerSeen) -> bool:
        """Record one server; return whether its user has been active since the last poll."""
        label = f"server {person.name}/{server.name}"
        self._changes.problems += [f"{label}: invalid {problem}" for problem in server.problems]
        key = (person.id, server.name)
        session = self.state.running.get(key)
        started = None if server.started is None else whole_second(server.started)
        if started is not None and started > self.now:
            if started <= self.now + AHEAD:
                return False  # started since the poll began: the next poll records it
            self._changes.problems.append(
                f"{label}: started {started.isoformat()} is later than the Hub's clock"
            )
            started = None
        if session is not None and started is not None and started != session.started:
            last_seen = end_of_stopped(session, None, self.state.last_poll)
            self._end(session, min(last_seen, started))
            session = None
        is_new = session is None
        if session is None:
            if not server.ready:
                return False
            session = self._begin(person, server, started or self.now)
        activity = self._activity(key, label, server)
        if activity is None or activity <= session.last_activity:
            last_poll = self.state.last_poll
            return is_new and (last_poll is None or session.started > last_poll)
        self._extend(session, activity)
        return True

    def _begin(self, person: Person, server: ServerSeen, started: datetime) -> Session:
        profile_id = None
        if server.profile is not None:
            profile_id = id_of(server.profile, self._profiles, self._changes.profiles)
        session = Session(
            id=self._next_session,
            user_id=person.id,
            server=server.name,
            profile_id=profile_id,
            started=started,
            last_activity=started,
        )
        self._next_session += 1
        self._changes.sessions[session.id] = session
        self._changes.touch(started)
        # Starting a server is activity, even if the user then does nothing else.
        self._add_activity(person.id, started, started)
        return session

    def _activity(self, key: SessionKey, label: str, server: ServerSeen) -> datetime | None:
        """The latest activity on the server that can be its user's, else None."""
        reported = reported_activity(server)
        if reported is None:
            return None
        reported = whole_second(reported)
        if reported <= self.now + AHEAD:
            self._changes.ahead_of_clock.pop(key, None)
            return min(reported, self.now)
        before = self.state.ahead_of_clock.get(key)
        if before == reported:
            return None  # it has not moved, even if our clock has come closer to it
        self._changes.ahead_of_clock[key] = reported
        self._changes.problems.append(
            f"{label}: last_activity {reported.isoformat()} is later than the Hub's clock;"
            " when it changes, the time of the poll is recorded instead"
        )
        return None if before is None else self.now

    def _extend(self, session: Session, activity: datetime) -> None:
        since = session.last_activity
        if activity - since > self.longest_pause:
            since = max(activity - ACCURACY, session.started)
        self._add_activity(session.user_id, since, activity)
        self._changes.sessions[session.id] = session._replace(last_activity=activity)

    def _add_activity(self, user_id: int, start: datetime, end: datetime) -> None:
        start = max(start, self.state.settled_for(user_id, self._servers_of.get(user_id, ())))
        if start > end:
            return
        known = self._recent.get(user_id)
        if known is None:
            known = self.state.recent.get(user_id, [])
        self._recent[user_id], added, removed = add_to(known, Interval(start, end), LONGEST)
        changed: dict[ActivityKey, datetime | None] = {(user_id, i.start): None for i in removed}
        changed |= {(user_id, i.start): i.end for i in added}
        if changed:
            self._changes.activity.update(changed)
            self._changes.touch(start)

    def _end_absent(self, present: Set[SessionKey], new_activity: Mapping[int, datetime]) -> None:
        """End the sessions whose server is no longer there."""
        for key, session in self.state.running.items():
            if key not in present and session.id not in self._changes.sessions:
                moved = new_activity.get(session.user_id)
                self._end(session, end_of_stopped(session, moved, self.state.last_poll))

    def _end(self, session: Session, ended: datetime) -> None:
        ended = max(ended, session.last_activity)
        self._changes.sessions[session.id] = session._replace(ended=ended)
        self._changes.ahead_of_clock.pop((session.user_id, session.server), None)
        self._changes.touch(session.last_activity)

    def _observe_page_view(self, name: str, person: Person, user: UserSeen) -> bool:
        """Record that the user opened a page of the Hub; return whether they did."""
        viewed = page_view(
            user,
            had_server=name in self.state.had_servers or person.id in self._servers_of,
            after_gap=not self._is_gapless(timedelta(seconds=self.context.interval)),
        )
        if viewed is None:
            return False
        self._add_activity(person.id, viewed, viewed)
        return True

    def _count_people(self, deleted: int) -> int:
        changes = self._changes
        returned = sum(1 for user_id in changes.people if user_id in self.state.deleted)
        return len(self.state.people) + len(changes.newcomers) + returned - deleted

    def _count_running(self) -> int:
        count = len(self.state.running)
        for session in self._changes.sessions.values():
            count += session.id >= self.state.next_session
            count -= session.ended is not None
        return count
