"""Knowing the Hub's time from the dates of its answers."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from common.hub.clock import HubClock
from tests.fakes.clock import START


def test_nothing_heard_is_nothing_known() -> None:
    """Who asks must have another clock until the Hub has answered."""
    assert HubClock().now(5.0) is None


def test_time_goes_on_between_answers() -> None:
    """By our monotonic clock, which nobody sets."""
    clock = HubClock()
    clock.heard(START, arrived=100.0, seconds=0.1)
    assert clock.now(160.0) == START + timedelta(seconds=60)


def test_the_tightest_bound_is_kept() -> None:
    """A later answer with an earlier word on the time changes nothing."""
    clock = HubClock()
    clock.heard(START, arrived=100.0, seconds=0.1)
    clock.heard(START + timedelta(seconds=1), arrived=110.0, seconds=9.5)
    assert clock.now(110.0) == START + timedelta(seconds=10)


def test_a_clock_set_back_or_ahead_is_followed() -> None:
    """The Hub's clock is the clock, whatever it says."""
    clock = HubClock()
    clock.heard(START, arrived=100.0, seconds=0.1)
    for jump in (timedelta(hours=-1), timedelta(hours=2)):
        clock.heard(START + jump, arrived=110.0, seconds=0.1)
        assert clock.now(110.0) == START + jump


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 30)), min_size=1, max_size=20))
def test_a_steady_hub_is_never_overtaken(answers: list[tuple[float, float]]) -> None:
    """And never lagged by more than the newest answer took, and the second it is rounded to."""
    clock = HubClock()
    arrived = 0.0
    for pause, took in answers:
        arrived += pause + took
        written = START + timedelta(seconds=arrived - took)
        clock.heard(written.replace(microsecond=0), arrived=arrived, seconds=took)
        now = clock.now(arrived)
        assert now is not None
        behind = (START + timedelta(seconds=arrived) - now).total_seconds()
        assert -0.001 <= behind <= took + 1.001
