"""The statistics' command line: what it refuses, its commands, and the service as a process."""

import asyncio
import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]  # it has no types

from common.config import launch
from services.stats.app import StatsApp
from tests.fakes.hub import FakeHub
from tests.paths import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("JUPYTERHUB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the program: exit code, standard output, standard error."""

    def run(*argv: str) -> tuple[int, str, str]:
        code = launch.run(StatsApp, [*argv, f"--db-url=sqlite:///{tmp_path / 'stats.sqlite'}"])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a made-up month."""
    path = tmp_path_factory.mktemp("demo") / "stats.sqlite"
    assert launch.run(StatsApp, ["demo-data", "--days=30", f"--db-url=sqlite:///{path}"]) == 0
    return path


@pytest.fixture
def demo(run: Run, made_up: Path, tmp_path: Path) -> Run:
    """The program with that month in its database."""
    shutil.copy(made_up, tmp_path / "stats.sqlite")
    return run


def test_every_mistake_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong settings are all told, each with what to write, without a traceback."""
    code = launch.run(
        StatsApp,
        ["--db-url=mysql://u:hunter2@h/d", "--timezone=Mars", "--interval=1", "--pseudonymise"],
    )
    err = capsys.readouterr().err
    assert code == 1
    for word in ("postgresql://USER", "Europe/Berlin", "interval", "--pseudonym-key-file=FILE"):
        assert word in err
    assert "Traceback" not in err
    assert "hunter2" not in err


def test_report_by_month(demo: Run) -> None:
    """A report has a line for each period, and numbers in every column."""
    code, out, _ = demo("report", "--by=month", "--since=30d", "--format=csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) in (1, 2)
    assert all(int(row["active_users"]) > 10 and float(row["server_hours"]) > 100 for row in rows)
    code, out, _ = demo("report", "--by=month", "--since=30d")
    assert "seen %" in out.splitlines()[0]


def test_report_of_a_group_as_json(demo: Run) -> None:
    """A group's numbers are part of the hub's."""
    whole = json.loads(demo("report", "--by=week", "--format=json")[1])
    group = json.loads(
        demo("report", "--by=week", "--format=json", "--group=nbgrader-course101")[1]
    )
    assert [row["first"] for row in whole] == [row["first"] for row in group]
    pairs = [(w["sessions"] or 0, g["sessions"] or 0) for w, g in zip(whole, group, strict=True)]
    assert all(part <= total for total, part in pairs)
    assert 0 < sum(part for _, part in pairs) < sum(total for total, _ in pairs)


def test_inactive_members(demo: Run) -> None:
    """Who has not been active since tomorrow is everybody; since long ago, few."""
    tomorrow = (datetime.now().astimezone() + timedelta(days=2)).date().isoformat()
    out = demo("report", f"--inactive-since={tomorrow}", "--group=nbgrader-course101")[1]
    assert out.splitlines()[-1] == "60 not active"
    long_ago = demo("report", "--inactive-since=2001-01-01", "--format=json")[1]
    assert len(json.loads(long_ago)) < 20


def test_wrong_options_of_a_report(run: Run) -> None:
    """A report's mistakes are told all at once, too."""
    code, _, err = run("report", "--since=soon", "--by=year", "--format=xml")
    assert code == 1
    assert "2026-03-01, or 90d" in err
    assert "day, week, month" in err
    assert "table, csv, json" in err


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_export(demo: Run, tmp_path: Path, form: str) -> None:
    """Every table comes out with all its rows, in any format."""
    code, out, _ = demo("export", "out", f"--format={form}")
    assert code == 0
    with sqlite3.connect(tmp_path / "stats.sqlite") as connection:
        (number,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
    connection.close()
    file = tmp_path / "out" / f"sessions.{'jsonl' if form == 'json' else form}"
    assert f"sessions.{file.suffix[1:]}: {number} rows" in out
    rows: list[dict[str, Any]]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    elif form == "json":
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    else:
        rows = parquet.read_table(file).to_pylist()
    assert len(rows) == number
    assert set(rows[0]) == {"user", "server", "profile", "started", "last_activity", "ended"}
    assert str(rows[0]["user"]).startswith("made-up-")
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_demo_data_goes_into_an_empty_database_only(demo: Run) -> None:
    """A second time, or into real records, nothing is made up."""
    before = demo("report", "--format=csv")[1]
    code, out, _ = demo("demo-data")
    assert code == 0
    assert "nothing was made up" in out
    assert demo("report", "--format=csv")[1] == before


def test_forget_user(demo: Run) -> None:
    """A forgotten person is in no export any more; who is unknown gives an exit code of 1."""
    assert demo("forget-user", "made-up-0007")[0] == 0
    demo("export", "out")
    for file in Path("out").iterdir():
        assert "made-up-0007" not in file.read_text("utf-8")
    code, out, _ = demo("forget-user", "made-up-0007")
    assert (code, out) == (1, "Nothing is known of made-up-0007.\n")


def test_no_migrate(run: Run) -> None:
    """With --no-migrate a database without tables is refused."""
    code, _, err = run("report", "--no-migrate")
    assert code == 1
    assert "no tables yet and --no-migrate is set" in err


def test_newer_database(demo: Run, tmp_path: Path) -> None:
    """A database of a newer version gets one clear line."""
    with sqlite3.connect(tmp_path / "stats.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    code, _, err = demo("report")
    assert code == 1
    assert err.count("\n") == 1
    assert "Upgrade jupyterhub-classroom, or use another database" in err


def test_names_are_not_mixed(demo: Run, tmp_path: Path) -> None:
    """A database with plain names is not gone on with under pseudonyms."""
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    code, _, err = demo("report", "--pseudonymise", f"--pseudonym-key-file={key}")
    assert code == 1
    assert "names in this database are kept as they are" in err


@asynccontextmanager
async def service(
    fake: FakeHub, db: Path, *flags: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process; at the end it is gone."""
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
    """Time and running servers of each poll; none while there is no table."""
    connection = sqlite3.connect(db)
    try:
        query = "SELECT time, servers FROM polls WHERE whole ORDER BY time"
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


async def polls(db: Path, number: int) -> list[tuple[int, int]]:
    """Waits until so many polls are in the database; time and running servers of each."""
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        rows = await asyncio.to_thread(read_polls, db)
        if len(rows) >= number:
            return rows
        assert asyncio.get_running_loop().time() < deadline, "no poll in time"
        await asyncio.sleep(0.05)


async def test_service_records_and_stops_cleanly(tmp_path: Path) -> None:
    """The program polls at once, and SIGTERM ends it with 0 and no token in its log."""
    db = tmp_path / "stats.sqlite"
    async with FakeHub() as fake:
        fake.add_server("ana")
        async with service(fake, db) as process:
            assert [servers for _, servers in await polls(db, 1)] == [1]
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert b"recording: 0 users" in err
    assert fake.token.encode() not in err
    assert b"Traceback" not in err


async def test_killed_service_is_followed_by_another(tmp_path: Path) -> None:
    """While one records another waits; kill -9 of the first lets it take over."""
    db = tmp_path / "stats.sqlite"
    async with FakeHub() as fake:
        fake.add_server("ana")
        async with service(fake, db) as first:
            await polls(db, 1)
            async with service(fake, db) as second:
                assert second.stderr
                while b"another recorder" not in (line := await second.stderr.readline()):
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
    """The service does not exit because the Hub is not there yet."""
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
    """The service tells whether it is ready, and its numbers; a Hub that goes away is a reason."""
    flags = ("--ip=127.0.0.1", "--port=0", "--interval=10", "--authenticate-prometheus=false")
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
            fake.token = "another"
            while True:
                async with session.get(url + "ready") as answer:
                    if answer.status == 503:
                        break
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.2)
