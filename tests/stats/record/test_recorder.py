"""Recording from a Hub into a database: outages of either, two recorders, what it asks for."""

import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from sqlalchemy import select

from common.errors import StoreUnavailable
from common.hub.client import HubClient
from common.hub.http import NO_RETRY
from services.stats.record.recorder import Recorder, Settings
from services.stats.store import tables as t
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.postgres import Postgres, postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

MINUTE = timedelta(minutes=1)


class Desk:
    """A Hub, its clock, and as many recorders on one database as a test wants."""

    def __init__(self, fake: FakeHub, clock: FakeClock, hub: HubClient, db_url: str) -> None:
        self.fake, self.clock, self.hub, self.db_url = fake, clock, hub, db_url
        self.recorders: list[Recorder] = []

    async def recorder(self, settings: Settings | None = None) -> Recorder:
        """A recorder with its own connections, as in a process of its own."""
        store = await Store.open(self.db_url, ZoneInfo("UTC"))
        recorder = Recorder(self.hub, store, settings or Settings(), clock=self.clock)
        self.recorders.append(recorder)
        return recorder

    async def leading(self, settings: Settings | None = None) -> Recorder:
        """A recorder that has the lead."""
        recorder = await self.recorder(settings)
        assert await recorder.lead()
        return recorder

    async def rows(self, table: object) -> list[tuple[object, ...]]:
        """All of a table, in order."""
        store = await Store.open(self.db_url, ZoneInfo("UTC"))
        try:
            async with store.reading() as connection:
                return sorted(tuple(row) for row in await connection.execute(select(table)))  # type: ignore[call-overload]  # a Table
        finally:
            await store.close()

    async def work(self) -> list[tuple[float, int]]:
        """The stored activity: minutes after the start, and seconds."""
        return [((row[0] - START) / MINUTE, row[2]) for row in await self.rows(t.activity)]  # type: ignore[operator, misc]  # a row's times

    def minutes(self, minutes: float) -> None:
        """Let time pass on the Hub's clock and ours."""
        self.clock.advance(minutes * 60)

    def touch(self, name: str, server: str = "") -> None:
        """The user works now."""
        user = self.fake.users[name]
        user.last_activity = user.servers[server].last_activity = self.clock.now()

    def start(self, name: str) -> None:
        """The user starts the default server now."""
        self.fake.add_server(name, age=0, idle=0)
        self.touch(name)

    def stop(self, name: str) -> None:
        """Somebody stops the user's server now."""
        self.fake.users[name].servers.clear()
        self.fake.users[name].last_activity = self.clock.now()


@pytest.fixture
def db_url(tmp_path: Path) -> str:
    """A new SQLite file."""
    return f"sqlite:///{tmp_path / 'stats.sqlite'}"


@pytest.fixture
async def make_desk() -> AsyncIterator[Callable[[str], Desk]]:
    """Makes a desk for a database."""
    clock = FakeClock()
    desks: list[Desk] = []
    async with FakeHub() as fake, aiohttp.ClientSession() as session:
        fake.now = clock.now
        fake.add_user("ana", groups=["nbgrader-x"])
        fake.add_user("ben", created=START - timedelta(days=3))
        hub = HubClient(session, fake.api_url, fake.token, clock=clock, retry=NO_RETRY)

        def make(db_url: str) -> Desk:
            desks.append(Desk(fake, clock, hub, db_url))
            return desks[-1]

        yield make
        for desk in desks:
            for recorder in desk.recorders:
                await recorder.lock.release()
                await recorder.store.close()


@pytest.fixture
def desk(make_desk: Callable[[str], Desk], db_url: str) -> Desk:
    """A desk with an SQLite file."""
    return make_desk(db_url)


async def record_an_hour(desk: Desk, recorder: Recorder) -> None:
    """Ana works for half an hour, and half an hour later her server is culled."""
    await recorder.poll()
    desk.minutes(2)
    desk.start("ana")
    for _ in range(6):
        desk.minutes(3)
        await recorder.poll()
        desk.minutes(2)
        desk.touch("ana")
    for _ in range(6):
        desk.minutes(3)
        await recorder.poll()
        desk.minutes(2)
    desk.stop("ana")
    desk.minutes(3)
    await recorder.poll()


async def test_what_was_done_is_what_is_recorded(desk: Desk) -> None:
    """Work, a running idle server and a cull become exactly that."""
    recorder = await desk.leading()
    await record_an_hour(desk, recorder)
    assert await desk.work() == [(2, 30 * 60)]
    ((_, _, server, _, started, last, ended),) = await desk.rows(t.sessions)
    assert (server, started, last, ended) == (
        "",
        START + 2 * MINUTE,
        START + 32 * MINUTE,
        START + 62 * MINUTE,
    )


async def test_a_poll_reads_only_what_changed(desk: Desk) -> None:
    """After the first listing a poll reads running servers and the newest users, no more."""
    for number in range(1000):
        desk.fake.add_user(f"user{number}", last_activity=START - timedelta(days=1))
    recorder = await desk.leading()
    await recorder.poll()
    desk.fake.seen.clear()
    desk.minutes(5)
    desk.start("user7")
    result = await recorder.poll()
    assert result.poll
    assert (result.poll.users, result.poll.servers, result.poll.active) == (1002, 1, 1)
    asked = [seen.raw_path.partition("?")[2] for seen in desk.fake.requests("GET", "/users")]
    assert asked[0] == "limit=200&state=active"
    assert asked[1] == "limit=200&sort=-last_activity"
    assert len(asked) <= 3  # the client reads one page ahead


async def test_a_hub_that_does_not_sort_is_read_to_the_end(desk: Desk) -> None:
    """JupyterHub 4 lists by number whatever order is asked for: nobody is missed."""
    desk.fake.version = "4.1.6"
    for number in range(500):
        desk.fake.add_user(f"user{number:03}", last_activity=START - timedelta(days=number % 7))
    recorder = await desk.leading()
    await recorder.poll()
    desk.fake.seen.clear()
    desk.minutes(5)
    await recorder.poll()
    asked = [seen.raw_path for seen in desk.fake.requests("GET", "sort=-last_activity")]
    assert [path.partition("offset=")[2] for path in asked] == ["", "195", "390"]


async def test_deletion_is_found_by_the_full_listing(desk: Desk) -> None:
    """A deleted user is noticed at the longer interval, also after a restart."""
    recorder = await desk.leading(Settings(full_interval=3600))
    await recorder.poll()
    del desk.fake.users["ben"]
    desk.minutes(30)
    await recorder.poll()
    await recorder.close()
    assert {row[1]: row[4] for row in await desk.rows(t.users)}["ben"] == FOREVER
    recorder = await desk.leading(Settings(full_interval=3600))
    desk.minutes(31)
    await recorder.poll()
    assert {row[1]: row[4] for row in await desk.rows(t.users)}["ben"] == START + 61 * MINUTE


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 403},
        {"kind": "body", "body": "<html>"},
        {"kind": "cut"},
        {"kind": "reset", "times": 5},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
@pytest.mark.parametrize("path", ["state=active", "sort=-last_activity"])
async def test_a_failing_hub_loses_nothing(desk: Desk, fault: dict[str, object], path: str) -> None:
    """A poll that fails is kept as not whole; the next recovers what the Hub still tells."""
    recorder = await desk.leading()
    await recorder.poll()
    desk.start("ana")
    desk.minutes(5)
    await recorder.poll()
    desk.touch("ana")
    desk.minutes(5)
    desk.fake.fail(path=path, **fault)  # type: ignore[arg-type]  # fields by name
    result = await recorder.poll()
    desk.fake.faults.clear()
    assert result.error
    assert result.poll
    assert not result.poll.whole
    assert recorder.state.running
    desk.minutes(5)
    desk.touch("ana")
    assert (await recorder.poll()).error == ""
    assert await desk.work() == [(0, 15 * 60)]
    assert [(row[3], row[6]) for row in await desk.rows(t.polls)] == [
        (True, 0),
        (True, 1),
        (False, None),
        (True, 1),
    ]


async def test_hub_away_and_back(desk: Desk) -> None:
    """While the Hub is away there are no numbers; a server that ran on was never ended."""
    recorder = await desk.leading()
    desk.start("ana")
    await recorder.poll()
    await desk.fake.stop()
    desk.minutes(5)
    assert (await recorder.poll()).error
    await desk.fake.start()
    desk.minutes(5)
    await recorder.poll()
    ((*_, ended),) = await desk.rows(t.sessions)
    assert ended == FOREVER


async def test_kill_loses_at_most_the_open_poll(desk: Desk) -> None:
    """A recorder that vanishes without a word is followed by one that goes on exactly there."""
    recorder = await desk.leading()
    await recorder.poll()
    desk.minutes(2)
    desk.start("ana")
    desk.minutes(3)
    await recorder.poll()
    await recorder.lock.release()  # what the system does for a killed process
    recorder = await desk.leading()
    desk.minutes(5)
    desk.touch("ana")
    await recorder.poll()
    desk.stop("ana")
    desk.minutes(5)
    await recorder.poll()
    assert await desk.work() == [(2, 8 * 60)]
    assert len(await desk.rows(t.sessions)) == 1


async def test_second_recorder_waits_and_takes_over(desk: Desk) -> None:
    """Of two recorders on one database one records, the other when it is gone."""
    first, second = await desk.leading(), await desk.recorder()
    assert not await second.lead()
    await first.poll()
    await first.close()
    assert await second.lead()
    desk.minutes(5)
    await second.poll()
    assert len(await desk.rows(t.polls)) == 2


async def test_who_lost_the_lock_does_not_count(
    make_desk: Callable[[str], Desk], postgres_url: str
) -> None:
    """A recorder whose lock is gone and taken writes nothing and waits its turn."""
    desk = make_desk(postgres_url)
    first, second = await desk.leading(), await desk.recorder()
    await first.poll()
    await first.lock.release()
    assert await second.lead()
    desk.minutes(5)
    result = await first.poll()
    assert "another recorder has taken over" in result.error
    assert not first.leader
    assert not await first.lead()
    assert len(await desk.rows(t.polls)) == 1


async def test_database_away_and_back(
    make_desk: Callable[[str], Desk],
    postgres: Postgres,
    postgres_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What happens while the database is away is written when it is back, counted once."""
    desk = make_desk(postgres_url)
    recorder = await desk.leading()
    await recorder.poll()
    desk.minutes(2)
    desk.start("ana")
    desk.minutes(3)
    await recorder.poll()
    postgres.stop()
    try:
        for _ in range(3):
            desk.touch("ana")
            desk.minutes(5)
            result = await recorder.poll()
            assert not result.written
            assert "the database is unavailable" in result.error
    finally:
        postgres.start()
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1  # told once
    desk.stop("ana")
    desk.minutes(5)
    result = await recorder.poll()
    assert result.written
    assert result.error == ""
    assert await desk.work() == [(2, 13 * 60)]
    ((*_, ended),) = await desk.rows(t.sessions)
    assert ended == START + 20 * MINUTE
    assert len(await desk.rows(t.polls)) == 6


async def test_backlog_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the Hub is not asked; when the database is back all of it is there."""
    recorder = await desk.leading(Settings(backlog_rows=8))
    write = recorder.store.write

    async def away(*args: object, **kwargs: object) -> bool:
        raise StoreUnavailable("no route to host")

    monkeypatch.setattr(recorder.store, "write", away)
    results = []
    for _ in range(9):
        results.append(await recorder.poll())
        desk.minutes(5)
    assert results[-1].poll is None
    assert results[-1].backlog == 9
    monkeypatch.setattr(recorder.store, "write", write)
    assert (await recorder.poll()).written
    kept = [row[0] for row in await desk.rows(t.polls)]
    assert len(kept) == sum(1 for result in results if result.poll) + 1


async def test_refused_rows_do_not_stop_recording(desk: Desk) -> None:
    """Rows that the database can never take are given up, and the next poll is written."""
    recorder = await desk.leading()
    await recorder.poll()
    recorder.pending.join(99, 99, START)
    desk.minutes(5)
    assert "FOREIGN KEY" in (await recorder.poll()).error
    desk.minutes(5)
    assert (await recorder.poll()).written


@pytest.mark.parametrize("name", ["q?x=1", "名前", "o'hara", "a\x00b", "%41", "x" * 300])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_any_name_is_recorded(
    make_desk: Callable[[str], Desk],
    request: pytest.FixtureRequest,
    db_url: str,
    name: str,
    kind: str,
) -> None:
    """Whatever a user, a server and a group are called, they are recorded."""
    url = db_url if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    desk = make_desk(url)
    desk.fake.add_user(name, groups=[name])
    desk.fake.add_server(name, name, user_options={"profile": name})
    recorder = await desk.leading()
    result = await recorder.poll()
    assert (result.error, result.written) == ("", True)
    assert len(await desk.rows(t.sessions)) == 1
    assert len(await desk.rows(t.users)) == 3


async def test_odd_answers_are_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Garbage in a time is a line in the log, not one at each poll, and costs nothing else."""
    recorder = await desk.leading()
    desk.fake.add_server("ana", last_activity="yesterday", started=None)
    for _ in range(3):
        await recorder.poll()
        desk.minutes(5)
    assert caplog.text.count("server ana/: last_activity is not usable") == 1
    assert len(await desk.rows(t.sessions)) == 1


async def test_large_group(desk: Desk) -> None:
    """A group of 5,000 is recorded with every member."""
    for number in range(5000):
        desk.fake.add_user(f"student{number}", groups=["nbgrader-big"])
    recorder = await desk.leading()
    await recorder.poll()
    assert len(await desk.rows(t.memberships)) == 5001
