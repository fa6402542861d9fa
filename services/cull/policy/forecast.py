"""Predicts when a server that stays idle is stopped, as rules with hours begin and end. Pure.

A decision's ``due`` is valid as long as its rule applies. Before that time another rule may take
over, for example at the end of an exam, and stop the server sooner or later.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from services.cull.policy.model import Decision, Policy, Reason
from services.cull.policy.rules import Rule
from services.cull.policy.windows import Span, Weekly

#: How far ahead to look; changes further in the future are of little interest.
AHEAD = timedelta(days=15)
#: Decisions that depend on an event, not on the time.
_TEMPORARY = frozenset({Reason.PENDING, Reason.NOT_READY, Reason.SERVERS_RUNNING})


class Forecast(NamedTuple):
    """``rule`` takes over at ``changes``; ``stops`` is when the server then stops.

    ``stops`` is None if it does not stop within AHEAD.
    """

    changes: datetime
    rule: Rule
    stops: datetime | None


def forecast(
    policy: Policy,
    now: datetime,
    rule_at: Callable[[datetime], Rule],
    decide_at: Callable[[datetime], Decision],
) -> Forecast | None:
    """The first change of rule before the stop; None if the current rule stops the server.

    ``rule_at`` and ``decide_at`` return the rule and the decision for one server at a moment.
    """
    first = decide_at(now)
    if first.reason in _TEMPORARY:
        return None
    changed: tuple[datetime, Rule] | None = None
    for begins, ends in pairwise(_moments(policy, now)):
        rule = rule_at(begins)
        if changed is None and rule is not rule_at(now):
            changed = begins, rule
        due = decide_at(begins).due
        if due is not None and due < ends:
            return Forecast(*changed, max(due, begins)) if changed is not None else None
    return Forecast(*changed, None) if changed is not None else None


def _moments(policy: Policy, now: datetime) -> Iterator[datetime]:
    """``now``, every later moment at which a window begins or ends, and the horizon."""
    windows: list[Weekly | Span] = []
    for rule in policy.rules:
        windows += [*rule.match.hours, *rule.match.between]
    horizon = now + AHEAD
    moment = now
    while moment < horizon:
        yield moment
        changes = [window.changes_after(moment) for window in windows]
        moment = min((change for change in changes if change is not None), default=horizon)
    yield horizon
