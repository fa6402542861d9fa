"""Properties of the records after any sequence of events at a Hub, from sampler to rollup."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.hub.models import Server, User
from services.stats.days import bounds, day_of
from services.stats.intervals import Interval, union
from services.stats.record.sampler import PollContext, Sampler
from services.stats.recorder_state import State
from services.stats.records import LONGEST, Changes, Session
from services.stats.store.daily.rollup import DayRecords, observed, roll_up

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NAMES = st.sampled_from(["ana", "ben", "eva"])
SERVERS = st.sampled_from(["", "gpu"])


@dataclass
class Account:
    """One account at the simulated Hub; ``number`` is the real identity of its user."""

    number: int
    name: str
    created: datetime
    last_activity: datetime | None = None
    servers: dict[str, Server] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    def shown(self) -> User:
        """The user as the Hub sends them."""
        return User(
            name=self.name,
            created=self.created,
            last_activity=self.last_activity,
            servers=dict(self.servers),
            groups=self.groups,
        )


class HubMachine(RuleBasedStateMachine):
    """Accounts are created, used, culled, renamed, deleted and created again."""

    by_account = True

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.accounts: dict[str, Account] = {}
        self.numbers = count(1)
        self.state = State()
        self.rows = Changes()
        self.truth: dict[int, set[int]] = {}  # by recorded person: the real identities

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
        self.sample(full=full or self.state.last_poll is None, whole=whole)

    @precondition(lambda self: self.state.last_poll is not None)
    @rule()
    def poll_again(self) -> None:
        """A repeated poll adds nothing but the poll itself."""
        self.sample(full=True, whole=True)
        self.now += timedelta(seconds=1)
        changes = self.sample(full=True, whole=True)
        assert len(changes) == len(changes.polls) == 1

    @precondition(lambda self: self.state.last_poll is not None)
    @rule(seconds=st.integers(1, 900))
    def poll_late(self, seconds: int) -> None:
        """The Hub's clock was set back, so the poll is earlier than the last one."""
        now = self.now
        self.now = max(START, now - timedelta(seconds=seconds))
        self.sample(full=True, whole=True)
        self.now = now

    def sample(self, *, full: bool, whole: bool) -> Changes:
        sampler = Sampler(self.state, PollContext(now=self.now, by_account=self.by_account))
        users = [account.shown() for account in self.accounts.values()]
        sampler.observe(user for user in users if user.servers)
        last = self.state.last_poll or START - timedelta(days=1)
        sampler.observe(user for user in users if (user.last_activity or START) > last)
        full = full or sampler.needs_full_listing()
        if full:
            sampler.observe(users if whole else users[:1])
        changes = sampler.finish(full=full, complete=whole)
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
    def histories_are_never_merged(self) -> None:
        assert not self.by_account or all(len(numbers) == 1 for numbers in self.truth.values())

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
        """Totals never exceed the wall-clock time, whenever they are computed."""
        self.totals_do_not_exceed_the_wall_clock_time()

    def totals_do_not_exceed_the_wall_clock_time(self) -> None:
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
                seen=union(observed(self.rows.polls.values(), window)),
                people=len(self.state.people),
            )
        )
        for row in users:
            assert row.active_seconds + row.idle_seconds + row.unobserved_seconds <= wall
        hub = groups[0]
        assert hub.server_seconds is not None
        assert hub.observed_seconds <= wall
        assert hub.server_seconds <= wall * 2 * max(len(users), 1)
        assert hub.active <= len(users)


class NamesMachine(HubMachine):
    """The same where a name is a person."""

    by_account = False


TestHub = HubMachine.TestCase
TestNames = NamesMachine.TestCase
TestHub.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestNames.settings = TestHub.settings
