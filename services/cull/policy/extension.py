"""How far "Keep running" postpones a server's stop. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from services.cull.policy.model import Decision, Reason
from services.cull.policy.rules import Rule


@dataclass(frozen=True)
class ExtensionOffer:
    """What "Keep running" offers: no stop before ``until``, and ``left`` more extensions today."""

    until: datetime
    left: int


class ExtensionRefusal(StrEnum):
    """Why "Keep running" is not offered, as a sentence for the page."""

    NEVER_STOPS = "This server is not stopped automatically."
    NOT_NOW = "The stop time is not known yet. Try again in a minute."
    NOT_ALLOWED = "Extensions are not allowed for this server."
    USED_UP = "You have used today's extensions."
    FAR_ENOUGH = "The stop cannot be postponed any further at the moment."


#: Reasons that soon change, so that there will be a stop time.
_TEMPORARY = frozenset({Reason.PENDING, Reason.NOT_READY, Reason.SETTLING})


def next_extension(
    rule: Rule, decision: Decision, now: datetime, used_today: int
) -> ExtensionOffer | ExtensionRefusal:
    """What "Keep running" would do now, or why it is not offered.

    The stop is postponed by ``extend_by``, but at most to ``idle_timeout + extend_by`` from now,
    as for a user who was active at this moment. Clicking twice in a row therefore does not keep a
    server running all night.
    """
    if decision.due is None:
        temporary = decision.reason in _TEMPORARY
        return ExtensionRefusal.NOT_NOW if temporary else ExtensionRefusal.NEVER_STOPS
    if rule.extend_by is None or rule.extensions_per_day <= 0:
        return ExtensionRefusal.NOT_ALLOWED
    if used_today >= rule.extensions_per_day:
        return ExtensionRefusal.USED_UP
    step = timedelta(seconds=rule.extend_by)
    most = now + timedelta(seconds=rule.idle_timeout or 0) + step
    until = min(max(decision.due, now) + step, most).astimezone(UTC)
    if until <= decision.due:
        return ExtensionRefusal.FAR_ENOUGH
    return ExtensionOffer(until, rule.extensions_per_day - used_today - 1)
