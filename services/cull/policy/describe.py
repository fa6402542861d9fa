"""A policy in words, for check-policy, explain and the pages. Pure."""

from datetime import time

from common.durations import format_duration
from services.cull.policy.model import Policy
from services.cull.policy.rules import Kind, Match, Rule, RuleAction
from services.cull.policy.windows import ALL_DAYS, MIDNIGHT, Span, Weekly

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def describe_policy(policy: Policy) -> list[str]:
    """Two lines for each rule, in order: what it does and what it matches."""
    lines = []
    for number, rule in enumerate(policy.rules, start=1):
        lines.append(f"{number}. {rule.name}: {describe_rule(rule)}")
        conditions = describe_match(rule.match)
        everything = "everything" if number == 1 else "everything else"
        lines.append(f"     for {conditions or everything}")
    return lines


def describe_rule(rule: Rule) -> str:
    """What a rule does with servers, in one line."""
    if rule.action is RuleAction.NEVER:
        return "never stop"
    parts = []
    if rule.idle_timeout is not None:
        parts.append(f"after {format_duration(rule.idle_timeout)} without activity")
    if rule.max_age is not None:
        parts.append(f"at an age of {format_duration(rule.max_age)}")
    if not parts:
        return "never stop (neither idle_timeout nor max_age)"
    text = f"{_verb(rule)} {' or '.join(parts)}"
    if rule.extend_by and rule.extensions_per_day:
        times = "once" if rule.extensions_per_day == 1 else f"{rule.extensions_per_day} times"
        text += f"; users can add {format_duration(rule.extend_by)}, {times} a day"
    return text


def describe_user_rule(rule: Rule) -> str:
    """When a rule deletes users, in one line."""
    parts = []
    if rule.user_timeout is not None:
        parts.append(f"after {format_duration(rule.user_timeout)} without activity")
    if rule.user_max_age is not None:
        parts.append(f"at an age of {format_duration(rule.user_max_age)}")
    if rule.action is RuleAction.NEVER or not parts:
        return "never delete"
    return f"delete {' or '.join(parts)}"


def _verb(rule: Rule) -> str:
    if rule.action is not RuleAction.REMOVE:
        return "stop"
    named = rule.match.kind is Kind.NAMED
    return "remove" if named else "stop, and remove if named,"


def describe_match(match: Match) -> str:
    """What a rule matches; empty for everything."""
    parts = [
        f"{word} {' or '.join(values)}"
        for word, values in (
            ("users", match.users),
            ("groups", match.groups),
            ("servers", match.servers),
            ("profiles", match.profiles),
        )
        if values
    ]
    if match.kind is not None:
        parts.append(f"{match.kind} servers")
    if match.admin is not None:
        parts.append("administrators" if match.admin else "users who are not administrators")
    if match.hours:
        parts.append(" or ".join(_hours(hours) for hours in match.hours))
    if match.between:
        parts.append(" or ".join(_span(span) for span in match.between))
    return ", ".join(parts)


def _hours(hours: Weekly) -> str:
    days = ",".join(DAYS[day] for day in sorted(hours.days))
    if hours.days == ALL_DAYS:
        days = "daily"
    all_day = hours.start == hours.end == MIDNIGHT
    span = "all day" if all_day else f"{_clock(hours.start)}-{_clock(hours.end)}"
    return f"{days} {span} ({hours.zone.key})"


def _clock(clock: time) -> str:
    return f"{clock:%H:%M:%S}" if clock.second else f"{clock:%H:%M}"


def _span(span: Span) -> str:
    return f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC"
