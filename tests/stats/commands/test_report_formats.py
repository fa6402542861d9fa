"""The formats of a report."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from typing import Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stats.commands import report_formats
from services.stats.commands.report_formats import Format
from services.stats.commands.tables.report_columns import PERSON_COLUMNS, SUMMARY_COLUMNS
from services.stats.commands.tables.text_table import WIDTH, width
from services.stats.query.people import PersonRow
from services.stats.query.periods import Summary

PEAK = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 3, 2)


def test_formula_in_a_name_is_text() -> None:
    """A name that a spreadsheet would take for a formula is quoted in CSV."""
    row = PersonRow("=HYPERLINK(1)", False, 0, 0, 0, 0, None)
    assert report_formats.people([row], Format.CSV).splitlines()[1].startswith("'=HYPERLINK")


def test_table_shows_any_name_on_one_line() -> None:
    """A name with a line break or an escape sequence does not break the table."""
    row = PersonRow("a\n\x1b[31m", False, 0, 0, 0, 0, DAY)
    lines = report_formats.people([row], Format.TABLE).splitlines()
    assert len(lines) == 3
    assert "\\x1b" in lines[1]


@pytest.mark.parametrize(("form", "peak"), [(Format.CSV, "+01:00"), (Format.JSON, "+01:00")])
def test_times_are_in_the_zone(form: Format, peak: str) -> None:
    """Times in a report are those of the zone, with their offset."""
    row = Summary(DAY, DAY, 100.0, peak_servers=3, peak_at=PEAK)
    assert f"2026-03-03T00:30:00{peak}" in report_formats.summaries([row], form, BERLIN)


def test_unknown_is_a_dash_empty_or_null() -> None:
    """What was not observed is never shown as zero."""
    row = Summary(DAY, DAY, 0.0)
    table = report_formats.summaries([row], Format.TABLE, BERLIN, wide=True)
    cells = table.splitlines()[1].split()
    assert cells == ["2026-03-02", "2026-03-02", "0%", *["-"] * (len(SUMMARY_COLUMNS) - 1)]
    assert "A dash: not known." in table
    (values,) = csv.DictReader(io.StringIO(report_formats.summaries([row], Format.CSV, BERLIN)))
    assert values["sessions"] == ""
    (values,) = json.loads(report_formats.summaries([row], Format.JSON, BERLIN))
    assert values["sessions"] is None


MANY = 123_456_789
NAMES = {"bool": True, "str": "a long name of a period of time" * 9, "datetime": PEAK}


def extreme(first: date, last: date, *, known: bool = True) -> Summary:
    """A summary whose numbers are as large as can be, or unknown, in every field there is."""
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(Summary).items():
        kind = next(iter({*get_args(kind)} - {type(None)}), kind)
        large = NAMES.get(kind.__name__, MANY + 0.123)
        optional = name in Summary._field_defaults and name != "complete"
        values[name] = None if optional and not known else large
    return Summary(**values | {"first": first, "last": last, "observed_percent": 99.9})


NEW_YEAR = (date(2025, 12, 29), date(2026, 1, 4))
HARD = {
    "one day": [extreme(DAY, DAY)],
    "a week over the new year": [extreme(*NEW_YEAR)],
    "dashes": [extreme(*NEW_YEAR, known=False)],
    "everything": [
        extreme(*NEW_YEAR)._replace(complete=False),
        extreme(DAY, DAY),
        extreme(*NEW_YEAR, known=False),
    ],
    "nothing": [],
    "small": [Summary(DAY, DAY, 100.0, active_users=1, sessions=0, median_minutes=125)],
}


@pytest.mark.parametrize("rows", HARD.values(), ids=HARD.keys())
def test_the_report_fits_the_terminal(rows: list[Summary]) -> None:
    """No line is longer than 100 columns, whatever the numbers and however many columns exist."""
    lines = report_formats.summaries(rows, Format.TABLE, BERLIN).splitlines()
    assert max(map(width, lines)) <= WIDTH == 100
    assert {"seen", "active", "sessions"} <= set(lines[0].split())
    assert len({len(line) for line in lines[: len(rows) + 1]}) == 1, "the columns are aligned"


def test_a_usual_report_has_the_usual_columns() -> None:
    """For a course, a week's table has all columns but the least useful ones."""
    row = Summary(DAY, DAY.replace(day=8), 95.2, active_users=95, sessions=288)
    row = row._replace(active_hours=339, idle_hours=264, server_hours=603.2, peak_servers=21)
    row = row._replace(saved_hours=1610.1, median_minutes=115, daily_active=30.5, newcomers=0)
    shown = report_formats.summaries([row], Format.TABLE, BERLIN).splitlines()[0].split()
    titles = ["seen", "active", "daily", "new", "sessions", "median", "work", "idle", "running"]
    assert shown == ["period", *titles, "peak"]


def numbers(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an optional field of a summary."""
    if float in get_args(kind):
        return st.none() | st.floats(0, 1e9).map(lambda value: round(value, 2))
    return st.none() | st.integers(0, 10**9) if int in get_args(kind) else st.none()


ANY = {name: numbers(kind) for name, kind in get_type_hints(Summary).items()} | {
    "first": st.dates(date(1970, 1, 2), date(2090, 1, 1)),
    "last": st.dates(date(2090, 1, 1), date(9998, 1, 1)),
    "observed_percent": st.floats(0, 100).map(lambda value: round(value, 1)),
    "complete": st.booleans(),
}


@settings(max_examples=50)
@given(st.lists(st.builds(Summary, **ANY), max_size=4))
def test_any_report_fits_the_terminal(rows: list[Summary]) -> None:
    """Neither does the width depend on chance."""
    lines = report_formats.summaries(rows, Format.TABLE, BERLIN).splitlines()
    assert max(map(width, lines)) <= WIDTH


@pytest.mark.parametrize("wide", [False, True])
def test_the_legend_explains_the_columns_shown_and_no_others(wide: bool) -> None:
    """Each column but the days is explained below the table, in the order of the table."""
    text = report_formats.summaries([extreme(*NEW_YEAR)], Format.TABLE, BERLIN, wide=wide)
    head, _, rest = text.partition("\n")
    titles = [
        one for one in re.split(r" {2,}", head) if one not in ("period", "term", "from", "to")
    ]
    explained = re.findall(r"^(\S+(?: at)?) {2,}", rest.partition("\n\n")[2], re.MULTILINE)
    assert explained == titles
    if wide:
        assert titles == [column.title for column in SUMMARY_COLUMNS]
    assert ("All columns: --wide" in text) is not wide


def test_every_field_of_a_summary_has_a_column() -> None:
    """With --wide, the table leaves nothing out that CSV has; completeness is a mark."""
    fields = {column.field for column in SUMMARY_COLUMNS}
    assert fields == set(Summary._fields) - {"first", "last", "complete", "name", "saved_audited"}


@pytest.mark.parametrize("wide", [False, True])
def test_lower_bounds_are_marked(wide: bool) -> None:
    """An incomplete period has a star, which a note explains; no other report mentions stars."""
    partly = Summary(DAY, DAY, 60.0, active_users=3)
    whole = partly._replace(observed_percent=100.0, complete=True)
    unknown = Summary(DAY, DAY, 0.0)
    text = report_formats.summaries([partly, whole, unknown], Format.TABLE, BERLIN, wide=wide)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["2026-03-02*", "2026-03-02", "2026-03-02"]
    assert "*  Not over yet, or less than 90 % observed: the numbers are lower bounds" in text
    assert "*" not in report_formats.summaries([whole, unknown], Format.TABLE, BERLIN, wide=wide)


def test_the_zone_is_named_once() -> None:
    """The table says in which zone its days and times are."""
    text = report_formats.summaries([extreme(DAY, DAY)], Format.TABLE, BERLIN, wide=True)
    assert text.count("Europe/Berlin") == 1
    assert "2026-03-03 00:30" in text


@pytest.mark.parametrize("name", ["x" * 255, "名" * 255, "e\u0301" * 120, "\u202e" * 200])
def test_long_names_are_cut_unless_the_table_is_wide(name: str) -> None:
    """A name of any length leaves the table in shape; the cut is marked and explained."""
    rows = [PersonRow(name, False, 0, 0, 0, 5, DAY, DAY), PersonRow("ana", False, 0, 0, 0, 5, DAY)]
    text = report_formats.people(rows, Format.TABLE)
    lines = text.splitlines()
    assert max(map(width, lines)) <= WIDTH
    assert len({width(line) for line in lines[:3]}) == 1
    assert ("\N{HORIZONTAL ELLIPSIS}" in text) is ("Long names are cut" in text)
    assert lines[1].split()[-3:] == ["2026-03-02", "2026-03-02", "5"]
    full = report_formats.people(rows, Format.TABLE, wide=True)
    assert (name if name.isprintable() else repr(name)) in full
    assert "are cut" not in full
    assert full.splitlines()[0].split("  ")[0].strip() == PERSON_COLUMNS[0].title


def test_human_units() -> None:
    """Durations and counts are those of a person, in the table only."""
    row = Summary(DAY, DAY, 97.3, active_users=12000, sessions=1234567, median_minutes=125)
    row = row._replace(active_hours=7239.8)
    cells = report_formats.summaries([row], Format.TABLE, BERLIN).splitlines()[1]
    for text in ("97.3%", "12,000", "1,234,567", "2 h 5 min", "7,240 h"):
        assert text in cells
    (values,) = json.loads(report_formats.summaries([row], Format.JSON, BERLIN))
    assert (values["active_hours"], values["median_minutes"]) == (7239.8, 125)
