"""What the hours of rules change for a server that nobody touches."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.hub.models import Server, User
from services.cull.policy.decide import decide_server
from services.cull.policy.forecast import AHEAD, Forecast, forecast
from services.cull.policy.model import Action, Flags, Policy, default_rule
from services.cull.policy.rules import Match, Rule, RuleAction
from services.cull.policy.windows import Span, Weekly

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
DEFAULT = default_rule(Flags(timeout=3600))
EXAM = Rule("exam", Match(between=(Span(NOW - HOUR, NOW + 3 * HOUR),)), RuleAction.NEVER)
UTC_ZONE = ZoneInfo("UTC")
EVENING = Rule(
    "evening", Match(hours=(Weekly(UTC_ZONE, start=time(18), end=time(20)),)), idle_timeout=600
)
ANA = User(name="ana")


def forecast_of(*rules: Rule, server: Server | None = None) -> Forecast | None:
    found = server or Server(name="", ready=True, started=NOW - HOUR, last_activity=NOW)
    policy = Policy((*rules, DEFAULT))
    return forecast(
        policy,
        NOW,
        lambda moment: policy.rule_for(ANA, found, moment),
        lambda moment: decide_server(ANA, found, policy, moment),
    )


def test_without_hours_nothing_changes() -> None:
    """The rule that holds now is the one that stops."""
    assert forecast_of() is None


def test_the_end_of_an_exam_is_foreseen() -> None:
    """It protects until it is over; by then the server is long due."""
    assert forecast_of(EXAM) == Forecast(NOW + 3 * HOUR, DEFAULT, NOW + 3 * HOUR)


def test_after_the_exam_the_timeout_still_counts() -> None:
    """An exam that ends in half an hour leaves half an hour."""
    short = Rule("x", Match(between=(Span(NOW, NOW + HOUR / 2),)), RuleAction.NEVER)
    assert forecast_of(short) == Forecast(NOW + HOUR / 2, DEFAULT, NOW + HOUR)


def test_a_stricter_rule_in_between_is_foreseen() -> None:
    """The long rule holds now and at its due time; a short one between them stops sooner."""
    long = Rule("long", idle_timeout=12 * 3600)
    found = forecast_of(EVENING, long)
    assert found == Forecast(NOW + 6 * HOUR, EVENING, NOW + 6 * HOUR)


def test_a_change_after_the_stop_is_no_news() -> None:
    """The server is stopped long before the evening."""
    assert forecast_of(EVENING) is None


def test_a_rule_that_ends_at_its_stop_does_not_stop() -> None:
    """A span's end is not in it: at that moment the next rule holds already."""
    until_due = Rule("x", Match(between=(Span(NOW, NOW + HOUR),)), idle_timeout=3600)
    free = Rule("free", action=RuleAction.NEVER)
    assert forecast_of(until_due, free) == Forecast(NOW + HOUR, free, None)


def test_what_never_stops_is_said_to_change_only_if_it_does() -> None:
    """A rule that says never at all times has nothing to foresee."""
    assert forecast_of(Rule("free", action=RuleAction.NEVER)) is None


def test_a_stop_beyond_the_horizon_is_none() -> None:
    """The rule changes, and still nothing stops the server within sight."""
    free = Rule("free", action=RuleAction.NEVER)
    assert forecast_of(EXAM, free) == Forecast(NOW + 3 * HOUR, free, None)


@pytest.mark.parametrize("state", [{"pending": "spawn"}, {"ready": False}])
def test_what_is_not_running_is_not_foreseen(state: dict[str, str | bool]) -> None:
    """Nobody knows when a starting server will be idle."""
    server = Server(name="", started=NOW, **({"ready": True} | state))  # type: ignore[arg-type]  # a row of a table
    assert forecast_of(EXAM, server=server) is None


hours = st.builds(
    lambda days, start, end: Weekly(UTC_ZONE, days, time(start), time(end)),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 23),
    st.integers(0, 23),
)
rules = st.builds(
    lambda window, timeout: Rule(f"{window}", Match(hours=(window,)), idle_timeout=timeout),
    hours,
    st.none() | st.sampled_from([600, 7200, 86400.0]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(rules, max_size=3), st.sampled_from([600, 7200, 200_000]))
def test_the_foreseen_stop_is_when_a_pass_would_stop_it(found: list[Rule], last: float) -> None:
    """Deciding anew at every ten minutes finds the same stop, to the step."""
    policy = Policy((*found, Rule("last", idle_timeout=last)))
    server = Server(name="", ready=True, started=NOW, last_activity=NOW)

    def acts(moment: datetime) -> bool:
        return decide_server(ANA, server, policy, moment).action is not Action.KEEP

    change = forecast(
        policy,
        NOW,
        lambda moment: policy.rule_for(ANA, server, moment),
        lambda moment: decide_server(ANA, server, policy, moment),
    )
    stops = change.stops if change else decide_server(ANA, server, policy, NOW).due
    step = timedelta(minutes=10)
    first = next((NOW + n * step for n in range(AHEAD // step) if acts(NOW + n * step)), None)
    if stops is None or stops >= NOW + AHEAD:
        assert first is None
    else:
        assert first is not None
        assert first - step < stops <= first
