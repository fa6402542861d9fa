"""The dashboard's figures as tables."""

import json
from datetime import date

import pytest

from services.stats.days import By
from services.stats.query import figures
from services.stats.query.figures import OVER_TIME, SHADES, Column, Figure
from services.stats.query.periods import Summary
from services.stats.records import GroupDay
from tests.stats.one_day import BASE, DAY, hub

OBSERVED = Summary(
    DAY, DAY, 100.0, complete=True, active_users=3, weekly_active=5, monthly_active=8, sessions=4
)
PARTLY = OBSERVED._replace(observed_percent=60.0, complete=False)
GAP = Summary(DAY, DAY, 0.0)


def day_with(lengths: dict[int, int]) -> GroupDay:
    """A day on which sessions of these lengths in minutes ended."""
    return hub(BASE)._replace(lengths=json.dumps(lengths))


@pytest.mark.parametrize("key", OVER_TIME)
@pytest.mark.parametrize(("by", "head"), [(By.DAY, ["Day"]), (By.WEEK, ["From", "To"])])
def test_over_time_has_a_row_for_each_summary(key: str, by: By, head: list[str]) -> None:
    """Each figure names its rows by day or by period, and ends with what was observed."""
    figure = figures.over_time(key, [OBSERVED, GAP, PARTLY], by)
    titles = [column.title for column in figure.columns]
    assert titles[: len(head)] == head
    assert titles[-2:] == ["Observed", "Complete"]
    assert [row[-2:] for row in figure.rows] == [[100.0, "yes"], [0.0, "no"], [60.0, "no"]]
    assert figure.incomplete == {2}
    assert all(len(row) == len(figure.columns) for row in figure.rows)


def test_unobserved_rows_are_counted() -> None:
    """A row without any drawn value was not observed; a row with a zero was."""
    quiet = OBSERVED._replace(active_users=0, weekly_active=0, monthly_active=0)
    assert figures.over_time("active", [OBSERVED, GAP, quiet], By.DAY).unobserved_rows == 1


@pytest.mark.parametrize(
    ("by", "period"), [(By.DAY, "on that day"), (By.WEEK, "in that week"), (By.MONTH, "month")]
)
def test_note_of_active_users_names_the_period(by: By, period: str) -> None:
    """The note says in which period a user must have been active to be counted."""
    assert period in figures.over_time("active", [OBSERVED], by).note


@pytest.mark.parametrize(
    ("minutes", "label"),
    [
        (0, "under 5 min"),
        (4, "under 5 min"),
        (5, "5 to 15 min"),
        (45, "30 min to 1 h"),
        (60, "1 to 2 h"),
        (1439, "8 to 24 h"),
        (1440, "24 h or more"),
    ],
)
def test_each_length_is_in_one_bin(minutes: int, label: str) -> None:
    """The upper bound of a bin belongs to the next one."""
    figure = figures.lengths([day_with({minutes: 2})])
    assert [(row[0], row[1], row[2]) for row in figure.rows if row[1]] == [(label, 2, 100.0)]


def test_shares_of_no_sessions_are_unknown() -> None:
    """Without sessions, a share would be a division by zero."""
    assert {row[2] for row in figures.lengths([day_with({})]).rows} == {None}


def test_running_servers_keep_their_gaps() -> None:
    """Points in a gap count as unobserved."""
    start = BASE.window.start
    figure = figures.running_servers([(start, 2), (start, None), (start, 0)])
    assert (figure.key, figure.unobserved_rows) == ("servers", 1)


def test_week_names_weekdays() -> None:
    """There is a row for each weekday."""
    figure = figures.week([hub(BASE)])
    assert [row[0] for row in figure.rows][:2] == ["Monday", "Tuesday"]
    assert [row[11] for row in figure.rows] == [1.0, *[None] * 6]  # column 0 is the weekday


def test_shades() -> None:
    """Shades go from 0 for zero up to SHADES for the largest number; None has none."""
    figure = Figure("week", "", "", (Column("d", ""),), [["Monday", 0, 0.01, 5, 10, None]])
    assert figures.shades(figure) == [[0, 1, 4, SHADES, None]]


def test_shades_of_an_idle_week() -> None:
    """A week without activity has no shades."""
    figure = Figure("week", "", "", (Column("d", ""),), [["Monday", 0, 0.0, None]])
    assert figures.shades(figure) == [[0, 0, None]]


def test_busy_hours() -> None:
    """They are from the first hour with activity on any day to the last; without any, all."""
    hours: list[list[int | None]] = [[0, None, 0, 2, *[0] * 20], [0, 0, 1, 0, 0, 4, *[0] * 18]]
    columns = (Column("d", ""),)
    figure = Figure("week", "", "", columns, [["Monday", *hours[0]], ["Tuesday", *hours[1]]])
    assert figures.busy_hours(figure) == (2, 5)
    assert figures.busy_hours(Figure("week", "", "", columns, [["Monday", None, 0]])) == (0, 23)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (By.DAY, "today, so far"),
        (By.WEEK, "this week, so far"),
        (By.MONTH, "this month, so far"),
    ],
)
def test_the_period_with_today_is_not_over(by: By, words: str) -> None:
    """Only the period with today is "so far"; a day that was partly observed is incomplete."""
    rows = [PARTLY._replace(first=day, last=day) for day in (date(2026, 3, 1), date(2026, 3, 2))]
    figure = figures.over_time("active", rows, by, date(2026, 3, 2))
    assert figure.so_far == {1: words}
    assert figure.incomplete_rows == 1
    assert figures.over_time("active", rows, by, date(2026, 3, 9)).so_far == {}


def test_a_chart_has_one_axis() -> None:
    """The columns that one chart draws have the same unit, so that one scale fits them all."""
    for _, _, _, columns in OVER_TIME.values():
        assert len({column.kind for column in columns if column.scale}) == 1
        assert {column.scale for column in columns} <= {"", "y"}


def test_period_rows_start_with_their_days() -> None:
    """A week's row has its first and its last day."""
    week = OBSERVED._replace(first=date(2026, 3, 2), last=date(2026, 3, 8))
    assert figures.over_time("newcomers", [week], By.WEEK).rows[0][:2] == [week.first, week.last]
