"""The Hub's time, derived from the dates of its responses."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.hub.clock import HubClock, parse_http_date
from tests.fakes.clock import START


def test_no_time_before_the_first_response() -> None:
    """Without a response there is no time, so that callers fall back to another clock."""
    assert HubClock().now(5.0) is None


def test_time_advances_between_responses() -> None:
    """Between responses the time advances with the local monotonic clock."""
    clock = HubClock()
    clock.observe(START, arrived=100.0, seconds=0.1)
    assert clock.now(160.0) == START + timedelta(seconds=60)


def test_the_tightest_bound_is_kept() -> None:
    """A later response with a lower bound of the time changes nothing."""
    clock = HubClock()
    clock.observe(START, arrived=100.0, seconds=0.1)
    clock.observe(START + timedelta(seconds=1), arrived=110.0, seconds=9.5)
    assert clock.now(110.0) == START + timedelta(seconds=10)


def test_a_clock_set_back_or_ahead_is_followed() -> None:
    """A jump of the Hub's clock in either direction is followed at once."""
    clock = HubClock()
    clock.observe(START, arrived=100.0, seconds=0.1)
    for jump in (timedelta(hours=-1), timedelta(hours=2)):
        clock.observe(START + jump, arrived=110.0, seconds=0.1)
        assert clock.now(110.0) == START + jump


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 30)), min_size=1, max_size=20))
def test_a_steady_hub_is_never_overtaken(answers: list[tuple[float, float]]) -> None:
    """The clock is never ahead of the Hub, and at most a request and one second behind."""
    clock = HubClock()
    arrived = 0.0
    for pause, took in answers:
        arrived += pause + took
        written = START + timedelta(seconds=arrived - took)
        clock.observe(written.replace(microsecond=0), arrived=arrived, seconds=took)
        now = clock.now(arrived)
        assert now is not None
        behind = (START + timedelta(seconds=arrived) - now).total_seconds()
        assert -0.001 <= behind <= took + 1.001


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Mon, 02 Mar 2026 12:00:07 GMT", datetime(2026, 3, 2, 12, 0, 7, tzinfo=UTC)),
        ("Mon, 02 Mar 2026 13:00:07 +0100", datetime(2026, 3, 2, 12, 0, 7, tzinfo=UTC)),
        ("Mon, 99 Mar 2026 99:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_http_dates(value: str | None, moment: datetime | None) -> None:
    """A date header is read as a UTC time; an invalid or missing one is None."""
    assert parse_http_date(value) == moment
