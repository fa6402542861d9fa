"""Recording from a real Hub: events are recorded as they happened, whatever breaks meanwhile."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from services.stats.days import Period
from services.stats.query.access import OPERATOR, Individual
from services.stats.query.timeline import Timeline
from services.stats.record.recorder import PollResult, Recorder, RecorderSettings
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.postgres import Postgres, postgres, postgres_url
from tests.integration.conftest import MakeHub
from tests.integration.realhub import RealHub
from tests.paths import ROOT

__all__ = ["postgres", "postgres_url"]

SCOPES = ["list:users", "read:users", "read:servers"]
SECOND = timedelta(seconds=1)
UNUSUAL_NAME = "q?x=1 名前"


class Watcher:
    """A recorder on a real Hub that polls when the test says so."""

    def __init__(self, hub: RealHub, recorder: Recorder) -> None:
        self.hub, self.recorder = hub, recorder

    async def poll(self) -> PollResult:
        """One poll, in another second than the last one."""
        last = self.recorder.state.last_poll
        await until(last + 2 * SECOND if last else now())
        return await self.recorder.poll()

    async def starts(self) -> int | None:
        """The starts that the Hub has counted since yesterday."""
        today = now().date()
        periods = [Period(today - timedelta(days=1), today)]
        (found,) = await Queries(self.recorder.store).summaries(OPERATOR.audience(), periods)
        return found.starts

    async def spawns(self) -> int:
        """All spawns in the database."""
        async with self.recorder.store.reading() as connection:
            rows = await connection.exec_driver_sql("SELECT sum(number) FROM spawns")
            return int(rows.scalar() or 0)

    async def timeline(self, name: str) -> Timeline:
        """The person's timeline of yesterday and today, from the database."""
        today = now().date()
        audience = OPERATOR.audience(user=name)
        assert isinstance(audience, Individual)
        queries = Queries(self.recorder.store)
        return await queries.timeline(audience, today - timedelta(days=1), today)


def now() -> datetime:
    return datetime.now(UTC)


async def until(moment: datetime) -> None:
    """Wait until the clock is past this moment."""
    while now() <= moment:
        await asyncio.sleep(0.05)


@asynccontextmanager
async def watch(
    hub: RealHub, db_url: str, scopes: Sequence[str] = SCOPES
) -> AsyncIterator[Watcher]:
    """A recorder that is the leader, with a token that has only the scopes it needs."""
    token = await hub.token(scopes)
    store = await Store.open(db_url, ZoneInfo("UTC"))
    async with aiohttp.ClientSession() as session:
        client = HubClient(session, hub.api_url, token)
        await client.info()
        recorder = Recorder(client, store, RecorderSettings())
        assert await recorder.acquire_leadership()
        try:
            yield Watcher(hub, recorder)
        finally:
            await recorder.close()
            await store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database, SQLite and PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stats.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


def near(moment: datetime | None, other: datetime) -> bool:
    """Whether two times agree within what truncation and a slow machine explain."""
    return moment is not None and abs(moment - other) < 5 * SECOND


async def test_work_and_cull(real_hub: RealHub, db_url: str) -> None:
    """A user logs in, works and is culled; session and activity are recorded exactly so."""
    name = UNUSUAL_NAME + db_url.partition(":")[0]
    await real_hub.create_user(name, groups=["nbgrader-stats"])
    async with watch(real_hub, db_url) as watcher:
        await watcher.poll()
        async with real_hub.login(name):
            pass
        await real_hub.start_server(name)
        started = datetime.fromisoformat((await real_hub.servers(name))[""]["started"])
        await watcher.poll()
        worked = now() + 3 * SECOND
        await until(worked)
        await real_hub.report_activity(name, "", worked)
        await watcher.poll()
        await real_hub.stop_server(name)  # by the admin, as a culler does
        stopped = now()
        result = await watcher.poll()
        again = await watcher.poll()
        timeline = await watcher.timeline(name)
    assert result.poll
    assert again.poll
    assert (result.poll.active, again.poll.active) == (0, 0)
    (session,) = timeline.sessions
    assert near(session.started, started)
    assert near(session.last_activity, worked)
    assert near(session.ended, stopped)
    work = timeline.work[-1]
    assert near(work.start, started)
    assert near(work.end, worked)


async def test_across_a_hub_restart(make_hub: MakeHub, tmp_path: Path) -> None:
    """A server that outlives a Hub restart is one session; failed polls are unknown, not zero."""
    hub = make_hub()
    await hub.create_user("ana")
    await hub.start_server("ana")
    async with watch(hub, f"sqlite:///{tmp_path / 'stats.sqlite'}") as watcher:
        assert (await watcher.poll()).error == ""
        hub.stop()
        client = watcher.recorder.poller.hub
        client._api = replace(client._api, retry=NO_RETRY)
        lost = await watcher.poll()
        hub.start()
        found = await watcher.poll()
        timeline = await watcher.timeline("ana")
    assert lost.poll
    assert lost.poll.servers is None
    assert found.poll
    assert found.poll.servers == 1
    (session,) = timeline.sessions
    assert session.ended is None


async def test_sessions_between_two_polls(make_hub: MakeHub, tmp_path: Path) -> None:
    """The Hub counts the starts that no poll sees, before and after a restart of the Hub.

    Without access to its metrics they are unknown. The session that a poll saw ends when the Hub
    stopped the server.
    """
    hub = make_hub(spawner="nothing")
    names = [f"user{number}" for number in range(4)]
    for name in names:
        await hub.create_user(name)
    databases = [f"sqlite:///{tmp_path / name}.sqlite" for name in ("with", "without")]
    async with (
        watch(hub, databases[0], [*SCOPES, "read:metrics"]) as counting,
        watch(hub, databases[1]) as other,
    ):

        async def poll() -> None:
            for watcher in (counting, other):
                assert (await watcher.poll()).error == ""

        await poll()
        for name in names[:3]:
            await hub.start_server(name)
            await hub.stop_server(name)
        await hub.start_server(names[3])
        await poll()
        assert await counting.starts() == 4
        hub.restart()
        await hub.start_server(names[0])
        await hub.stop_server(names[0])
        await hub.stop_server(names[3])
        stopped = now()
        await poll()
        assert await counting.spawns() == 5
        assert await other.starts() is None
        (session,) = (await counting.timeline(names[3])).sessions
        assert near(session.ended, stopped)


async def test_across_a_database_restart(
    real_hub: RealHub, postgres: Postgres, postgres_url: str
) -> None:
    """What happens while PostgreSQL is unavailable is recorded when it is available again."""
    await real_hub.create_user("stats-pg")
    async with watch(real_hub, postgres_url) as watcher:
        await watcher.poll()
        await real_hub.start_server("stats-pg")
        postgres.stop()
        try:
            away = await watcher.poll()
        finally:
            postgres.start()
        await real_hub.stop_server("stats-pg")
        back = await watcher.poll()
        timeline = await watcher.timeline("stats-pg")
    assert not away.written
    assert back.written
    (session,) = timeline.sessions
    assert session.ended is not None


async def test_names_that_pass_from_one_person_to_another(
    real_hub: RealHub, tmp_path: Path
) -> None:
    """After a rename, the name's next user is another person; one made again is the same."""
    await real_hub.create_user("stats-old")
    async with watch(real_hub, f"sqlite:///{tmp_path / 'stats.sqlite'}") as watcher:
        await watcher.poll()
        people = watcher.recorder.state.people
        first = people["stats-old"].id
        await real_hub.api("PATCH", "/users/stats-old", json={"name": "stats-new"})
        await real_hub.create_user("stats-old")
        watcher.recorder.state.last_full = None
        await watcher.poll()
        second = people["stats-old"].id
        assert people["stats-new"].id == first
        await real_hub.delete_user("stats-old")
        await real_hub.create_user("stats-old")
        watcher.recorder.state.last_full = None
        await watcher.poll()
        assert people["stats-old"].id == second != first


@asynccontextmanager
async def service(
    hub: RealHub, token: str, db_url: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process that polls every ten seconds."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.stats", f"--url={hub.api_url}", f"--db-url={db_url}", "--interval=10"),
        cwd=ROOT,
        env=env | {"JUPYTERHUB_API_TOKEN": token},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_kill_and_restart_of_the_program(real_hub: RealHub, tmp_path: Path) -> None:
    """After a kill, the next start continues the same session and counts nothing twice."""
    db_url = f"sqlite:///{tmp_path / 'stats.sqlite'}"
    token = await real_hub.token(SCOPES)
    await real_hub.create_user("stats-kill")
    await real_hub.start_server("stats-kill")
    for polls in (1, 2):
        async with service(real_hub, token, db_url) as process:
            await real_hub.until("a poll", polled(db_url, polls))
            process.send_signal(signal.SIGKILL)
            await process.wait()
    await real_hub.stop_server("stats-kill")
    async with watch(real_hub, db_url) as watcher:
        await watcher.poll()
        timeline = await watcher.timeline("stats-kill")
    (session,) = timeline.sessions
    assert session.ended is not None
    assert sum(part.seconds for part in timeline.work) < 60


def polled(db_url: str, number: int) -> Callable[[], Any]:
    """A check whether this many polls are in the database."""

    async def ask() -> bool:
        store = await Store.open(db_url, ZoneInfo("UTC"))
        try:
            async with store.reading() as connection:
                rows = await connection.exec_driver_sql("SELECT count(*) FROM polls WHERE whole")
                return int(rows.scalar() or 0) >= number
        finally:
            await store.close()

    return ask
