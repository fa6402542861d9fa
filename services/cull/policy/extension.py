"""How far "Keep running" moves a server's stop. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from services.cull.policy.model import Decision, Reason
from services.cull.policy.rules import Rule


@dataclass(frozen=True)
class ExtensionOffer:
    """What "Keep running" would do: no stop before ``until``; ``left`` presses after it."""

    until: datetime
    left: int


class ExtensionRefusal(StrEnum):
    """Why "Keep running" is not offered, in words for the page."""

    NEVER_STOPS = "This server is not stopped by itself."
    NOT_NOW = "When this server would stop is not known at this moment; try again in a minute."
    NOT_ALLOWED = "Extensions are not allowed for this server."
    USED_UP = "You have used today's extensions."
    FAR_ENOUGH = "This server runs on for long enough as it is."


#: Without a time now, and with one soon.
_PASSING = frozenset({Reason.PENDING, Reason.NOT_READY, Reason.SETTLING})


def next_extension(
    rule: Rule, decision: Decision, now: datetime, used_today: int
) -> ExtensionOffer | ExtensionRefusal:
    """What pressing "Keep running" now would give.

    The stop moves ``extend_by`` beyond when it would come, but never to more than
    ``idle_timeout + extend_by`` from now, as if the user had worked this very moment and
    then extended: pressing twice in a row is not a way to keep a server all night.
    """
    if decision.due is None:
        passing = decision.reason in _PASSING
        return ExtensionRefusal.NOT_NOW if passing else ExtensionRefusal.NEVER_STOPS
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
