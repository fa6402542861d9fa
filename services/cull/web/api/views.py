"""Servers, holds, passes and rules as the API and the pages show them. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from common.hub.models import Server, User
from services.cull.passes.results import PassResult
from services.cull.policy.describe import describe_match, describe_rule
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal
from services.cull.policy.model import Decision, Policy, Protections, Reason
from services.cull.policy.reasons import as_sentence, describe_reason
from services.cull.policy.rules import Rule
from services.cull.store.records import Event, Hold
from services.cull.web.api.types import (
    AuditList,
    AuditView,
    HoldView,
    Offer,
    PassList,
    PassView,
    PolicyView,
    RuleView,
    ServerView,
)


def server_view(
    user: User,
    server: Server,
    rule: Rule,
    decision: Decision,
    protections: Protections,
    offer: ExtensionOffer | ExtensionRefusal | None = None,
) -> ServerView:
    """A server with its decision. ``offer`` is only given for the viewer's own servers."""
    return ServerView(
        user=user.name,
        server=server.name,
        groups=user.groups,
        admin=user.admin,
        state=server.pending or ("ready" if server.ready else "starting"),
        started=server.started,
        last_activity=server.last_activity,
        stops_at=decision.due,
        action=decision.action.value,
        reason=decision.reason.value,
        why=_why(server, decision),
        rule=rule.name,
        rule_does=describe_rule(rule),
        extended_until=protections.extended_until(user, server.name),
        held_until=protections.held_until(user, server.name),
        offer=(
            Offer(until=offer.until, left=offer.left + 1)
            if isinstance(offer, ExtensionOffer)
            else None
        ),
        no_offer=(
            offer.value
            if isinstance(offer, ExtensionRefusal) and offer is not ExtensionRefusal.NEVER_STOPS
            else ""
        ),
    )


def _why(server: Server, decision: Decision) -> str:
    if decision.reason is Reason.PENDING and server.pending in ("spawn", "stop"):
        return "It is starting." if server.pending == "spawn" else "It is stopping."
    return as_sentence(describe_reason(decision))


def hold_view(hold: Hold) -> HoldView:
    """A hold."""
    return HoldView(
        id=hold.id,
        kind=hold.kind.value,
        name=hold.name,
        server=hold.server,
        until=hold.until,
        by=hold.by,
        why=hold.why,
        made=hold.made,
    )


def pass_list(passes: Iterable[PassResult]) -> PassList:
    """The passes in reverse order: they are given oldest first and shown newest first."""
    return PassList(
        passes=[
            PassView(
                started=one.started,
                seconds=round(one.elapsed, 3),
                whole=one.complete,
                stopped=one.stopped,
                removed=one.removed,
                deleted=one.deleted,
                kept=one.kept,
                skipped=one.skipped,
                failures=one.failures,
                errors=list(one.errors),
            )
            for one in reversed(list(passes))
        ]
    )


def audit_list(
    events: Sequence[tuple[int, Event]],
    limit: int,
    complete: tuple[datetime | None, datetime | None] = (None, None),
) -> AuditList:
    """Audit events. There are no older ones if fewer than ``limit`` were found."""
    shown = [
        AuditView(
            id=number,
            at=event.at,
            who=event.who,
            action=event.action,
            target=event.target,
            name=event.name,
            server=event.server,
            reason=event.reason,
            rule=event.rule,
            outcome=event.outcome,
            until=event.until,
        )
        for number, event in events
    ]
    return AuditList(
        events=shown,
        next_before=shown[-1].id if len(shown) == limit else None,
        complete_since=complete[0],
        complete_until=complete[1],
    )


def policy_view(policy: Policy) -> PolicyView:
    """The rules of the policy in words."""
    return PolicyView(
        rules=[
            RuleView(
                name=rule.name,
                matches=describe_match(rule.match),
                does=describe_rule(rule),
            )
            for rule in policy.rules
        ]
    )


def utc(value: datetime) -> str:
    """ISO 8601 in UTC, as <time datetime> and scripts expect it."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
