"""Whatever happens at a hub, in whatever order: what the statistics never get wrong."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.hub.models import Server, User
from services.stats.days import By, bounds, day_of, days, periods
from services.stats.intervals import Interval, add_to, overlap_seconds, total_seconds, union, within
from services.stats.record.sampler import LONGEST, Look, Sampling
from services.stats.record.state import State
from services.stats.records import Changes, Session
from services.stats.store.rollup import DayRecords, roll_up

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NAMES = st.sampled_from(["ana", "ben", "eva"])
SERVERS = st.sampled_from(["", "gpu"])

moments = st.integers(0, 2000).map(lambda n: START + timedelta(seconds=n))
intervals = st.tuples(moments, moments).map(lambda pair: Interval(*sorted(pair)))


@dataclass
class Account:
    """One account at the hub that is played; ``number`` is who they really are."""

    number: int
    name: str
    created: datetime
    last_activity: datetime | None = None
    servers: dict[str, Server] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    def shown(self) -> User:
        return User(
            name=self.name,
            created=self.created,
            last_activity=self.last_activity,
            servers=dict(self.servers),
            groups=self.groups,
        )


class HubMachine(RuleBasedStateMachine):
    """People come, work, are culled, change their names, go, and come again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.accounts: dict[str, Account] = {}
        self.numbers = count(1)
        self.state = State()
        self.rows = Changes()
        self.truth: dict[int, set[int]] = {}  # our person id: real numbers of whom it was said

    @rule(name=NAMES)
    def appear(self, name: str) -> None:
        number = next(self.numbers)
        created = self.now + timedelta(microseconds=number)
        self.accounts.setdefault(name, Account(number, name, created))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.accounts.pop(name, None)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        if old in self.accounts and new not in self.accounts:
            account = self.accounts.pop(old)
            account.name = new
            self.accounts[new] = account

    @rule(name=NAMES, server=SERVERS)
    def start(self, name: str, server: str) -> None:
        account = self.accounts.get(name)
        if account and server not in account.servers:
            account.last_activity = self.now
            account.servers[server] = Server(
                name=server, ready=True, started=self.now, last_activity=self.now
            )

    @rule(name=NAMES, server=SERVERS, ago=st.integers(0, 400))
    def work(self, name: str, server: str, ago: int) -> None:
        account = self.accounts.get(name)
        if account and (old := account.servers.get(server)):
            moment = max(self.now - timedelta(seconds=ago), old.last_activity or self.now)
            account.servers[server] = Server(
                name=server, ready=True, started=old.started, last_activity=moment
            )
            account.last_activity = max(moment, account.last_activity or moment)

    @rule(name=NAMES, server=SERVERS)
    def stop(self, name: str, server: str) -> None:
        account = self.accounts.get(name)
        if account and account.servers.pop(server, None):
            account.last_activity = self.now

    @rule(name=NAMES)
    def view_a_page(self, name: str) -> None:
        if account := self.accounts.get(name):
            account.last_activity = self.now

    @rule(name=NAMES, groups=st.sets(st.sampled_from(["x", "y"])))
    def join(self, name: str, groups: set[str]) -> None:
        if account := self.accounts.get(name):
            account.groups = tuple(sorted(groups))

    @rule(seconds=st.integers(1, 1200))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(hours=st.integers(1, 60))
    def long_time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(full=st.booleans(), whole=st.booleans())
    def poll(self, full: bool, whole: bool) -> None:
        self.look(full=full or self.state.last_poll is None, whole=whole)

    @precondition(lambda self: self.state.last_poll is not None)
    @rule()
    def poll_again(self) -> None:
        """A poll repeated changes nothing but polls."""
        self.look(full=True, whole=True)
        self.now += timedelta(seconds=1)
        changes = self.look(full=True, whole=True)
        assert len(changes) == len(changes.polls) == 1

    @precondition(lambda self: self.state.last_poll is not None)
    @rule(seconds=st.integers(1, 900))
    def poll_late(self, seconds: int) -> None:
        """The Hub's clock was set back: the poll is of a time before the last one's."""
        now = self.now
        self.now = max(START, now - timedelta(seconds=seconds))
        self.look(full=True, whole=True)
        self.now = now

    def look(self, *, full: bool, whole: bool) -> Changes:
        sampling = Sampling(self.state, Look(now=self.now))
        users = [account.shown() for account in self.accounts.values()]
        sampling.see(user for user in users if user.servers)
        last = self.state.last_poll or START - timedelta(days=1)
        sampling.see(user for user in users if (user.last_activity or START) > last)
        full = full or sampling.wants_full()
        if full:
            sampling.see(users if whole else users[:1])
        changes = sampling.finish(full=full, whole=whole)
        self.state.apply(changes)
        self.rows.update(changes)
        for name, account in self.accounts.items():
            if whole and full:
                person = self.state.people[name]
                self.truth.setdefault(person.id, set()).add(account.number)
        return changes

    def everybody(self) -> set[int]:
        return {person.id for person in self.rows.everybody()}

    def work_of(self, user_id: int) -> list[Interval]:
        return sorted(
            Interval(start, end)
            for (who, start), end in self.rows.activity.items()
            if who == user_id and end is not None
        )

    @invariant()
    def histories_are_kept_apart(self) -> None:
        assert all(len(numbers) == 1 for numbers in self.truth.values())

    @invariant()
    def intervals_neither_overlap_nor_lie_in_the_future(self) -> None:
        for user_id in self.everybody():
            work = self.work_of(user_id)
            assert all(i.start <= i.end <= self.now for i in work)
            assert all(i.end - i.start <= LONGEST for i in work)
            assert all(a.end <= b.start for a, b in pairwise(work))

    @invariant()
    def sessions_are_in_order(self) -> None:
        by_server: dict[tuple[int, str], list[Session]] = {}
        for session in self.rows.sessions.values():
            assert session.started <= session.last_activity <= (session.ended or self.now)
            assert (session.ended or session.started) <= self.now
            by_server.setdefault((session.user_id, session.server), []).append(session)
        for sessions in by_server.values():
            sessions.sort(key=lambda s: s.started)
            assert all(a.ended is not None and a.ended <= b.started for a, b in pairwise(sessions))

    def teardown(self) -> None:
        """Sums never exceed the wall time, whenever one looks."""
        self.sums_do_not_exceed_the_wall_time()

    def sums_do_not_exceed_the_wall_time(self) -> None:
        zone = ZoneInfo("Europe/Berlin")
        day = day_of(self.now, zone)
        window = Interval(bounds(day, zone).start, self.now)
        wall = window.seconds
        users, groups = roll_up(
            DayRecords(
                day=day,
                window=window,
                zone=zone,
                sessions=list(self.rows.sessions.values()),
                activity=[
                    (i, part) for i in self.rows.people_touched() for part in self.work_of(i)
                ],
                polls=sorted(self.rows.polls.values()),
                people=len(self.state.people),
            )
        )
        for row in users:
            assert row.active_seconds + row.idle_seconds <= wall
        hub = groups[0]
        assert hub.observed_seconds <= wall
        assert hub.server_seconds <= wall * 2 * max(len(users), 1)
        assert hub.active <= len(users)


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@given(st.lists(intervals))
def test_a_union_is_the_same_time(parts: list[Interval]) -> None:
    """A union is sorted, does not touch itself, and holds every moment of its parts."""
    merged = union(parts)
    assert all(a.end < b.start for a, b in pairwise(merged))
    assert union(merged) == merged
    for part in parts:
        assert any(whole.start <= part.start and part.end <= whole.end for whole in merged)
    assert total_seconds(merged) <= total_seconds(parts)


@given(st.lists(intervals), st.lists(intervals), intervals)
def test_overlap_is_symmetric_and_bounded(
    left: list[Interval], right: list[Interval], window: Interval
) -> None:
    """Two unions overlap by as much as the other way round, and by no more than either lasts."""
    one, two = union(left), union(right)
    seconds = overlap_seconds(one, two)
    assert seconds == overlap_seconds(two, one)
    assert seconds <= min(total_seconds(one), total_seconds(two))
    assert total_seconds(within(one, window)) == overlap_seconds(one, [window])


@given(st.lists(intervals, max_size=30), st.integers(60, 900))
def test_adding_pieces_equals_their_union(pieces: list[Interval], longest: int) -> None:
    """Pieces put in one by one, by the rows that change, are their union, cut to size."""
    known: list[Interval] = []
    rows: dict[datetime, datetime] = {}
    for piece in pieces:
        known, added, gone = add_to(known, piece, timedelta(seconds=longest))
        for part in gone:
            assert rows.pop(part.start) == part.end
        for part in added:
            assert part.start not in rows
            rows[part.start] = part.end
    assert sorted(rows.items()) == known
    assert all(part.seconds <= longest for part in known)
    assert union(known) == union(pieces)


@given(
    st.dates(min_value=date(1990, 1, 1), max_value=date(2050, 1, 1)),
    st.integers(0, 800),
    st.sampled_from(list(By)),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
    ),
)
def test_days_and_periods_tile_the_time(first: date, length: int, by: By, zone_name: str) -> None:
    """Days follow each other without a gap in any zone, and periods hold each day once."""
    zone = ZoneInfo(zone_name)
    last = first + timedelta(days=length)
    cut = periods(first, last, by)
    assert [day for p in cut for day in days(p.first, p.last)] == list(days(first, last))
    for day in (first, last):
        window = bounds(day, zone)
        assert window.end == bounds(day + timedelta(days=1), zone).start
        assert 22 * 3600 <= window.seconds <= 26 * 3600
        assert day_of(window.end - timedelta(seconds=1), zone) == day
