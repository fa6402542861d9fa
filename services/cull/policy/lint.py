"""What is lawful in a policy and hardly meant, for check-policy. Pure."""

from collections.abc import Iterator
from datetime import datetime

from common.durations import format_duration
from services.cull.policy.model import DEFAULT_RULE, Policy
from services.cull.policy.rules import Match, Rule, RuleAction

#: Servers report to the Hub every 300 s, give or take a tenth.
REPORT_SECONDS = 330.0


def lint_policy(policy: Policy, now: datetime) -> list[str]:
    """A line for each thing to look at again, and for what the policy needs of the Hub."""
    lines = []
    for number, rule in enumerate(policy.rules):
        where = f"rule {number + 1} ({rule.name})"
        before = policy.rules[:number]
        lines += [f"{where}: {remark}" for remark in _on_rule(rule, before, now)]
    if policy.needs_groups:
        lines.append("rules ask for groups: the service's role needs the scope read:users:groups")
    return lines


def _on_rule(rule: Rule, before: tuple[Rule, ...], now: datetime) -> Iterator[str]:
    earlier = next((one for one in before if _covers(one.match, rule.match)), None)
    if earlier is not None and rule.name != DEFAULT_RULE:  # a last rule for all is lawful
        yield f"never holds, since whatever it matches, {earlier.name} above matches first"
    if rule.match.between and all(span.end <= now for span in rule.match.between):
        yield "is over; its last time (between) lies in the past"
    timeout = rule.idle_timeout
    if rule.action is not RuleAction.NEVER and timeout is not None and timeout < REPORT_SECONDS:
        yield (
            f"an idle_timeout of {format_duration(timeout)} stops servers in use, "
            "as they report only every 5 minutes"
        )


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether all that ``narrow`` matches is matched by ``wide``; False where that is unclear."""
    for name in ("users", "groups", "servers", "profiles", "hours", "between"):
        ours, theirs = getattr(wide, name), getattr(narrow, name)
        if name == "users" and "*" in ours:  # all have a name, but not all a group or profile
            continue
        if ours and not (theirs and set(theirs) <= set(ours)):
            return False
    return all(getattr(wide, name) in (None, getattr(narrow, name)) for name in ("kind", "admin"))
