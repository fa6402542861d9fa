"""Filling an empty database with demo data."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.hub.models import User
from services.stats.commands.demo_data import demo_data
from services.stats.commands.semester import Semester
from services.stats.record.sampler import PollContext, Sampler
from services.stats.store.store import Store
from tests.stats.conftest import Run


def test_demo_data_goes_into_an_empty_database_only(demo: Run) -> None:
    """A database that already has records stays as it is."""
    before = demo("report", "--format=csv")[1]
    code, out, _ = demo("demo-data")
    assert code == 0
    assert "No demo data was written" in out
    assert demo("report", "--format=csv")[1] == before


@pytest.mark.parametrize("days", ["0", "1001", "-1", "many", ""])
def test_invalid_number_of_days(run: Run, days: str) -> None:
    """The number of days is from 1 to 1000."""
    code, _, err = run("demo-data", f"--days={days}")
    assert code == 1
    assert "write a number from 1 to 1000" in err


def test_demo_data_is_marked(demo: Run, tmp_path: Path) -> None:
    """The database says that its data is invented, and all users have names that show it."""
    connection = sqlite3.connect(tmp_path / "stats.sqlite")
    marked = connection.execute("SELECT value FROM meta WHERE key = 'made_up'").fetchone()
    names = {name for (name,) in connection.execute("SELECT name FROM users")}
    connection.close()
    assert marked == ("yes",)
    assert len(names) == 110
    assert all(name.startswith("made-up-") for name in names)


def test_all_mistakes_are_reported(run: Run, tmp_path: Path) -> None:
    """Every invalid option is named at once, and no data is written."""
    code, _, err = run(
        "demo-data",
        "--days=x",
        "--users=ada,made-up-1,ada,ben",
        "--staff=ben",
        "--group=",
    )
    assert code == 1
    for problem in (
        "--days: 'x' is invalid",
        "'made-up-1': names that start with made-up- are taken",
        "--users: 'ada' is listed twice",
        "--staff: 'ben' is also one of --users",
        "--group: write the name",
    ):
        assert problem in err
    assert "Traceback" not in err
    assert run("demo-data", "--days=1")[1].startswith("Wrote 1 day")


async def test_real_users_go_on(tmp_path: Path, run: Run) -> None:
    """The recorder takes the demo's real users for the same people, who remain in their group."""
    url = f"sqlite:///{tmp_path / 'stats.sqlite'}"
    store = await Store.open(url, ZoneInfo("UTC"))
    wanted = {"days": "8", "users": "ada,ben", "staff": "ines"}
    assert "apart from ada, ben, ines" in await demo_data(store, wanted)
    state = await store.load_state()
    assert state.last_poll is not None
    now = state.last_poll + timedelta(minutes=5)
    assert datetime.now(UTC) - now < timedelta(minutes=15)
    sampler = Sampler(state, PollContext(now, full=True))
    made = datetime(2026, 11, 1, 8, tzinfo=UTC)
    sampler.observe(
        User(name=name, created=made, last_activity=None, groups=groups)
        for name, groups in (("ada", (Semester.group,)), ("ines", ("formgrade-course101",)))
    )
    changes = sampler.finish(complete=True, full=True)
    assert changes.newcomers == []
    ids = {name: person.id for name, person in state.people.items()}
    assert {i: p.created for i, p in changes.people.items() if p.deleted is None} == {
        ids["ada"]: made,
        ids["ines"]: made,
    }
    # Only ben, who has no account, is gone; those who are made up never had one.
    assert [p.name for p in changes.people.values() if p.deleted] == ["ben"]
    assert {user_id for _, user_id, _ in changes.left} == {ids["ben"]}
    await store.close()
