"""What is known of servers, holds and passes, as the pages and the API show it. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from common.hub.models import Server, User
from services.cull.passes.results import PassResult
from services.cull.policy.describe import describe_match, describe_rule
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal
from services.cull.policy.model import (
    Decision,
    Policy,
    Protections,
    Reason,
)
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

_WHY = {
    Reason.IDLE: "It has been idle for longer than its rule allows.",
    Reason.MAX_AGE: "It has been running for longer than its rule allows.",
    Reason.ACTIVE: "It stops when nobody has used it for a while, or when it gets too old.",
    Reason.NEVER: "Its rule never stops it.",
    Reason.HELD: "An administrator holds it until a set time.",
    Reason.EXTENDED: "It was asked to be kept running.",
    Reason.SETTLING: "The Hub was away or has just started; servers get time to report activity.",
    Reason.PENDING: "It is just being started or stopped.",
    Reason.NOT_READY: "It is not ready yet.",
    Reason.NO_TIME: "The Hub does not tell when it was last active, so it is left alone.",
    Reason.NO_PROFILE: "The Hub does not tell what it was started with, so it is left alone.",
    Reason.DEFAULT_SPARED: "Default servers are not stopped here.",
    Reason.NAMED_SPARED: "Named servers are not stopped here.",
    Reason.ADMIN_SPARED: "Admins are spared here.",
    Reason.ARBITER: "This hub's own check keeps it.",
}
_NEVER_STOPPED = "As things are, it is not stopped."


def why(decision: Decision) -> str:
    """Why a server stops or not, as a sentence."""
    if decision.reason is Reason.ACTIVE and decision.due is None:
        return _NEVER_STOPPED
    return _WHY.get(decision.reason, decision.reason.value.replace("_", " "))


def server_view(
    user: User,
    server: Server,
    rule: Rule,
    decision: Decision,
    protections: Protections,
    offer: ExtensionOffer | ExtensionRefusal | None = None,
) -> ServerView:
    """A server as shown. offer: what its user can have, None where nobody asked."""
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
        why=why(decision),
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


def hold_view(hold: Hold) -> HoldView:
    """A hold as shown."""
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
    """The passes, which come oldest first, newest first."""
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


def audit_list(events: Sequence[tuple[int, Event]], limit: int) -> AuditList:
    """Audit lines as shown. limit: how many were asked for; fewer are the last ones."""
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
    return AuditList(events=shown, next_before=shown[-1].id if len(shown) == limit else None)


def policy_view(policy: Policy) -> PolicyView:
    """The rules in words."""
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


def duration(seconds: float) -> str:
    """A length of time in words, the two largest units of it."""
    left, parts = round(seconds), []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count != 1 else ''}")
    return " ".join(parts[:2]) or "0 seconds"


def utc(value: datetime) -> str:
    """ISO 8601 in UTC, as <time datetime> and scripts want it."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def from_now(value: datetime, now: datetime) -> str:
    """How long until then, or since: ``(in 5 minutes)``."""
    seconds = (value - now).total_seconds()
    if abs(seconds) < 60:
        return "(now)"
    length = duration(abs(seconds) // 60 * 60)
    return f"(in {length})" if seconds > 0 else f"({length} ago)"
