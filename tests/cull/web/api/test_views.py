"""How servers, holds, passes and rules are shown."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.hub.models import Server, User
from services.cull.passes.results import PassResult
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal
from services.cull.policy.model import Action, Decision, Flags, Policy, Protections, Reason
from services.cull.policy.reasons import NO_LIMIT, as_sentence
from services.cull.store.records import Event, Hold, HoldKind
from services.cull.web.api.types import Offer, ServerView
from services.cull.web.api.views import (
    audit_list,
    hold_view,
    pass_list,
    policy_view,
    server_view,
    utc,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)
USER = User(name="ana", groups=("course",))
POLICY = Policy.from_flags(Flags(timeout=3600))


def view(
    server: Server | None = None,
    decision: Decision | None = None,
    protections: Protections | None = None,
    offer: ExtensionOffer | ExtensionRefusal | None = None,
) -> ServerView:
    """The view of a ready and active server, with one change."""
    return server_view(
        USER,
        server or Server(name="", ready=True, started=NOW, last_activity=NOW),
        POLICY.rules[0],
        decision or Decision(Action.KEEP, Reason.ACTIVE, "default", SOON, NOW),
        protections or Protections(),
        offer,
    )


def test_a_server_is_shown_with_its_decision() -> None:
    """The action and the reason are words, and the reason is also a sentence."""
    shown = view()
    assert (shown.user, shown.groups, shown.stops_at) == ("ana", ("course",), SOON)
    assert (shown.action, shown.reason, shown.rule) == ("keep", "active", "default")
    assert shown.why == "It has not reached a time limit yet."
    assert shown.rule_does.startswith("stop after 1 h")


def test_a_server_that_never_stops_says_so() -> None:
    """Without a time limit, the sentence does not promise a stop."""
    assert view(decision=Decision(Action.KEEP, Reason.ACTIVE, "default")).why == as_sentence(
        NO_LIMIT
    )


@pytest.mark.parametrize(
    ("pending", "ready", "state", "why"),
    [
        ("spawn", False, "spawn", "It is starting."),
        ("stop", True, "stop", "It is stopping."),
        ("check", True, "check", "It is starting or stopping."),
    ],
)
def test_a_pending_server_says_what_it_is_doing(
    pending: str, state: str, why: str, *, ready: bool
) -> None:
    """The state keeps the Hub's word, and the sentence explains it."""
    server = Server(name="", ready=ready, pending=pending)
    shown = view(server, Decision(Action.KEEP, Reason.PENDING, "default"))
    assert (shown.state, shown.why) == (state, why)


def test_a_server_that_is_neither_ready_nor_pending_is_starting() -> None:
    """The Hub has no word for this state."""
    server = Server(name="", ready=False)
    assert view(server, Decision(Action.KEEP, Reason.NOT_READY, "default")).state == "starting"


def test_an_offer_counts_the_extension_that_it_offers() -> None:
    """One extension left after this one makes two left now."""
    assert view(offer=ExtensionOffer(SOON, left=1)).offer == Offer(until=SOON, left=2)


@pytest.mark.parametrize("refusal", ExtensionRefusal)
def test_a_refusal_is_explained_unless_nothing_stops_the_server(refusal: ExtensionRefusal) -> None:
    """For a server that never stops, an explanation would only confuse."""
    shown = view(offer=refusal)
    assert shown.offer is None
    assert shown.no_offer == ("" if refusal is ExtensionRefusal.NEVER_STOPS else refusal.value)


def test_extensions_and_holds_are_shown() -> None:
    """The latest hold counts, whether on the server, the user or a group."""
    shown = view(
        protections=Protections(
            extensions={("ana", ""): SOON},
            user_holds={"ana": NOW},
            group_holds={"course": SOON},
        )
    )
    assert (shown.extended_until, shown.held_until) == (SOON, SOON)


def test_a_hold_is_shown_with_all_its_fields() -> None:
    """The kind is a plain word."""
    hold = Hold(
        id=3,
        kind=HoldKind.GROUP,
        name="course",
        server="",
        until=SOON,
        by="root",
        why="exam",
        made=NOW,
    )
    shown = hold_view(hold)
    assert (shown.id, shown.kind, shown.name, shown.by) == (3, "group", "course", "root")
    assert (shown.until, shown.made, shown.why) == (SOON, NOW, "exam")


def test_passes_are_shown_newest_first() -> None:
    """They are given oldest first."""
    passes = [
        PassResult(started=NOW + timedelta(hours=n), elapsed=0.12345, complete=True, stopped=n)
        for n in range(3)
    ]
    shown = pass_list(passes).passes
    assert [one.stopped for one in shown] == [2, 1, 0]
    assert shown[0].seconds == 0.123


@pytest.mark.parametrize(("limit", "next_before"), [(2, 6), (3, None)])
def test_a_full_page_of_audit_events_has_a_next_page(limit: int, next_before: int | None) -> None:
    """If fewer events than requested were found, there are no older ones."""
    event = Event(at=NOW, who="ana", action="extend", target="server", name="ana", server="")
    shown = audit_list([(7, event), (6, event)], limit)
    assert [one.id for one in shown.events] == [7, 6]
    assert shown.next_before == next_before


def test_rules_are_shown_in_words() -> None:
    """A rule without conditions has an empty description of what it matches."""
    [rule] = policy_view(POLICY).rules
    assert (rule.name, rule.matches) == ("default", "")
    assert rule.does.startswith("stop after 1 h without activity")


def test_times_are_written_in_utc() -> None:
    """As HTML's <time> and scripts expect them, without fractions of a second."""
    east = timezone(timedelta(hours=5, minutes=30))
    assert utc(datetime(2026, 3, 2, 17, 30, 0, 999, tzinfo=east)) == "2026-03-02T12:00:00Z"
