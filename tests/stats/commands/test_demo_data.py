"""Filling an empty database with demo data."""

import sqlite3
from pathlib import Path

import pytest

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
