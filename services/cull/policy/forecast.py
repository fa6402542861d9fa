"""What the hours of the rules will change for a server that nobody touches. Pure.

A decision's ``due`` holds as long as its rule does. A rule with hours, or for an exam, may
give way to another before that, or to one that stops the server sooner.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from services.cull.policy.model import Decision, Policy, Reason
from services.cull.policy.rules import Rule
from services.cull.policy.windows import Span, Weekly

#: Further ahead nobody plans, and an exam that is further off is no news.
AHEAD = timedelta(days=15)
#: No decision that the time alone could change.
_PASSING = frozenset({Reason.PENDING, Reason.NOT_READY, Reason.SERVERS_RUNNING})


class Forecast(NamedTuple):
    """``rule`` takes over at ``changes``; ``stops`` is when the stop comes, all in all.

    ``stops`` is None where it does not come within AHEAD.
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
    """What changes before the stop; None where the rule that holds now is the one that stops.

    ``rule_at`` and ``decide_at`` tell rule and decision of one server at a moment.
    """
    first = decide_at(now)
    if first.reason in _PASSING:
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
    """``now``, every moment after it at which a rule begins or ends to hold, and the horizon."""
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
