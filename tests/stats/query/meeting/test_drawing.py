"""The charts of the page for a meeting."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stats.days import By
from services.stats.query.figures import Kind
from services.stats.query.meeting.drawing import HEIGHT, MOST_LABELS, WIDTH, bar_chart, week_map
from tests.stats.query.meeting.meetings import FIRST, LAST, WEEKS, summary


def test_bars() -> None:
    """Heights are in proportion, up to a round number, and each bar has its days."""
    chart = bar_chart("People", WEEKS, "active_users", Kind.NUMBER, By.WEEK)
    assert chart.top == 10
    assert [bar.height for bar in chart.bars] == [HEIGHT * n / 10 for n in (8, 10, 9, 6)]
    assert [bar.label for bar in chart.bars] == ["2 Mar", "9 Mar", "16 Mar", "23 Mar"]
    assert chart.bars[0].name == "2026-03-02 to 2026-03-08"
    assert (chart.incomplete, chart.unobserved) == (False, False)


def test_incomplete_and_unobserved_bars_differ() -> None:
    """A lower bound is outlined, and what is unknown is no bar of height zero."""
    partly = WEEKS[0]._replace(complete=False)
    unknown = WEEKS[1]._replace(active_users=None, complete=False)
    chart = bar_chart("People", [partly, unknown], "active_users", Kind.NUMBER, By.WEEK)
    assert (chart.incomplete, chart.unobserved) == (True, True)
    assert [(bar.value, bar.complete) for bar in chart.bars] == [(8, False), (None, False)]


@pytest.mark.parametrize(
    ("by", "first", "last", "whole"),
    [
        (By.WEEK, date(2026, 3, 2), date(2026, 3, 8), True),
        (By.WEEK, date(2026, 3, 3), date(2026, 3, 8), False),
        (By.MONTH, date(2026, 2, 1), date(2026, 2, 28), True),
        (By.MONTH, date(2026, 2, 1), date(2026, 2, 27), False),
        (By.MONTH, date(2026, 2, 2), date(2026, 2, 28), False),
        (By.DAY, date(2026, 3, 3), date(2026, 3, 3), True),
    ],
)
def test_a_cut_week_is_no_decline(by: By, first: date, last: date, whole: bool) -> None:
    """The week or month that the page's days cut off is outlined like an incomplete one."""
    (bar,) = bar_chart("x", [summary(first, last)], "active_users", Kind.NUMBER, by).bars
    assert bar.complete is whole


@settings(max_examples=60)
@given(st.lists(st.none() | st.integers(0, 10**7) | st.floats(0, 1e6), max_size=80))
def test_every_bar_is_inside_the_chart(values: list[float | None]) -> None:
    """Whatever the values, and labels do not crowd."""
    periods = [summary(FIRST, LAST, value) for value in values]  # type: ignore[arg-type]
    chart = bar_chart("x", periods, "active_users", Kind.NUMBER, By.MONTH)
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= HEIGHT
        assert bar.y + bar.height == pytest.approx(HEIGHT, abs=0.11)
    assert sum(bool(bar.label) for bar in chart.bars) <= MOST_LABELS
    assert chart.top >= 2


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (10, 10), (11, 12), (110, 120), (401, 500)]
)
def test_the_upper_edge_is_round(most: int, top: float) -> None:
    """Half of it is, too, because it is written beside the middle of the chart."""
    chart = bar_chart("x", [summary(FIRST, LAST, most)], "active_users", Kind.NUMBER, By.DAY)
    assert chart.top == top


def test_the_week() -> None:
    """The area of a square is in proportion to the users; unobserved hours have none."""
    table: list[list[float | None]] = [[0.0] * 24 for _ in range(7)]
    table[0][9], table[1][9], table[2][9] = 8.0, 2.0, None
    found = week_map(table)
    assert (found.most, found.unobserved) == (8, True)
    assert [name for name, _ in found.rows][:2] == ["Mo", "Tu"]
    assert [found.rows[n][1][9].size for n in range(4)] == [1, 0.5, None, 0]
    assert week_map([[None] * 24] * 7).most == 0
