"""Finds what is valid in a policy but probably unintended, for check-policy. Pure."""

from collections.abc import Iterator
from datetime import datetime

from common.durations import format_duration
from services.cull.policy.model import DEFAULT_RULE, Flags, Policy
from services.cull.policy.rules import Match, Rule, RuleAction

#: Servers report their activity to the Hub every 300 s, plus or minus 10 %.
REPORT_SECONDS = 330.0


def lint_policy(policy: Policy, now: datetime) -> list[str]:
    """One line for each finding, and for the scope that rules for groups need."""
    lines = []
    for number, rule in enumerate(policy.rules):
        where = f"rule {number + 1} ({rule.name})"
        before = policy.rules[:number]
        lines += [f"{where}: {finding}" for finding in _findings(rule, before, now)]
    if policy.matches_groups:
        lines.append("rules match groups, so the service's role needs the scope read:users:groups")
    if policy.flags.cull_users:
        lines.append(_lost_accounts(policy.flags))
    return lines


def _lost_accounts(flags: Flags) -> str:
    spared = [] if flags.cull_group_members else ["members of groups"]
    spared += [] if flags.cull_unused_users else ["users who have never signed in"]
    text = (
        "with --cull-users, an account that is deleted loses its groups, roles, tokens and the"
        " record of its named servers at the Hub, also if the user signs in again"
    )
    return f"{text}; {' and '.join(spared)} are not deleted" if spared else text


def _findings(rule: Rule, before: tuple[Rule, ...], now: datetime) -> Iterator[str]:
    earlier = next((one for one in before if _covers(one.match, rule.match)), None)
    if earlier is not None and rule.name != DEFAULT_RULE:  # a last rule for everything is common
        yield f"never applies, because {earlier.name} above matches everything it matches"
    if rule.match.between and all(span.end <= now for span in rule.match.between):
        yield "is over: all its times (between) are in the past"
    timeout = rule.idle_timeout
    if rule.action is not RuleAction.NEVER and timeout is not None and timeout < REPORT_SECONDS:
        yield (
            f"an idle_timeout of {format_duration(timeout)} stops servers that are in use, "
            "because they report their activity only every 5 minutes"
        )


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether ``wide`` matches everything that ``narrow`` does; False if that is not certain."""
    for name in ("users", "groups", "servers", "profiles", "hours", "between"):
        wide_values, narrow_values = getattr(wide, name), getattr(narrow, name)
        if name == "users" and "*" in wide_values:  # every user has a name, but not a group
            continue
        if wide_values and not (narrow_values and set(narrow_values) <= set(wide_values)):
            return False
    return all(getattr(wide, name) in (None, getattr(narrow, name)) for name in ("kind", "admin"))
