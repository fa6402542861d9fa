"""The forecast of concurrent servers."""

from datetime import UTC, date, datetime, timedelta
from statistics import mean

import pytest

from services.stats.commands.semester import Semester, semester_changes
from services.stats.query.servers.forecast import (
    WEEK,
    Expected,
    complete_peaks,
    days_needed,
    expect,
    figure,
    forecast,
)
from services.stats.records import GroupDay
from tests.stats.one_day import BASE, hub
from tests.stats.web.site import UTC as ZONE

MONDAY = date(2026, 3, 2)


def weeks(*peaks: int | None) -> dict[date, int]:
    """The peaks of the Mondays before MONDAY, the latest first."""
    return {MONDAY - n * WEEK: peak for n, peak in enumerate(peaks, 1) if peak is not None}


@pytest.mark.parametrize(
    ("peaks", "expected", "upper", "number"),
    [
        pytest.param((), None, None, 0, id="nothing"),
        pytest.param((9,), None, None, 1, id="one week"),
        pytest.param((9, 4), 6.5, 9, 2, id="two weeks"),
        pytest.param((1, 2, 3, 10, 99), 2.5, 10, 4, id="only four weeks count"),
        pytest.param((None, None, 7, 5), 6, 7, 2, id="weeks that were not observed"),
        pytest.param((None,) * 7 + (5, 6, 7), None, None, 1, id="too long ago"),
    ],
)
def test_median_and_highest_of_four_weeks(
    peaks: tuple[int | None, ...], expected: float | None, upper: int | None, number: int
) -> None:
    """The median is expected, and the highest is the upper value; two weeks are needed."""
    other_days = {MONDAY - timedelta(days=1): 1000}
    assert expect(MONDAY, weeks(*peaks) | other_days) == Expected(
        MONDAY, expected, upper, number, None
    )


def test_the_forecast_covers_the_coming_week_and_the_past_two() -> None:
    """Past days have the forecast that was shown then, and what happened."""
    peaks = {MONDAY - timedelta(days=n): n for n in range(1, 60)}
    rows = forecast(MONDAY, peaks)
    assert [rows[0].day, rows[-1].day] == [MONDAY - timedelta(days=14), MONDAY + WEEK]
    by_day = {row.day: row for row in rows}
    assert by_day[MONDAY].actual is None
    assert by_day[MONDAY - timedelta(days=1)].actual == 1
    yesterday = MONDAY - timedelta(days=1)
    as_shown_then = {
        day: peak for day, peak in peaks.items() if day < yesterday - timedelta(days=6)
    }
    assert by_day[yesterday][:4] == expect(yesterday, as_shown_then)[:4]
    first, last = days_needed(MONDAY)
    assert forecast(MONDAY, {d: p for d, p in peaks.items() if first <= d <= last}) == rows


def test_incomplete_days_do_not_count() -> None:
    """Neither today, nor a day of which less than 90 % was observed, nor one without servers."""
    day = hub(BASE)
    whole = 24 * 3600

    def row(number: int, observed: int, peak: int | None = 5) -> GroupDay:
        return day._replace(
            day=MONDAY + timedelta(days=number), observed_seconds=observed, peak=peak
        )

    rows = [
        row(0, whole),
        row(1, whole // 2),
        row(2, whole, None),
        row(3, whole),
        row(4, whole // 3),
    ]
    last_poll = datetime(2026, 3, 6, 8, tzinfo=UTC)
    assert complete_peaks(rows, last_poll, ZONE) == {
        MONDAY: 5,
        MONDAY + timedelta(days=3): 5,
    }
    assert complete_peaks([], last_poll, ZONE) == {}


def test_the_figure_says_how_it_is_computed() -> None:
    """And if there is not enough to compute it from."""
    assert "not enough observed weeks" in figure(forecast(MONDAY, {})).note
    peaks = {MONDAY - timedelta(days=n): n for n in range(60)}
    note = figure(forecast(MONDAY, peaks)).note
    assert "not enough" not in note
    assert "the median of the peaks on the latest four observed days" in note


def peaks_of(semester: Semester) -> dict[date, int]:
    """The peak of concurrent servers on each day."""
    found: dict[date, int] = {}
    for number, changes in enumerate(list(semester_changes(semester))[1:]):
        steps = sorted(
            step
            for session in changes.sessions.values()
            for step in ((session.started, 1), (session.ended or session.started, -1))
        )
        running = peak = 0
        for _, step in steps:
            running += step
            peak = max(peak, running)
        found[(semester.start + timedelta(days=number)).date()] = peak
    return found


def test_error_on_generated_semesters() -> None:
    """Back-test: on average, the forecast is wrong by less than 16 % of the mean peak (13 % as
    measured, without the week without classes), and 9 of 10 peaks do not exceed the upper value.

    A trend (the last week compared with the four weeks) is worse, so there is none.
    """
    errors, with_trend, within, actual = [], [], [], []
    for seed in (1, 2, 3):
        start = datetime(2026, 3, 2, tzinfo=UTC)
        peaks = peaks_of(Semester(start, days=100, students={"a": 300}, seed=seed))
        for number in range(28, 100):
            day = start.date() + timedelta(days=number)
            row = expect(day, peaks)
            if number // 7 == 7:
                continue
            assert row.expected is not None
            assert row.upper is not None
            errors.append(abs(row.expected - peaks[day]))
            within.append(peaks[day] <= row.upper)
            actual.append(peaks[day])
            with_trend.append(abs(row.expected * trend(day, peaks) - peaks[day]))
    assert mean(errors) < 0.16 * mean(actual)
    assert mean(within) > 0.9
    assert mean(with_trend) > mean(errors)


def trend(day: date, peaks: dict[date, int]) -> float:
    """How much busier the last week was than the four weeks."""
    days = [peaks[day - timedelta(days=number)] for number in range(1, 29)]
    return 4 * sum(days[:7]) / sum(days)
