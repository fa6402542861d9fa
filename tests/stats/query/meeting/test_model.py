"""The period of the page for a meeting, and its figures."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By, Period
from services.stats.query.figures import Kind
from services.stats.query.meeting.model import (
    Meeting,
    Row,
    bar_length,
    before,
    rows,
    shown_days,
)
from services.stats.query.question import Range, Span
from tests.stats.query.meeting.meetings import (
    FIRST,
    LAST,
    MEETING,
    WEEKS,
    meeting,
    summary,
)

UTC_ZONE = ZoneInfo("UTC")
RECORDED = Span(date(2026, 3, 2), date(2026, 4, 5), datetime(2026, 4, 5, 12, tzinfo=UTC), FIRST)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        (Range(), "2026-03-06", "2026-04-04"),
        (Range(timedelta(days=7)), "2026-03-29", "2026-04-04"),
        (Range(date(2026, 3, 20)), "2026-03-20", "2026-04-04"),
        (Range(until=date(2026, 4, 5)), "2026-03-07", "2026-04-05"),
        (Range(timedelta(days=90)), "2026-03-02", "2026-04-04"),
        (Range(until=date(2026, 5, 1)), "2026-04-02", "2026-04-05"),
    ],
)
def test_the_days_end_with_the_last_one_that_is_over(asked: Range, first: str, last: str) -> None:
    """Today is in the period only if it is asked for; days without records never are."""
    shown = shown_days(asked, RECORDED, UTC_ZONE)
    assert shown == Period(date.fromisoformat(first), date.fromisoformat(last))


def test_a_day_that_is_over_at_the_last_poll_is_the_last_one() -> None:
    """The recorder stopped exactly at midnight."""
    span = RECORDED._replace(last_day=date(2026, 4, 4), last_poll=datetime(2026, 4, 5, tzinfo=UTC))
    shown = shown_days(Range(), span, UTC_ZONE)
    assert shown is not None
    assert shown.last == date(2026, 4, 4)


def test_the_first_day_is_shown_although_it_is_not_over() -> None:
    """There is nothing else to show."""
    span = RECORDED._replace(first_day=RECORDED.last_day)
    assert shown_days(Range(), span, UTC_ZONE) == Period(span.last_day, span.last_day)


def test_days_without_records_are_none() -> None:
    """Nothing is shown of days before the records, or after them."""
    for asked in (Range(until=date(2026, 3, 1)), Range(since=date(2026, 4, 6))):
        assert shown_days(asked, RECORDED, UTC_ZONE) is None


def test_the_period_before_has_equal_length() -> None:
    """It ends the day before the first one."""
    assert before(Period(FIRST, LAST)) == Period(date(2026, 2, 2), date(2026, 3, 1))
    assert before(Period(FIRST, FIRST)) == Period(date(2026, 3, 1), date(2026, 3, 1))


@pytest.mark.parametrize(
    ("days", "by"), [(1, "day"), (35, "day"), (36, "week"), (400, "week"), (401, "month")]
)
def test_there_are_not_too_many_bars(days: int, by: str) -> None:
    """Long periods have a bar by week or month."""
    assert bar_length(Period(FIRST, FIRST + timedelta(days=days - 1))) is By(by)


def test_changes_are_those_of_complete_periods() -> None:
    """A lower bound is compared with nothing."""
    changes = {row.title: row.change for row in rows(MEETING)}
    assert changes["People who worked"] == 3
    assert changes["Hours of work"] == 0
    assert MEETING.before is not None
    partly = MEETING.total._replace(complete=False)
    for other in (
        meeting(total=partly),
        meeting(before=MEETING.before._replace(complete=False)),
        meeting(before=None),
    ):
        assert {row.change for row in rows(other)} == {None}


@pytest.mark.parametrize(
    ("value", "before", "change"),
    [(13864.6, 17114.3, -3249), (9.5, 11.0, -1.5), (9.99, 9.24, 0.75)],
)
def test_a_change_of_hours_fits_the_hours(value: float, before: float, change: float) -> None:
    """Hours that are displayed as whole numbers differ by what a reader calculates."""
    assert Row("Saved", Kind.HOURS, value, before, comparable=True).change == change


def test_an_unknown_figure_has_no_change() -> None:
    """Imported days have no sessions."""
    imported = meeting(total=MEETING.total._replace(sessions=None))
    (row,) = (row for row in rows(imported) if row.title == "Sessions")
    assert (row.value, row.before, row.change) == (None, 20, None)


def test_one_user_has_no_counts_of_users() -> None:
    """Who is one person cannot be several."""
    titles = {row.title for row in rows(meeting(people=None))}
    assert "Hours of work" in titles
    assert not {title for title in titles if title.startswith(("People", "New users"))}


@pytest.mark.parametrize(
    ("weeks", "mean"),
    [
        (WEEKS, 8.25),
        ([WEEKS[0], WEEKS[1]._replace(complete=False)], 8),
        ([summary(FIRST, FIRST + timedelta(days=3))], None),
        ([], None),
    ],
)
def test_the_average_week_is_whole_and_was_observed(weeks: list, mean: float | None) -> None:  # type: ignore[type-arg]
    """Cut and partly observed weeks would lower the mean."""
    assert meeting(weeks=weeks).mean_weekly == mean


def test_the_period_is_over_when_the_recorder_says_so() -> None:
    """Not when the clock does: after the last poll nothing is known."""
    assert MEETING.over
    early = MEETING.span._replace(last_poll=datetime(2026, 3, 29, 21, 59, tzinfo=UTC))
    ended: Meeting = meeting(span=early)
    assert not ended.over  # 22:00 in UTC is midnight in Berlin
