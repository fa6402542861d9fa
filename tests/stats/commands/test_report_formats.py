"""The formats of a report."""

import csv
import io
import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.stats.commands import report_formats
from services.stats.commands.report_formats import LEGEND, SUMMARY_COLUMNS, Format
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
    table = report_formats.summaries([row], Format.TABLE, BERLIN).splitlines()[1].split()
    assert table == ["2026-03-02", "2026-03-02", "0.0", *["-"] * (len(SUMMARY_COLUMNS) - 3)]
    (values,) = csv.DictReader(io.StringIO(report_formats.summaries([row], Format.CSV, BERLIN)))
    assert values["sessions"] == ""
    (values,) = json.loads(report_formats.summaries([row], Format.JSON, BERLIN))
    assert values["sessions"] is None


def test_the_legend_explains_every_column() -> None:
    """Each column but the first two, which are dates, is explained below the table."""
    words = LEGEND.replace(":", " ").replace(",", " ").replace(".", " ").split()
    for column in SUMMARY_COLUMNS[2:]:
        assert set(column.title.removesuffix(" at").split()) <= set(words), column.title
