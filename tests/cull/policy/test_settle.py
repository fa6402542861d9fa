"""When idleness is believed: the Hub's life as seen from outside."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cull.policy.settle import NEVER, Settle, process_start
from tests.fakes.clock import START

SIX = timedelta(seconds=360)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_without_settling_all_is_believed_at_once() -> None:
    """0 seconds switch it off, whatever happened to the Hub."""
    settle = Settle(0).seen_down(5.0)
    assert settle.trust_idle_from is None
    assert not settle.settling(START)


def test_nothing_is_believed_before_the_hub_was_seen() -> None:
    """A Hub that was never up has told nothing that could be believed."""
    assert Settle(360).trust_idle_from == NEVER
    assert Settle(360).settling(START)


def test_it_is_counted_from_the_hubs_own_start() -> None:
    """Its metrics say when it started: a Hub up for long is believed at once."""
    settle = Settle(360).seen_up(START, 0.0, started=START - after(500))
    assert settle.trust_idle_from == START - after(140)
    assert not settle.settling(START)


def test_it_is_counted_from_first_seen_up_where_the_start_is_unknown() -> None:
    """Without metrics the Hub may just have started, for all we know."""
    settle = Settle(360).seen_up(START, 0.0).seen_up(START + after(100), 100.0)
    assert settle.trust_idle_from == START + SIX


def test_the_end_is_exact() -> None:
    """At the very second that settling ends, idleness is believed."""
    settle = Settle(360).seen_up(START, 0.0)
    assert settle.settling(START + after(359.9))
    assert not settle.settling(START + SIX)


def test_while_down_nothing_is_believed() -> None:
    """A Hub that is away takes no reports."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000)).seen_down(10.0)
    assert settle.trust_idle_from == NEVER


def test_after_an_outage_without_metrics_it_begins_anew() -> None:
    """Out of reach and back: counted from first seen up again."""
    settle = Settle(360).seen_up(START, 0.0).seen_down(1000.0)
    assert settle.seen_up(START + after(1100), 1100.0).trust_idle_from == START + after(1100) + SIX


def test_after_a_restart_it_is_counted_from_the_new_start() -> None:
    """Seen down, then started, then seen up: the start explains it all."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000)).seen_down(1000.0)
    settle = settle.seen_up(START + after(1100), 1100.0, started=START + after(1050))
    assert settle.trust_idle_from == START + after(1050) + SIX


def test_an_outage_without_a_restart_is_counted_from_its_end() -> None:
    """The Hub ran on and was out of reach, perhaps of its servers, too: its start is no help."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000)).seen_down(1000.0)
    settle = settle.seen_up(START + after(1100), 1100.0, started=START - after(9000))
    assert settle.trust_idle_from == START + after(1100) + SIX


def test_a_service_that_finds_the_hub_down_waits_for_it() -> None:
    """We start behind a Hub that is down; it was started before we saw it down."""
    settle = Settle(360).seen_down(0.0).seen_down(10.0)
    settle = settle.seen_up(START, 20.0, started=START - after(15))
    assert settle.trust_idle_from == START + SIX


def test_a_restart_that_nobody_saw_is_noticed_by_the_start() -> None:
    """Between two looks the Hub restarted; its metrics tell."""
    settle = Settle(360).seen_up(START, 0.0, START - after(9000))
    settle = settle.seen_up(START + after(300), 300.0, started=START + after(200))
    assert settle.trust_idle_from == START + after(200) + SIX


def test_a_start_that_wobbles_changes_nothing() -> None:
    """The start is computed from the machine's uptime and varies by a second."""
    settle = Settle(360).seen_up(START, 0.0, START - after(100))
    again = settle.seen_up(START + after(10), 10.0, started=START - after(99))
    assert again == settle


def test_metrics_that_can_no_longer_be_read_change_nothing() -> None:
    """What was known of the start stays known."""
    settle = Settle(360).seen_up(START, 0.0, START - after(500))
    assert settle.seen_up(START + after(10), 10.0) == settle


def test_a_start_in_the_future_is_not_believed() -> None:
    """Such a number says nothing about when the Hub started."""
    settle = Settle(360).seen_up(START, 0.0, started=START + after(1000))
    assert settle.trust_idle_from == START + SIX


def test_our_own_clock_plays_no_part() -> None:
    """How long ago the Hub was down is measured, not read from a wall clock."""
    settle = Settle(360).seen_down(1_000_000.0)
    settle = settle.seen_up(START, 1_000_030.0, started=START - after(20))
    assert settle.trust_idle_from == START - after(20) + SIX


EVENTS = st.lists(
    st.tuples(
        st.floats(0, 500),  # seconds since the event before
        st.sampled_from(["up", "down"]),
        st.none() | st.floats(0, 2000),  # how long ago the Hub says that it started
    ),
    max_size=20,
)


@given(EVENTS)
def test_no_idleness_is_believed_within_the_time_after_an_outage(
    events: list[tuple[float, str, float | None]],
) -> None:
    """Whatever is seen in which order, and whatever the Hub says of its start."""
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
def test_metrics_without_a_start_give_none(text: str | None) -> None:
    """What is no start is none, and no error."""
    assert process_start(text) is None


def test_the_start_is_found_among_the_metrics() -> None:
    """As Prometheus' client library writes it."""
    text = (
        "# HELP process_start_time_seconds Start time of the process since unix epoch.\n"
        "# TYPE process_start_time_seconds gauge\n"
        f"process_start_time_seconds {START.timestamp()}\n"
        "process_open_fds 12.0\n"
    )
    assert process_start(text) == START
