"""How far "Keep running" postpones a stop."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.hub.models import Server
from services.cull.policy.decide import decide_server
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal, next_extension
from services.cull.policy.model import (
    Action,
    Policy,
    Protections,
)
from services.cull.policy.rules import Rule, RuleAction
from tests.cull.policy.builders import (
    HOUR,
    IDLE,
    NOW,
    USER,
    ago,
    servers,
    times,
)

RULE = Rule("r", idle_timeout=600, extend_by=3600, extensions_per_day=2)


def offer_for(rule: Rule = RULE, used: int = 0, **server: Any) -> ExtensionOffer | ExtensionRefusal:
    changed = msgspec.structs.replace(IDLE, **({"last_activity": NOW} | server))
    decision = decide_server(USER, changed, Policy((rule,)), NOW)
    return next_extension(rule, decision, NOW, used)


@given(
    servers, st.builds(Rule, name=st.just("r"), extend_by=st.none() | st.integers(1, 9000)), times
)
def test_an_extension_postpones_the_stop_within_bounds(
    server: Server, rule: Rule, now: datetime
) -> None:
    """An offer is later than the stop, and at most the timeout and one extension from now."""
    decision = decide_server(USER, server, Policy((rule,)), now)
    offer = next_extension(rule, decision, now, 0)
    if not isinstance(offer, ExtensionOffer):
        return
    assert decision.due is not None
    assert rule.extend_by is not None
    assert rule.idle_timeout is not None
    assert max(decision.due, now) < offer.until
    assert offer.until <= now + timedelta(seconds=rule.idle_timeout + rule.extend_by)
    kept = decide_server(
        USER,
        server,
        Policy((rule,)),
        now,
        protections=Protections(extensions={("ana", server.name): offer.until}),
    )
    assert (kept.action, kept.due) == (Action.KEEP, offer.until)


def test_an_extension_postpones_the_stop_by_its_length() -> None:
    """The server would stop in ten minutes, and stops an hour later."""
    offer = offer_for()
    assert offer == ExtensionOffer(NOW + timedelta(seconds=600 + 3600), 1)


def test_an_extension_of_a_due_server_counts_from_now() -> None:
    """A user who clicks at the last moment gets the full extension."""
    assert offer_for(last_activity=ago(hours=3)) == ExtensionOffer(NOW + HOUR, 1)


@pytest.mark.parametrize(
    ("rule", "used", "refusal"),
    [
        (replace(RULE, action=RuleAction.NEVER), 0, ExtensionRefusal.NEVER_STOPS),
        (replace(RULE, extend_by=None), 0, ExtensionRefusal.NOT_ALLOWED),
        (replace(RULE, extensions_per_day=0), 0, ExtensionRefusal.NOT_ALLOWED),
        (RULE, 2, ExtensionRefusal.USED_UP),
    ],
)
def test_refusals(rule: Rule, used: int, refusal: ExtensionRefusal) -> None:
    """Each refusal has its own text."""
    assert offer_for(rule, used) is refusal


@pytest.mark.parametrize(
    "server", [{"pending": "stop"}, {"ready": False}], ids=["pending", "not ready"]
)
def test_an_unknown_stop_time_is_not_called_never(server: dict[str, Any]) -> None:
    """A starting server will be stopped some day: the page must not say otherwise."""
    assert offer_for(**server) is ExtensionRefusal.NOT_NOW


def test_a_maximum_age_is_extended_near_its_end_only() -> None:
    """Without an idle timeout the extension counts from now."""
    rule = replace(RULE, idle_timeout=None, max_age=8 * 3600)
    assert offer_for(rule) is ExtensionRefusal.FAR_ENOUGH
    assert offer_for(rule, started=ago(hours=7.5)) == ExtensionOffer(NOW + HOUR, 1)


def test_extending_twice_in_a_row_does_not_add_up() -> None:
    """The stop is never further away than the timeout and one extension."""
    offer = offer_for()
    assert isinstance(offer, ExtensionOffer)
    protections = Protections(extensions={("ana", ""): offer.until})
    server = msgspec.structs.replace(IDLE, last_activity=NOW)
    decision = decide_server(USER, server, Policy((RULE,)), NOW, protections=protections)
    assert next_extension(RULE, decision, NOW, 1) is ExtensionRefusal.FAR_ENOUGH
