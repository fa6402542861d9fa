"""From when on idleness is trusted: the Hub's uptime as observed from outside."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cull.policy.settle import NEVER, Settle, process_start
from tests.fakes.clock import START

SIX = timedelta(seconds=360)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_settling_can_be_turned_off() -> None:
    """With 0 seconds, idleness is always trusted."""
    settle = Settle(0).seen_down(5.0)
    assert settle.trust_idle_from is None
    assert not settle.settling(START)


def test_idleness_is_not_trusted_before_the_hub_was_seen_up() -> None:
    """A Hub that has never been up has received no reports."""
    assert Settle(360).trust_idle_from == NEVER
    assert Settle(360).settling(START)


def test_settling_counts_from_the_hubs_start() -> None:
    """A Hub that has been up for long, by its metrics, is trusted at once."""
    settle = Settle(360).seen_up(START, 0.0, started=START - after(500))
    assert settle.trust_idle_from == START - after(140)
    assert not settle.settling(START)


def test_settling_counts_from_first_seen_up_if_the_start_is_unknown() -> None:
    """Without metrics the Hub may have started a moment ago."""
    settle = Settle(360).seen_up(START, 0.0).seen_up(START + after(100), 100.0)
    assert settle.trust_idle_from == START + SIX


def test_the_end_of_settling_is_exact() -> None:
    """At the second at which settling ends, idleness is trusted."""
    settle = Settle(360).seen_up(START, 0.0)
    assert settle.settling(START + after(359.9))
    assert not settle.settling(START + SIX)


def test_idleness_is_not_trusted_while_the_hub_is_down() -> None:
    """A Hub that is down receives no reports."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000)).seen_down(10.0)
    assert settle.trust_idle_from == NEVER


def test_settling_starts_again_after_an_outage() -> None:
    """Without metrics it counts from when the Hub was first seen up again."""
    settle = Settle(360).seen_up(START, 0.0).seen_down(1000.0)
    assert settle.seen_up(START + after(1100), 1100.0).trust_idle_from == START + after(1100) + SIX


def test_settling_counts_from_the_start_after_a_restart() -> None:
    """If the Hub started after it was seen down, the restart explains the outage."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000)).seen_down(1000.0)
    settle = settle.seen_up(START + after(1100), 1100.0, started=START + after(1050))
    assert settle.trust_idle_from == START + after(1050) + SIX


def test_settling_counts_from_the_end_of_an_outage_without_restart() -> None:
    """The Hub kept running but was unreachable, possibly for its servers as well."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000)).seen_down(1000.0)
    settle = settle.seen_up(START + after(1100), 1100.0, started=START - after(9000))
    assert settle.trust_idle_from == START + after(1100) + SIX


def test_a_start_before_the_last_outage_does_not_count() -> None:
    """The culler starts while the Hub is down, and the Hub started before that."""
    settle = Settle(360).seen_down(0.0).seen_down(10.0)
    settle = settle.seen_up(START, 20.0, started=START - after(15))
    assert settle.trust_idle_from == START + SIX


def test_an_unobserved_restart_is_noticed_by_the_start() -> None:
    """The Hub restarted between two checks; its metrics show it."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000))
    settle = settle.seen_up(START + after(300), 300.0, started=START + after(200))
    assert settle.trust_idle_from == START + after(200) + SIX


def test_a_start_that_varies_slightly_changes_nothing() -> None:
    """The start is computed from the machine's uptime and varies by a second."""
    settle = Settle(360).seen_up(START, 0.0, START - after(100))
    again = settle.seen_up(START + after(10), 10.0, started=START - after(99))
    assert again == settle


def test_metrics_that_can_no_longer_be_read_change_nothing() -> None:
    """The start that was read before stays known."""
    settle = Settle(360).seen_up(START, 0.0, START - after(500))
    assert settle.seen_up(START + after(10), 10.0) == settle


def test_a_start_in_the_future_is_ignored() -> None:
    """Such a value does not show when the Hub started."""
    settle = Settle(360).seen_up(START, 0.0, started=START + after(1000))
    assert settle.trust_idle_from == START + SIX


def test_the_local_wall_clock_does_not_matter() -> None:
    """How long ago the Hub was down is measured by the monotonic clock."""
    settle = Settle(360).seen_down(1_000_000.0)
    settle = settle.seen_up(START, 1_000_030.0, started=START - after(20))
    assert settle.trust_idle_from == START - after(20) + SIX


EVENTS = st.lists(
    st.tuples(
        st.floats(0, 500),  # seconds since the event before
        st.sampled_from(["up", "down"]),
        st.none() | st.floats(0, 2000),  # how long ago the Hub started, by its metrics
    ),
    max_size=20,
)


@given(EVENTS)
def test_idleness_is_not_trusted_soon_after_an_outage(
    events: list[tuple[float, str, float | None]],
) -> None:
    """Whatever the order of events, and whatever start the Hub reports."""
    settle, at = Settle(360), 0.0
    last_down: float | None = None
    for pause, event, ago in events:
        at += pause
        now = START + after(at)
        if event == "down":
            settle, last_down = settle.seen_down(at), at
        else:
            started = None if ago is None else now - after(ago)
            settle = settle.seen_up(now, at, started)
        if last_down is not None and at < last_down + 359.99:
            assert settle.settling(now)
        if event == "up":
            assert not settle.settling(now + after(360))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "process_start_time_seconds",
        "process_start_time_seconds nonsense",
        "process_start_time_seconds NaN",
        "process_start_time_seconds +Inf",
        "process_start_time_seconds 1e300",
        "process_start_time_seconds_total 1.7e9",
        "# HELP process_start_time_seconds 1.7e9",
        "<html>process_start_time_seconds 1.7e9</html>",
    ],
)
def test_metrics_without_a_valid_start(text: str | None) -> None:
    """An invalid value is ignored and is not an error."""
    assert process_start(text) is None


def test_the_start_is_read_from_the_metrics() -> None:
    """As Prometheus' client library writes it."""
    text = (
        "# HELP process_start_time_seconds Start time of the process since unix epoch.\n"
        "# TYPE process_start_time_seconds gauge\n"
        f"process_start_time_seconds {START.timestamp()}\n"
        "process_open_fds 12.0\n"
    )
    assert process_start(text) == START
