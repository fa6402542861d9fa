"""From what was known and what the Hub says now to what has changed. Pure.

Give a ``Sampling`` the pages in the order in which they were read: first all users with
active servers, then the users by newest activity, and for a full look all users. A later
sight of a user replaces an earlier one, so a server that stops while the pages are read is
seen as stopped, with the time of its stop. Then ``finish`` says what has changed.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import as_utc
from common.hub.models import User
from services.stats.intervals import Interval, add_to
from services.stats.record.identity import Glimpse, Register, Sight, storable
from services.stats.record.state import SessionKey, State
from services.stats.records import ActivityKey, Changes, Person, Poll, Session

#: How exact the Hub's ``last_activity`` is: servers and proxy report every 5 minutes.
ACCURACY = timedelta(seconds=300)

#: One stored interval is at most this long, so a query for a time need not look further back.
LONGEST = timedelta(hours=6)

#: So little ahead of the poll's begin is not worth a word: pages take their time, clocks differ.
AHEAD = timedelta(seconds=60)


#: Polls further apart than so many intervals have a gap between them.
GAP = 2.5


def whole_second(moment: datetime) -> datetime:
    """The moment as it is stored."""
    return as_utc(moment).replace(microsecond=0)


@dataclass(frozen=True)
class Look:
    """The circumstances of one poll."""

    now: datetime
    """When it began, by the Hub's clock."""
    interval: int = 300
    """Seconds between polls, as set."""
    full: bool = False
    """Whether all users are listed."""
    groups_readable: bool = True
    """Whether the token may read groups; without, memberships stay as they are."""


class Sampling:
    """One poll in the making. Nothing in the state changes before ``State.apply``."""

    def __init__(self, state: State, look: Look) -> None:
        self.state = state
        self.look = look
        self.now = whole_second(look.now)
        self.join = self._join()
        self._sights: dict[str, Sight] = {}
        self._unchanged: set[int] = set()
        self._changes = Changes(ahead=dict(state.ahead))
        self._recent: dict[int, list[Interval]] = {}
        self._next_session = state.next_session
        self._register = Register(state, self.now)
        self._servers_of: dict[int, list[str]] = {}
        for user_id, server in state.running:
            self._servers_of.setdefault(user_id, []).append(server)
        self._groups = dict(state.groups)
        self._profiles = dict(state.profiles)
        self._late: set[str] = set()  # moved since the poll began: not news again at the next
        self._doubtful: set[str] = set()  # their servers could not be read
        self._group_tuples: dict[tuple[str, ...], tuple[str, ...]] = {}

    def _join(self) -> timedelta:
        """How far apart two marks of unbroken work can be: two polls, three if one was lost."""
        step = max(timedelta(seconds=self.look.interval), ACCURACY)
        if self._follows(step):
            return step + max(step, self.now - (self.state.last_poll or self.now))
        return 2 * step

    def _follows(self, step: timedelta) -> bool:
        """Whether there is no gap between the last poll and this one."""
        return self.state.last_poll is not None and self.now - self.state.last_poll <= GAP * step

    def see(self, users: Iterable[User]) -> None:
        """Take in one page. What is as it was costs no memory beyond a mark."""
        for user in users:
            name = storable(user.name)
            sight = self._sight(name, user)
            known = self.state.people.get(name)
            if known is not None and self._is_unchanged(known, sight):
                self._sights.pop(name, None)
                self._unchanged.add(known.id)
                continue
            if known is not None:
                self._unchanged.discard(known.id)
            elif self._register.is_first and not sight.servers and name not in self._sights:
                # The first poll of a large hub: nothing to compare with, and much to keep.
                self._regroup(self._register.admit(name, sight).id, sight)
                continue
            self._sights[name] = sight

    def wants_full(self) -> bool:
        """Whether only a full listing can tell a newcomer from somebody renamed."""
        if self.look.full:
            return False
        people = self.state.people
        strangers = {
            sight.created
            for name, sight in self._sights.items()
            if (known := people.get(name)) is None or not sight.may_be(known)
        } - {None}
        return bool(strangers) and any(p.created in strangers for p in people.values())

    def finish(self, *, whole: bool = True, full: bool = False, milliseconds: int = 0) -> Changes:
        """Everything that has changed. To be called once.

        ``whole`` False: some page or user could not be read. Then what was not seen proves
        nothing: no session is ended and nobody taken for deleted. ``full``: all users were
        listed.
        """
        changes = self._changes
        register = self._register
        register.compare(self._sights, self._unchanged, everybody=whole and full)
        active: set[int] = set()
        seen: set[SessionKey] = set()
        moved: dict[int, datetime] = {}
        listed = set(self._late) if whole else self._late | self.state.listed
        for name in list(self._sights):
            sight = self._sights.pop(name)  # at a first poll of many users, memory counts
            person = register.who(name, sight)
            self._regroup(person.id, sight)
            if name in self._doubtful:
                seen.update((person.id, server) for server in self._servers_of.get(person.id, ()))
            for server in sight.servers:
                listed.add(name)
                seen.add((person.id, server.name))
                if self._watch(person, server):
                    active.add(person.id)
            if sight.moved is not None:
                moved[person.id] = sight.moved
                if whole and self._visit(name, person, sight):
                    active.add(person.id)
        if whole:
            self._end_vanished(seen, moved)
        gone = register.close()
        for user_id in gone:
            self._leave_groups(user_id, self.state.members.get(user_id, ()))
        changes.newcomers, changes.people = register.newcomers, register.people
        changes.renamed = register.renamed
        changes.listed = frozenset(listed)
        changes.polls[self.now] = Poll(
            time=self.now,
            interval=self.look.interval,
            milliseconds=milliseconds,
            whole=whole,
            full=full,
            users=self._count_people(len(gone)) if whole else None,
            servers=self._count_running() if whole else None,
            active=len(active) if whole else None,
        )
        return changes

    def _sight(self, name: str, user: User) -> Sight:
        for problem in user.problems:
            self._changes.problems.append(f"user {name!r}: {problem} is not usable")
        moved = None
        if user.last_activity is not None and self.state.last_poll is not None:
            last = whole_second(user.last_activity)
            if self.state.last_poll < last <= self.now + AHEAD:
                moved = min(last, self.now)
                if last > self.now:
                    self._late.add(name)
        if "servers" in user.problems:
            self._doubtful.add(name)
        groups = self._group_tuples.setdefault(user.groups, user.groups)
        readable = self.look.groups_readable and "groups" not in user.problems
        return Sight(
            groups=groups if readable else None,
            created=user.created,
            moved=moved,
            servers=tuple(Glimpse.of(s) for s in user.servers.values() if not s.stopped),
        )

    def _is_unchanged(self, known: Person, sight: Sight) -> bool:
        if sight.servers or sight.moved is not None or known.created != sight.created:
            return False
        if known.id in self._servers_of:
            return False
        if sight.groups is None:
            return True
        mine = self.state.members.get(known.id, ())
        if len(mine) != len(sight.groups):
            return False
        ids = self.state.groups
        return {group_id for group_id, _ in mine} == {ids.get(name) for name in sight.groups}

    def _regroup(self, user_id: int, sight: Sight) -> None:
        if sight.groups is None:
            return
        mine = self.state.members.get(user_id, ())
        now_in = {_id_of(storable(n), self._groups, self._changes.groups) for n in sight.groups}
        self._leave_groups(user_id, (row for row in mine if row[0] not in now_in))
        for group_id in sorted(now_in - {row[0] for row in mine}):
            self._changes.join(group_id, user_id, self.now)

    def _leave_groups(self, user_id: int, rows: Iterable[tuple[int, datetime]]) -> None:
        for group_id, since in rows:
            self._changes.left[group_id, user_id, since] = self.now

    def _watch(self, person: Person, server: Glimpse) -> bool:
        """One server as it is now; whether its user has been active since the last poll."""
        for problem in server.problems:
            self._changes.problems.append(
                f"server {person.name}/{server.name}: {problem} is not usable"
            )
        key = (person.id, server.name)
        session = self.state.running.get(key)
        started = None if server.started is None else whole_second(server.started)
        if started is not None and started > self.now:
            if started <= self.now + AHEAD:
                return False  # started since the poll began: the next one's business
            self._changes.problems.append(
                f"server {person.name}/{server.name}: started {started.isoformat()} is ahead of "
                "the Hub's clock"
            )
            started = None
        if session is not None and started is not None and started != session.started:
            self._end(session, min(self._last_seen(session), started))
            session = None
        is_new = session is None
        if session is None:
            if not server.ready:
                return False
            session = self._begin(person, server, started or self.now)
        mark = self._mark(key, person, server)
        if mark is None or mark <= session.last_activity:
            last_poll = self.state.last_poll
            return is_new and (last_poll is None or session.started > last_poll)
        self._work(session, mark)
        return True

    def _begin(self, person: Person, server: Glimpse, started: datetime) -> Session:
        profile = server.profile
        session = Session(
            id=self._next_session,
            user_id=person.id,
            server=server.name,
            profile_id=None
            if profile is None
            else _id_of(profile, self._profiles, self._changes.profiles),
            started=started,
            last_activity=started,
        )
        self._next_session += 1
        self._changes.sessions[session.id] = session
        self._changes.touch(started)
        # Who starts a server is there, even if nothing else is heard of them.
        self._put(person.id, started, started)
        return session

    def _mark(self, key: SessionKey, person: Person, server: Glimpse) -> datetime | None:
        """The server's newest activity, if it can be the user's."""
        if server.pending == "stop" or server.last_activity is None:
            return None  # a stop writes its own time there
        said = whole_second(server.last_activity)
        if said <= self.now + AHEAD:
            self._changes.ahead.pop(key, None)
            return min(said, self.now)
        before = self.state.ahead.get(key)
        if before == said:
            return None  # nothing new, however our clock goes on
        self._changes.ahead[key] = said
        self._changes.problems.append(
            f"server {person.name}/{server.name}: last_activity {said.isoformat()} is ahead of "
            "the Hub's clock; taken for now when it moves"
        )
        return None if before is None else self.now

    def _work(self, session: Session, mark: datetime) -> None:
        since = session.last_activity
        if mark - since > self.join:
            since = max(mark - ACCURACY, session.started)
        self._put(session.user_id, since, mark)
        self._changes.sessions[session.id] = session._replace(last_activity=mark)

    def _put(self, user_id: int, start: datetime, end: datetime) -> None:
        start = max(start, self.state.floor_of(user_id, self._servers_of.get(user_id, ())))
        if start > end:
            return
        known = self._recent.get(user_id)
        if known is None:
            known = self.state.recent.get(user_id, [])
        self._recent[user_id], added, gone = add_to(known, Interval(start, end), LONGEST)
        rows: dict[ActivityKey, datetime | None] = {(user_id, i.start): None for i in gone}
        rows |= {(user_id, i.start): i.end for i in added}
        if rows:
            self._changes.activity.update(rows)
            self._changes.touch(start)

    def _end_vanished(self, seen: Set[SessionKey], moved: Mapping[int, datetime]) -> None:
        for key, session in self.state.running.items():
            if key not in seen and session.id not in self._changes.sessions:
                # A stop sets the user's last_activity: that is when it ended.
                self._end(session, moved.get(session.user_id) or self._last_seen(session))

    def _end(self, session: Session, ended: datetime) -> None:
        ended = max(ended, session.last_activity)
        self._changes.sessions[session.id] = session._replace(ended=ended)
        self._changes.ahead.pop((session.user_id, session.server), None)
        self._changes.touch(session.last_activity)

    def _last_seen(self, session: Session) -> datetime:
        return self.state.last_poll or session.last_activity

    def _visit(self, name: str, person: Person, sight: Sight) -> bool:
        """Whether they opened a page of the Hub and had no server, now or at the last poll."""
        if not self._follows(timedelta(seconds=self.look.interval)):
            return False  # in so long a time a server may have run and been stopped by others
        if sight.moved is None or sight.servers or name in self.state.listed:
            return False
        if person.id in self._servers_of:
            return False
        self._put(person.id, sight.moved, sight.moved)
        return True

    def _count_people(self, gone: int) -> int:
        changes = self._changes
        returned = sum(1 for user_id in changes.people if user_id in self.state.gone)
        return len(self.state.people) + len(changes.newcomers) + returned - gone

    def _count_running(self) -> int:
        count = len(self.state.running)
        for session in self._changes.sessions.values():
            count += session.id >= self.state.next_session
            count -= session.ended is not None
        return count


def _id_of(name: str, known: dict[str, int], new: dict[int, str]) -> int:
    """The id of a group or profile; a new one gets the next number."""
    number = known.get(name)
    if number is None:
        number = max(known.values(), default=0) + 1
        known[name] = number
        new[number] = name
    return number
