"""When an idle server stops, as rules with hours begin and end."""

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
    """The current rule stops the server."""
    assert forecast_of() is None


def test_the_end_of_an_exam_is_predicted() -> None:
    """The exam protects the server until it is over; by then the server is due."""
    assert forecast_of(EXAM) == Forecast(NOW + 3 * HOUR, DEFAULT, NOW + 3 * HOUR)


def test_the_timeout_applies_after_an_exam() -> None:
    """An exam that ends in half an hour leaves half of the timeout."""
    short = Rule("x", Match(between=(Span(NOW, NOW + HOUR / 2),)), RuleAction.NEVER)
    assert forecast_of(short) == Forecast(NOW + HOUR / 2, DEFAULT, NOW + HOUR)


def test_a_stricter_rule_in_between_is_predicted() -> None:
    """The long rule applies now and at its due time; a short one in between stops sooner."""
    long = Rule("long", idle_timeout=12 * 3600)
    found = forecast_of(EVENING, long)
    assert found == Forecast(NOW + 6 * HOUR, EVENING, NOW + 6 * HOUR)


def test_a_change_after_the_stop_is_not_reported() -> None:
    """The server stops long before the evening."""
    assert forecast_of(EVENING) is None


def test_a_rule_that_ends_at_its_stop_does_not_stop() -> None:
    """A span does not include its end: at that moment the next rule applies."""
    until_due = Rule("x", Match(between=(Span(NOW, NOW + HOUR),)), idle_timeout=3600)
    free = Rule("free", action=RuleAction.NEVER)
    assert forecast_of(until_due, free) == Forecast(NOW + HOUR, free, None)


def test_a_rule_that_never_stops_has_no_change() -> None:
    """A rule with action never that always applies needs no prediction."""
    assert forecast_of(Rule("free", action=RuleAction.NEVER)) is None


def test_a_stop_beyond_the_horizon_is_not_predicted() -> None:
    """The rule changes, but nothing stops the server within the horizon."""
    free = Rule("free", action=RuleAction.NEVER)
    assert forecast_of(EXAM, free) == Forecast(NOW + 3 * HOUR, free, None)


@pytest.mark.parametrize("state", [{"pending": "spawn"}, {"ready": False}])
def test_a_server_that_is_not_ready_has_no_prediction(state: dict[str, str | bool]) -> None:
    """When a starting server will be idle is unknown."""
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
def test_the_predicted_stop_is_when_a_pass_would_stop_it(found: list[Rule], last: float) -> None:
    """Deciding every ten minutes finds the same stop, to the step."""
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
