"""Counts a day's raw records into one row per user and per group. Pure and repeatable.

The hub is group 0. A group's row counts the users who were members on that day, so last
semester's course can still be reported when its group is empty.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from services.stats.days import bounds
from services.stats.intervals import (
    Interval,
    common,
    near,
    overlap_seconds,
    total_seconds,
    union,
    within,
)
from services.stats.records import GAP, HUB, GroupDay, Poll, ProfileDay, Session, UserDay
from services.stats.store.daily.by_profile import Choice, Counts, add_up, by_choice, rows

CULLED_AFTER = timedelta(minutes=15)
"""A server that ends this long after its last activity was not stopped by its user."""

SAVES_AT_MOST = timedelta(hours=24)
"""A stop saves at most this much, however long the user stays away."""


Joined = Mapping[int, datetime]
"""By user id, the start of their first day as a member of a group; those who joined long ago may be
missing."""


@dataclass
class DayRecords:
    """Everything known about one day."""

    day: date
    window: Interval
    """The day in UTC; if the day is not over, it ends at the last poll."""
    zone: ZoneInfo
    sessions: Sequence[Session] = ()
    """Sessions that ran in the window or ended in the 24 hours before it."""
    activity: Sequence[tuple[int, Interval]] = ()
    seen: Sequence[Interval] = ()
    """The observed time as a union. It also covers the time before the window in which servers
    that stopped were idle, as far as it was observed."""
    servers_known: bool = True
    """Whether the polls of this day saw servers. Those of an imported file did not."""
    people: int = 0
    """The number of accounts of users who are counted."""
    members: Mapping[int, Set[int]] = field(default_factory=dict)
    joined: Mapping[int, Joined] = field(default_factory=dict)
    """By group. What a member's servers did before is not shown."""
    newcomers: Set[int] = frozenset()
    last_active: Mapping[int, date] = field(default_factory=dict)
    """The last day before this one, of the 29 before it, on which each user was active."""
    members_6_before: Mapping[int, Set[int]] = field(default_factory=dict)
    members_29_before: Mapping[int, Set[int]] = field(default_factory=dict)
    """By group: those who were active then as its members, whether or not they still are."""
    excluded: Set[int] = frozenset()
    """Users who are not counted on this day. They have rows of their own all the same, and the
    hub's machines run their servers, so those are in the hub's mean and peak."""

    def active_within(self, length: timedelta) -> Set[int]:
        """The users who were active in the days before this one."""
        first = self.day - length
        return {user_id for user_id, day in self.last_active.items() if day >= first}


@dataclass
class _Person:
    """A user's day while it is being counted."""

    active: list[Interval] = field(default_factory=list)
    present: bool = False
    sessions: list[Session] = field(default_factory=list)
    active_seconds: int = 0
    idle_seconds: int = 0
    unobserved_seconds: int = 0
    server_seconds: int = 0
    after_seconds: int = 0
    saved_seconds: int = 0
    audited: set[bool] = field(default_factory=set)
    """Whether it is known of the servers that stopped while idle who stopped them."""
    started: int = 0
    minutes: list[int] = field(default_factory=list)
    hours: frozenset[int] = frozenset()
    running: list[Interval] = field(default_factory=list)
    by_choice: Mapping[Choice, Counts] = field(default_factory=dict)
    earlier: Sequence[Session] = ()
    """The sessions, if some began before the day: not all of a group's instructors may see it."""


class CountedDay:
    """A day with all users counted once, from which the rows of any group follow."""

    def __init__(self, records: DayRecords) -> None:
        self._seen = common(records.seen, [records.window])
        self._hours = observed_hours(records.day, records.zone, self._seen)
        self._people = _people(records, self._seen)
        # These records are not needed again, and a large hub has many.
        self.records = replace(records, sessions=(), activity=())

    def users(self) -> list[UserDay]:
        """The rows of the users who were active or present, or had a server."""
        day = self.records.day
        return [
            UserDay(
                day,
                i,
                p.active_seconds,
                p.idle_seconds,
                p.started,
                was_active=bool(p.active),
                unobserved_seconds=p.unobserved_seconds,
                was_present=p.present or bool(p.active),
            )
            for i, p in sorted(self._people.items())
            if p.active or p.running or p.present
        ]

    def hub(self) -> GroupDay:
        """The row of the hub."""
        size = self.records.people
        return self._row(HUB, size, None)

    def group(self, group_id: int, members: Set[int], joined: Joined | None = None) -> GroupDay:
        """The row of a group, given the users who were its members on that day.

        ``joined``: by default, what the day's records say.
        """
        return self._row(group_id, len(members - self.records.excluded), members, joined)

    def profiles(
        self,
        group_id: int = HUB,
        members: Set[int] | None = None,
        joined: Joined | None = None,
    ) -> list[ProfileDay]:
        """The servers of the hub, or of a group's members, by profile and image."""
        if not self.records.servers_known:
            return []
        people = self._of(group_id, members, joined)
        mine = (people[i].by_choice for i in people.keys() - self.records.excluded)
        return rows(self.records.day, group_id, add_up(mine))

    def earlier_sessions(self) -> Iterable[Session]:
        """The sessions of everybody of whom one began before the day."""
        return (session for person in self._people.values() for session in person.earlier)

    def _of(
        self, group_id: int, members: Set[int] | None, joined: Joined | None
    ) -> Mapping[int, _Person]:
        """Everybody, or the members as far as an instructor of the group may see them."""
        if members is None:
            return self._people
        if joined is None:
            joined = self.records.joined.get(group_id, {})
        people = {i: self._people[i] for i in self._people.keys() & members}
        for i in people.keys() & joined.keys():
            if any(session.started < joined[i] for session in people[i].earlier):
                people[i] = _since(people[i], joined[i], self.records, self._seen)
        return people

    def groups(self) -> list[GroupDay]:
        """The rows of the hub, and of the groups with any figures."""
        # A group that everybody has left still has its members' activity of the last 30 days.
        members = self.records.members
        numbers = sorted(members.keys() | self.records.members_29_before.keys())
        return [self.hub(), *(self.group(one, members.get(one, frozenset())) for one in numbers)]

    def _row(
        self, group_id: int, size: int, members: Set[int] | None, joined: Joined | None = None
    ) -> GroupDay:
        people = self._of(group_id, members, joined)
        row = _group_day(group_id, size, members, people, self.records, self._seen)
        return row._replace(observed_hours=self._hours)


def roll_up(records: DayRecords) -> tuple[list[UserDay], list[GroupDay]]:
    """The rows of a day: the hub's, and those of the groups with any figures."""
    day = CountedDay(records)
    return day.users(), day.groups()


def observed(polls: Iterable[Poll], window: Interval) -> list[Interval]:
    """The observed time: between consecutive complete polls.

    Where they are more than two and a half intervals apart, the time between is a gap.
    """
    seen = []
    for before, poll in pairwise(sorted(p for p in polls if p.whole)):
        if poll.time - before.time <= GAP * timedelta(seconds=poll.interval):
            seen.append(Interval(before.time, poll.time))
    return within(seen, window)


def _people(records: DayRecords, seen: Sequence[Interval]) -> dict[int, _Person]:
    people: dict[int, _Person] = defaultdict(_Person)
    for user_id, interval in records.activity:
        if parts := within([interval], records.window):
            people[user_id].active += parts
    for session in records.sessions:
        people[session.user_id].sessions.append(session)
    for person in people.values():
        _count_person(person, records, seen)
    return people


def _count_person(person: _Person, records: DayRecords, seen: Sequence[Interval]) -> None:
    begin, end = window = records.window
    moments = union(person.active)
    person.active = [one for one in moments if is_work(one, person.sessions)]
    person.present = len(person.active) < len(moments)
    for session in person.sessions:
        started, ended = session.started, session.ended
        if ended is None or ended > begin:
            run = Interval(max(started, begin), end if ended is None else min(ended, end))
            if run.start < run.end:
                person.running.append(run)
        if begin <= started < end:
            person.started += 1
    _count_stops(person, person.sessions, records)
    running = union(person.running)
    watched = running if list(seen) == [window] else common(running, seen)
    worked = overlap_seconds(running, person.active)
    worked_watched = worked if watched is running else overlap_seconds(watched, person.active)
    person.active_seconds = int(total_seconds(person.active))
    person.server_seconds = int(total_seconds(person.running))
    person.idle_seconds = int(total_seconds(watched) - worked_watched)
    unobserved = total_seconds(running) - total_seconds(watched) - (worked - worked_watched)
    person.unobserved_seconds = int(unobserved)
    person.hours = frozenset(h for i in person.active for h in _local_hours(i, records.zone))
    person.by_choice = by_choice(person.sessions, person.active, window, seen)
    if any(session.started < begin for session in person.sessions):
        person.earlier = person.sessions
    person.sessions = []


def _count_stops(person: _Person, sessions: Sequence[Session], records: DayRecords) -> None:
    begin, end = window = records.window
    for session in sessions:
        ended = session.ended
        if ended is None:
            continue
        if begin <= ended < end:
            person.minutes.append((ended - session.started) // timedelta(minutes=1))
            person.after_seconds += int((ended - session.last_activity).total_seconds())
        if _may_save(session, ended, records):
            person.audited.add(session.culled is not None)
            if session.culled is not False:
                person.saved_seconds += _saved(session.server, ended, sessions, window)


def _since(
    person: _Person, moment: datetime, records: DayRecords, seen: Sequence[Interval]
) -> _Person:
    """The same without what their servers did before they joined a group, early on this day or
    on an earlier one."""
    shown = [
        session._replace(
            started=max(session.started, moment),
            last_activity=max(session.last_activity, moment),
        )
        for session in person.earlier
        if session.ended is None or session.ended > moment
    ]
    found = replace(person, minutes=[], after_seconds=0, saved_seconds=0, audited=set())
    _count_stops(found, shown, records)
    found.by_choice = by_choice(person.earlier, person.active, records.window, seen, moment)
    return found


def is_work(activity: Interval, sessions: Iterable[Session]) -> bool:
    """Whether the user worked in a server, or started it; otherwise they were only present.

    Activity without a length and without a server is a page of the Hub, or something in a gap.
    """
    moment = activity.start
    return activity.seconds > 0 or any(
        session.started <= moment and (session.ended is None or moment <= session.ended)
        for session in sessions
    )


def _may_save(session: Session, ended: datetime, records: DayRecords) -> bool:
    """Whether the culler stopped the server, or may have. If the audit says so, it did."""
    if session.culled:
        return True
    idle = Interval(session.last_activity, ended)
    return ended - session.last_activity >= CULLED_AFTER and _was_seen(idle, records)


def _was_seen(idle: Interval, records: DayRecords) -> bool:
    """Whether the server was observed throughout: in a gap it may have been used, or stopped."""
    at = bisect_right(records.seen, idle.start, key=lambda interval: interval.start) - 1
    return at >= 0 and idle.end <= records.seen[at].end


def _saved(server: str, ended: datetime, sessions: Iterable[Session], window: Interval) -> int:
    """How much longer the server would have run in the window: until it was used again."""
    until = min(ended + SAVES_AT_MOST, window.end)
    since = max(ended, window.start)
    if since < until:
        again = [s.started for s in sessions if s.server == server and s.started >= ended]
        until = min([until, *again])
    return max(0, int((until - since).total_seconds()))


def _local_hours(interval: Interval, zone: ZoneInfo) -> set[int]:
    hours = set()
    moment = interval.start
    while moment < interval.end or moment == interval.start:
        local = moment.astimezone(zone)
        hours.add(local.hour)
        moment += timedelta(seconds=3600 - local.minute * 60 - local.second)
    return hours


def _group_day(
    group_id: int,
    size: int,
    members: Set[int] | None,
    people: Mapping[int, _Person],
    records: DayRecords,
    seen: Sequence[Interval],
) -> GroupDay:
    counted = people.keys() - records.excluded
    if members is not None:
        counted &= members
    mine = [people[i] for i in counted]
    active = {i for i in counted if people[i].active}
    newcomers = records.newcomers - records.excluded
    if members is None:
        before_7 = records.active_within(timedelta(days=6))
        before_30 = records.active_within(timedelta(days=29))
    else:
        before_7 = records.members_6_before.get(group_id, frozenset())
        before_30 = records.members_29_before.get(group_id, frozenset())
        newcomers = newcomers & members
    with_servers = people.values() if members is None else mine
    running = [run for p in with_servers for run in p.running]
    known = records.servers_known
    mean, peak, peak_at = concurrency(running, seen if known else ())
    hours = Counter(hour for p in mine for hour in p.hours)
    lengths = Counter(minutes for p in mine for minutes in p.minutes)
    return GroupDay(
        day=records.day,
        group_id=group_id,
        members=size,
        newcomers=len(newcomers),
        active=len(active),
        active_7=len(active | before_7),
        active_30=len(active | before_30),
        active_seconds=sum(p.active_seconds for p in mine),
        idle_seconds=sum(p.idle_seconds for p in mine) if known else None,
        server_seconds=sum(p.server_seconds for p in mine) if known else None,
        after_seconds=sum(p.after_seconds for p in mine) if known else None,
        saved_seconds=sum(p.saved_seconds for p in mine) if known else None,
        sessions=sum(p.started for p in mine) if known else None,
        observed_seconds=int(total_seconds(seen)),
        mean_running=mean,
        peak=peak,
        peak_at=peak_at,
        lengths=json.dumps({str(k): lengths[k] for k in sorted(lengths)}, separators=(",", ":")),
        hours=json.dumps([hours[h] for h in range(24)], separators=(",", ":")) if hours else "",
        unobserved_seconds=sum(p.unobserved_seconds for p in mine) if known else None,
        servers_known=known,
        audited=_audited(mine),
    )


def _audited(people: Iterable[_Person]) -> bool | None:
    found = set[bool]().union(*(person.audited for person in people))
    return None if not found else found == {True}


def observed_hours(day: date, zone: ZoneInfo, seen: Sequence[Interval]) -> str:
    """How much of each hour of the local clock was observed (see :class:`GroupDay`)."""
    whole = bounds(day, zone)
    if list(seen) == [whole] and whole.seconds >= 24 * 3600:
        return ""  # of a shorter day, the clock skips an hour, which nobody can observe
    lengths, observed_lengths = [0.0] * 24, [0.0] * 24
    start = whole.start
    while start < whole.end:
        local = start.astimezone(zone)
        hour = Interval(start, start + timedelta(seconds=3600 - local.minute * 60 - local.second))
        lengths[local.hour] += hour.seconds
        observed_lengths[local.hour] += overlap_seconds([hour], near(seen, hour))
        start = hour.end
    shares = [
        round(100 * part / length) if length else 0
        for part, length in zip(observed_lengths, lengths, strict=True)
    ]
    return json.dumps(shares, separators=(",", ":"))


def concurrency(
    running: Iterable[Interval], seen: Sequence[Interval]
) -> tuple[float | None, int | None, datetime | None]:
    """Concurrent servers: their mean over the observed time, their peak, and its first time."""
    duration = total_seconds(seen)
    if duration <= 0:
        return None, None, None
    runs = list(running)
    steps: list[tuple[datetime, int]] = []
    for start, end in runs:
        steps += [(start, 1), (end, -1)]
    steps.sort()  # an end before a start at the same moment: they do not overlap
    now = peak = 0
    peak_at = seen[0].start
    for moment, step in steps:
        now += step
        if now > peak:
            peak, peak_at = now, moment
    if len(seen) == 1 and all(seen[0].start <= start and end <= seen[0].end for start, end in runs):
        busy = total_seconds(runs)  # as on most days, all of the day was observed
    else:
        busy = sum(overlap_seconds([run], near(seen, run)) for run in runs)
    return busy / duration, peak, peak_at
