"""What the policy means for one server, as lines for a terminal. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from common.models import Server, User
from services.cull.decide import decide_server, decide_user
from services.cull.durations import format_duration
from services.cull.policy import (
    NO_PROTECTIONS,
    Action,
    Decision,
    Policy,
    Protections,
    Reason,
)
from services.cull.rules import Match, Rule, RuleAction
from services.cull.windows import Weekly

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

#: A reason in words, to stand after "because".
WORDS = {
    Reason.IDLE: "it has been idle for its timeout",
    Reason.MAX_AGE: "it has reached its maximum age",
    Reason.ACTIVE: "it is not idle for long enough",
    Reason.NEVER: "its rule never stops it",
    Reason.HELD: "an administrator holds it",
    Reason.EXTENDED: "its user asked to keep it running",
    Reason.SETTLING: "the Hub has not been up for long enough to believe in idleness",
    Reason.PENDING: "it is starting or stopping",
    Reason.NOT_READY: "it is not ready",
    Reason.NO_TIME: "the Hub gives no usable time for it",
    Reason.DEFAULT_SPARED: "default servers are spared (--cull-default-servers=false)",
    Reason.NAMED_SPARED: "named servers are spared (--cull-named-servers=false)",
    Reason.ADMIN_SPARED: "administrators are spared (--cull-admin-users)",
    Reason.ARBITER: "cull_arbiter_hook says so",
    Reason.SERVERS_RUNNING: "the user has a running server",
    Reason.NOT_CULLED: "users are not culled (--cull-users)",
}


def explain_server(
    user: User,
    server: Server,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    believe_from: datetime | None = None,
    zone: tzinfo | None = None,
) -> list[str]:
    """Which rule holds, what it does and when. ``zone`` adds the local time."""
    decision = decide_server(
        user, server, policy, now, protections=protections, believe_from=believe_from
    )
    rule = policy.rule_for(user, server, now)
    name = f"{user.name}/{server.name}" if server.name else user.name
    lines = [
        f"server {name}",
        f"  rule           {rule.name} ({_place(policy, rule)})",
        f"  the rule says  {describe_rule(rule)}",
        f"  last active    {_moment(decision.idle_since, zone)}",
        f"  started        {_moment(server.started, zone)}",
        f"  now            {_outcome(decision)}",
        f"  would stop     {_due(decision, now, zone)}",
    ]
    if decision.due is not None:
        lines += _changes(user, server, policy, rule, decision.due)
    return lines


def explain_user(
    user: User,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    believe_from: datetime | None = None,
    zone: tzinfo | None = None,
) -> list[str]:
    """The same for the user as a whole, followed by each of the servers."""
    decision = decide_user(user, policy, now, protections=protections, believe_from=believe_from)
    rule = policy.rule_for_user(user, now)
    lines = [
        f"user {user.name}",
        f"  rule           {rule.name} ({_place(policy, rule)})",
        f"  last active    {_moment(decision.idle_since, zone)}",
        f"  now            {_outcome(decision)}",
    ]
    if decision.due is not None:
        lines.append(f"  would go       {_due(decision, now, zone)}")
    for server in user.servers.values():
        lines += explain_server(
            user,
            server,
            policy,
            now,
            protections=protections,
            believe_from=believe_from,
            zone=zone,
        )
    return lines


def describe_policy(policy: Policy) -> list[str]:
    """The rules in their order, a line each and one for what they match."""
    lines = []
    for number, rule in enumerate(policy.rules, start=1):
        lines.append(f"{number}. {rule.name}: {describe_rule(rule)}")
        conditions = describe_match(rule.match)
        lines.append(f"     for {conditions}" if conditions else "     for everything else")
    return lines


def describe_rule(rule: Rule) -> str:
    """What a rule does, in a line."""
    if rule.action is RuleAction.NEVER:
        return "never stop"
    verb = "remove" if rule.action is RuleAction.REMOVE else "stop"
    parts = []
    if rule.idle_timeout is not None:
        parts.append(f"after {format_duration(rule.idle_timeout)} without activity")
    if rule.max_age is not None:
        parts.append(f"at an age of {format_duration(rule.max_age)}")
    if not parts:
        return "never stop (neither idle_timeout nor max_age)"
    text = f"{verb} {' or '.join(parts)}"
    if rule.extend_by and rule.extensions_per_day:
        times = "once" if rule.extensions_per_day == 1 else f"{rule.extensions_per_day} times"
        text += f"; a user may add {format_duration(rule.extend_by)}, {times} a day"
    return text


def describe_match(match: Match) -> str:
    """What a rule applies to, empty for everything."""
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
        parts.append("administrators" if match.admin else "who is no administrator")
    if match.hours:
        parts.append(" or ".join(_hours(hours) for hours in match.hours))
    if match.between:
        spans = (f"from {_utc(span.start)} to {_utc(span.end)}" for span in match.between)
        parts.append(" or ".join(spans))
    return ", ".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; control characters in names are shown, not sent."""
    cells = [[_printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _place(policy: Policy, rule: Rule) -> str:
    number = policy.rules.index(rule) + 1
    if number == len(policy.rules):
        return "the last one, made of the flags"
    return f"number {number} of {len(policy.rules)}"


def _outcome(decision: Decision) -> str:
    verb = {
        Action.KEEP: "kept",
        Action.STOP: "due to be stopped",
        Action.REMOVE: "due to be stopped and removed",
        Action.DELETE_USER: "due to be deleted",
    }[decision.action]
    return f"{verb}, because {WORDS[decision.reason]}"


def _due(decision: Decision, now: datetime, zone: tzinfo | None) -> str:
    if decision.due is None:
        return "not as things stand"
    if decision.due <= now:
        return "at the next pass"
    return f"{_moment(decision.due, zone)}, in {format_duration(decision.due - now)}"


def _changes(user: User, server: Server, policy: Policy, rule: Rule, due: datetime) -> list[str]:
    """A word where another rule will hold by then, since rules may depend on the time."""
    later = policy.rule_for(user, server, due)
    if later is rule:
        return []
    return [f"  but            by then rule {later.name} holds: {describe_rule(later)}"]


def _hours(hours: Weekly) -> str:
    days = ",".join(DAYS[day] for day in sorted(hours.days))
    span = f"{hours.start:%H:%M}-{hours.end:%H:%M}" if hours.start != hours.end else "all day"
    return f"{days} {span} ({hours.zone.key})"


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _moment(moment: datetime | None, zone: tzinfo | None) -> str:
    if moment is None:
        return "unknown"
    text = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    if zone is not None:
        text += moment.astimezone(zone).strftime(" (%H:%M:%S %Z)")
    return text
