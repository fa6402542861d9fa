"""The files of an export."""

import csv
import io
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]  # it has no types

from common.errors import ConfigError
from services.stats.commands.export_formats import COLUMNS, ExportFormat, writer
from services.stats.store.export import ExportTable

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = {
    "day": date(2026, 3, 2),
    "user": "名前",
    "active_seconds": 60,
    "idle_seconds": 0,
    "sessions": 1,
}
SESSION = {
    "user": "ana",
    "server": "",
    "profile": None,
    "started": NOW,
    "last_activity": NOW,
    "ended": None,
    "image": None,
}


def written(path: Path, form: ExportFormat, table: ExportTable, *rows: dict[str, Any]) -> bytes:
    """The content of a file with these rows, written one at a time."""
    with writer(form, table, path) as write:
        for row in rows:
            write([row])
    return path.read_bytes()


def test_csv(tmp_path: Path) -> None:
    """CSV has a header, times in ISO 8601, and nothing where a value is unknown."""
    content = written(tmp_path / "x.csv", ExportFormat.CSV, ExportTable.SESSIONS, SESSION)
    (row,) = csv.DictReader(io.StringIO(content.decode()))
    assert row["started"] == "2026-03-02T08:00:00+00:00"
    assert (row["profile"], row["ended"]) == ("", "")


def test_csv_is_safe_in_a_spreadsheet(tmp_path: Path) -> None:
    """A name that looks like a formula is text there; other formats keep it as it is."""
    row = SESSION | {"user": "=cmd|' /C calc'!A1", "server": "@lab"}
    content = written(tmp_path / "x.csv", ExportFormat.CSV, ExportTable.SESSIONS, row)
    (read,) = csv.DictReader(io.StringIO(content.decode()))
    assert (read["user"], read["server"]) == ("'=cmd|' /C calc'!A1", "'@lab")
    content = written(tmp_path / "x.jsonl", ExportFormat.JSON, ExportTable.SESSIONS, row)
    assert json.loads(content)["user"] == row["user"]


def test_json_lines(tmp_path: Path) -> None:
    """JSON has one object per line, readable text, and null where a value is unknown."""
    content = written(tmp_path / "x.jsonl", ExportFormat.JSON, ExportTable.USER_DAYS, DAY, DAY)
    assert "名前" in content.decode()
    rows = [json.loads(line) for line in content.splitlines()]
    assert rows == [DAY | {"day": "2026-03-02"}] * 2


def test_parquet_keeps_types(tmp_path: Path) -> None:
    """In Parquet, times and numbers stay times and numbers."""
    path = tmp_path / "x.parquet"
    written(path, ExportFormat.PARQUET, ExportTable.SESSIONS, SESSION)
    assert parquet.read_table(path).to_pylist() == [SESSION]


@pytest.mark.parametrize("table", list(ExportTable))
@pytest.mark.parametrize("form", list(ExportFormat))
def test_a_table_without_rows_is_a_valid_file(
    tmp_path: Path, form: ExportFormat, table: ExportTable
) -> None:
    """An empty table gives a file with its columns, or without lines in JSON."""
    path = tmp_path / "empty"
    content = written(path, form, table)
    names = [name for name, _ in COLUMNS[table]]
    if form is ExportFormat.CSV:
        assert content.decode().strip().split(",") == names
    elif form is ExportFormat.JSON:
        assert content == b""
    else:
        assert parquet.read_table(path).column_names == names


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'jupyterhub-classroom\[parquet\]'"):
        written(tmp_path / "x", ExportFormat.PARQUET, ExportTable.POLLS)
