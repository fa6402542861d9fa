"""The figures of each day, counted minute by minute."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from tests.stats.reference.history import History
from tests.stats.reference.seen import Run, Seen, User

DAY = 24 * 60
IDLE_WHEN_STOPPED = 15
"""Minutes after its last activity from which a stopped server counts as stopped while idle."""


@dataclass(frozen=True)
class UserDay:
    """Minutes of a user's day. ``hours`` are those of the local clock."""

    active: int = 0
    idle: int = 0
    unobserved: int = 0
    sessions: int = 0
    was_active: bool = False
    was_present: bool = False
    hours: frozenset[int] = frozenset()


@dataclass(frozen=True)
class GroupDay:
    """A day of the hub, a group or a user; minutes where the product has seconds."""

    day: date
    observed: int
    members: int
    newcomers: int
    active: int
    active_7: int
    active_30: int
    active_minutes: int
    idle: int
    unobserved: int
    server: int
    after: int
    saved: int
    sessions: int
    mean: float | None
    peak: int | None
    peak_at: int | None
    lengths: dict[int, int] = field(default_factory=dict)
    hours: tuple[int, ...] = ()
    observed_hours: tuple[int, ...] = ()
    """Percent of each hour of the local clock."""


class Days:
    """The days of a history, in a time zone. ``now``: up to the last complete poll."""

    def __init__(self, seen: Seen, zone: str) -> None:
        self.seen = seen
        self.history: History = seen.history
        self.zone = ZoneInfo(zone)
        self.now = seen.complete[-1]
        self.observed = seen.observed()
        self._local = dict[date, list[tuple[int, int]]]()
        assert seen.first_poll is not None
        for minute in range(seen.first_poll - 2 * DAY, self.now + 2 * DAY):
            local = self.history.time(minute).astimezone(self.zone)
            self._local.setdefault(local.date(), []).append((minute, local.hour))
        self._user_days: dict[tuple[User, date], UserDay] = {}

    # -- the calendar

    @cached_property
    def days(self) -> list[date]:
        """From the day of the first poll to that of the last complete one."""
        assert self.seen.first_poll is not None
        first, last = self.day_of(self.seen.first_poll), self.day_of(self.now)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def day_of(self, minute: int) -> date:
        """The local day."""
        return self.history.time(minute).astimezone(self.zone).date()

    def whole(self, day: date) -> list[int]:
        """All minutes of a day, which may have 23 or 25 hours."""
        return [minute for minute, _ in self._local[day]]

    def passed(self, day: date) -> list[int]:
        """The minutes of a day up to the last poll."""
        return [minute for minute in self.whole(day) if minute < self.now]

    # -- users

    def user_day(self, user: User, day: date) -> UserDay:
        """The day of a user, no matter who may see it."""
        key = (user, day)
        if key not in self._user_days:
            self._user_days[key] = self._count(user, day)
        return self._user_days[key]

    def _count(self, user: User, day: date) -> UserDay:
        passed = self.passed(day)
        hour_of = dict(self._local[day])
        minutes = set(passed)
        active = user.worked & minutes
        moments = user.moments & minutes
        in_server = {m for m in moments if any(_during(run, m) for run in user.runs)}
        running: set[int] = set()
        for run in user.runs:
            running |= self.running(run, minutes)
        return UserDay(
            active=len(active),
            idle=len((running & self.observed) - active),
            unobserved=len(running - self.observed - active),
            sessions=sum(run.started in minutes for run in user.runs),
            was_active=bool(active or in_server),
            was_present=bool(active or moments),
            hours=frozenset(hour_of[minute] for minute in active | in_server),
        )

    def running(self, run: Run, minutes: set[int]) -> set[int]:
        """The minutes among these in which a server ran, as far as is known."""
        return minutes & set(range(run.started, self.now if run.ended is None else run.ended))

    def is_member(self, user: User, group: str, day: date) -> bool:
        """Whether the user was in the group at any time of the day."""
        whole = self.whole(day)
        return any(
            one.group == group
            and one.since <= whole[-1]
            and (one.until is None or one.until > whole[0])
            for one in user.groups
        )

    def shown_runs(self, user: User, groups: Iterable[str] | None, day: date) -> list[Run]:
        """The runs of a member as an instructor may see them: cut where the user joined."""
        if groups is None:
            return user.runs
        names, first = list(groups), day
        while (before := first - timedelta(days=1)) in self._local and any(
            self.is_member(user, one, before) for one in names
        ):
            first = before
        start = self.whole(first)[0]
        return [
            replace(run, started=max(run.started, start), last=max(run.last, start))
            for run in user.runs
            if run.ended is None or run.ended > start
        ]

    def exists(self, user: User, day: date) -> bool:
        """Whether the user had an account at any time of the day."""
        whole = self.whole(day)
        return user.first_seen <= whole[-1] and (user.deleted is None or user.deleted > whole[0])

    def was_away(self, user: User, day: date) -> bool:
        """Whether there was no account on that day, although there was one before and after."""
        whole = self.whole(day)
        return any(since <= whole[0] and until > whole[-1] for since, until in user.absent)

    # -- groups

    def hub(self) -> list[GroupDay]:
        """Each day of the whole hub."""
        return [
            self._row(day, self.seen.users, self._active(day), self._exist(day))
            for day in self.days
        ]

    def group(self, group: str) -> list[GroupDay]:
        """Each day of a group: of those who were its members on that day."""
        rows = []
        for day in self.days:
            members = [user for user in self.seen.users if self.is_member(user, group, day)]
            rows.append(self._row(day, members, self._active(day, group), len(members), [group]))
        return rows

    def user(self, user: User, groups: Iterable[str] | None = None) -> list[GroupDay]:
        """Each day of a user; only those on which they were in one of the groups."""
        rows = []
        for day in self.days:
            shown = groups is None or any(self.is_member(user, one, day) for one in groups)
            active = [
                past
                for past in self._before(day)
                if groups is None or any(self.is_member(user, one, past) for one in groups)
                if self.user_day(user, past).was_active
            ]
            active_in = {past: {user} for past in active}
            rows.append(self._row(day, [user] if shown else [], active_in, 1, groups))
        return rows

    def _exist(self, day: date) -> int:
        return sum(self.exists(user, day) for user in self.seen.users)

    def _before(self, day: date) -> list[date]:
        return [past for past in self.days if timedelta() <= day - past < timedelta(days=30)]

    def _active(self, day: date, group: str | None = None) -> dict[date, set[User]]:
        """Who was active on each of the 30 days that end with this one; of a group, as members."""
        return {
            past: {
                user
                for user in self.seen.users
                if self.user_day(user, past).was_active
                and (group is None or self.is_member(user, group, past))
            }
            for past in self._before(day)
        }

    def _row(
        self,
        day: date,
        users: Sequence[User],
        active: dict[date, set[User]],
        members: int,
        groups: Iterable[str] | None = None,
    ) -> GroupDay:
        passed = self.passed(day)
        minutes = set(passed)
        observed = minutes & self.observed
        mine = [self.user_day(user, day) for user in users]
        runs = [(user, run) for user in users for run in self.shown_runs(user, groups, day)]
        ended = [run for _, run in runs if run.ended is not None and run.ended in minutes]
        count: Counter[int] = Counter()
        for _, run in runs:
            count.update(self.running(run, minutes))
        peak = max(count.values(), default=0)
        hours = Counter(hour for one in mine for hour in one.hours)
        newcomers = [user for user in users if self.is_newcomer(user, day)]
        return GroupDay(
            day=day,
            observed=len(observed),
            members=members,
            newcomers=len(newcomers),
            active=sum(one.was_active for one in mine),
            active_7=len(
                {user for past, them in active.items() if (day - past).days < 7 for user in them}
            ),
            active_30=len({user for them in active.values() for user in them}),
            active_minutes=sum(one.active for one in mine),
            idle=sum(one.idle for one in mine),
            unobserved=sum(one.unobserved for one in mine),
            server=sum(count.values()),
            after=sum((run.ended or 0) - run.last for run in ended),
            saved=sum(len(self.saved(user, run) & minutes) for user, run in runs),
            sessions=sum(one.sessions for one in mine),
            mean=sum(count[m] for m in observed) / len(observed) if observed else None,
            peak=peak if observed else None,
            peak_at=min((m for m in count if count[m] == peak), default=None) if observed else None,
            lengths=dict(Counter((run.ended or 0) - run.started for run in ended)),
            hours=tuple(hours[hour] for hour in range(24)),
            observed_hours=self._observed_hours(day),
        )

    def is_newcomer(self, user: User, day: date) -> bool:
        """Whether the account was created on that day, and was not there before."""
        whole = self.whole(day)
        created = self.seen.created(user)
        return created in whole and user.first_seen >= whole[0]

    def saved(self, user: User, run: Run) -> set[int]:
        """The minutes that stopping the server saved: it was idle, and watched all the time."""
        if run.ended is None or run.ended - run.last < IDLE_WHEN_STOPPED:
            return set()
        if not set(range(run.last, run.ended)) <= self.observed:
            return set()
        again = [
            one.started
            for one in user.runs
            if one.server == run.server and one.started >= run.ended
        ]
        return set(range(run.ended, min([run.ended + DAY, *again])))

    def _observed_hours(self, day: date) -> tuple[int, ...]:
        length: Counter[int] = Counter()
        observed: Counter[int] = Counter()
        for minute, hour in self._local[day]:
            length[hour] += 1
            observed[hour] += minute in self.observed
        return tuple(
            round(100 * observed[hour] / length[hour]) if length[hour] else 0 for hour in range(24)
        )


def _during(run: Run, minute: int) -> bool:
    return run.started <= minute and (run.ended is None or minute <= run.ended)
