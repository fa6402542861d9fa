"""The export of detailed records."""

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]  # it has no types

from tests.stats.conftest import Run


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_export(demo: Run, tmp_path: Path, form: str) -> None:
    """Every table is exported with all its rows, in any format."""
    code, out, _ = demo("export", "out", f"--format={form}")
    assert code == 0
    with sqlite3.connect(tmp_path / "stats.sqlite") as connection:
        (number,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
    connection.close()
    file = tmp_path / "out" / f"sessions.{'jsonl' if form == 'json' else form}"
    assert f"sessions.{file.suffix[1:]}: {number:,} rows" in out
    rows: list[dict[str, Any]]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    elif form == "json":
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    else:
        rows = parquet.read_table(file).to_pylist()
    assert len(rows) == number
    times = {"started", "last_activity", "ended"}
    assert set(rows[0]) == {"user", "server", "profile", "image", *times}
    assert str(rows[0]["image"]).startswith("quay.io/jupyter/")
    assert str(rows[0]["user"]).startswith("made-up-")
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_export_of_some_tables_and_days(demo: Run) -> None:
    """Only the requested tables and days are written; running sessions have no end."""
    first = (datetime.now(UTC) - timedelta(days=7)).date()
    code, out, _ = demo("export", "out", "--what=user_days,polls", f"--since={first}")
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        "out/user_days.csv",
        "out/polls.csv",
    ]
    rows = list(csv.DictReader(io.StringIO(Path("out/user_days.csv").read_text("utf-8"))))
    assert min(row["day"] for row in rows) >= first.isoformat()
    assert len(list(Path("out").iterdir())) == 2


def test_invalid_options_of_an_export(run: Run) -> None:
    """All invalid options of an export are reported at once, with the valid values."""
    code, _, err = run("export", "out", "--format=xml", "--what=sessions,people")
    assert code == 1
    assert "csv, json, parquet" in err
    assert "sessions, activity, user_days, memberships, polls" in err
    assert not Path("out").exists()
