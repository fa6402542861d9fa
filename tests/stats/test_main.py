"""The service as a process: it records, serves pages, waits and stops."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import aiohttp

from tests.fakes.hub import FakeHub
from tests.paths import ROOT


@asynccontextmanager
async def service(
    fake: FakeHub, db: Path, *flags: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process, which is killed at the end if it still runs."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.stats", f"--db-url=sqlite:///{db}", f"--url={fake.api_url}", *flags),
        env=env | {"JUPYTERHUB_API_TOKEN": fake.token},
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def read_polls(db: Path) -> list[tuple[int, int]]:
    """Time and running servers of each complete poll; none while there is no table."""
    connection = sqlite3.connect(db)
    try:
        query = "SELECT time, servers FROM polls WHERE whole ORDER BY time"
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


async def polls(db: Path, number: int) -> list[tuple[int, int]]:
    """Wait for this many polls in the database; returns time and running servers of each."""
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        rows = await asyncio.to_thread(read_polls, db)
        if len(rows) >= number:
            return rows
        assert asyncio.get_running_loop().time() < deadline, "no poll in time"
        await asyncio.sleep(0.05)


async def test_service_records_and_stops_cleanly(tmp_path: Path) -> None:
    """The service polls at once, and SIGTERM ends it with status 0 and no token in its log."""
    db = tmp_path / "stats.sqlite"
    async with FakeHub() as fake:
        fake.add_server("ana")
        async with service(fake, db) as process:
            assert [servers for _, servers in await polls(db, 1)] == [1]
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert b"Recording: 0 users" in err
    assert fake.token.encode() not in err
    assert b"Traceback" not in err


async def test_killed_service_is_followed_by_another(tmp_path: Path) -> None:
    """While one instance records, another waits; it takes over when the first is killed."""
    db = tmp_path / "stats.sqlite"
    async with FakeHub() as fake:
        fake.add_server("ana")
        async with service(fake, db) as first:
            await polls(db, 1)
            async with service(fake, db) as second:
                assert second.stderr
                while b"Another recorder" not in (line := await second.stderr.readline()):
                    assert line, "the second ended"
                fake.now = lambda: datetime.fromisoformat("2026-03-02T12:05:00+00:00")
                first.kill()
                await first.wait()
                assert [servers for _, servers in await polls(db, 2)] == [1, 1]
                second.send_signal(signal.SIGTERM)
                await asyncio.wait_for(second.wait(), 10)
                assert second.returncode == 0
    connection = sqlite3.connect(db)
    assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    connection.close()


async def test_hub_away_at_start_is_waited_for(tmp_path: Path) -> None:
    """The service waits for a Hub that is not up yet."""
    db = tmp_path / "stats.sqlite"
    async with FakeHub() as fake:
        await fake.stop()
        async with service(fake, db) as process:
            assert process.stderr
            while b"Waiting for the Hub" not in (line := await process.stderr.readline()):
                assert line, "it ended"
            await fake.start()
            await polls(db, 1)


async def test_health_ready_and_metrics(tmp_path: Path) -> None:
    """The service reports readiness and metrics; it is not ready while the Hub rejects it."""
    flags = (
        *("--ip=127.0.0.1", "--port=0", "--interval=10", "--authenticate-prometheus=false"),
        "--prometheus-url=http://127.0.0.1:9",  # no Prometheus is there
    )
    async with FakeHub() as fake, aiohttp.ClientSession() as session:
        fake.add_server("ana")
        async with service(fake, tmp_path / "stats.sqlite", *flags) as process:
            assert process.stderr
            while b"Pages at" not in (line := await process.stderr.readline()):
                assert line, "it ended"
            url = line.decode().split()[-1]
            deadline = asyncio.get_running_loop().time() + 30
            while True:
                async with session.get(url + "ready") as answer:
                    if answer.status == 200:
                        break
                    assert "no poll" in await answer.text()
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.05)
            async with session.get(url + "metrics") as answer:
                text = await answer.text()
            assert "jupyterhub_stats_running_servers 1.0" in text
            assert 'jupyterhub_stats_polls_total{outcome="whole"} 1.0' in text
            async with session.get(url + "health") as answer:
                assert answer.status == 200
            async with session.get(url + "resources") as answer:
                assert answer.status == 401  # there is such a page
            fake.token = "another"
            while True:
                async with session.get(url + "ready") as answer:
                    if answer.status == 503:
                        break
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.2)


async def test_stops_while_it_waits_for_the_database(tmp_path: Path) -> None:
    """SIGTERM ends a service that still waits for PostgreSQL, at once and with status 0."""
    async with FakeHub() as fake:
        url = "--db-url=postgresql://u:hunter2@127.0.0.1:1/stats"
        async with service(fake, tmp_path / "unused.sqlite", url) as process:
            assert process.stderr
            while b"Waiting for the database" not in (line := await process.stderr.readline()):
                assert line, "it ended"
            assert b"hunter2" not in line
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 5)
    assert process.returncode == 0
