"""What the policy means for a server or user, as lines for a terminal. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from common.durations import format_duration
from common.hub.models import Server, User
from services.cull.commands.terminal import printable
from services.cull.policy.decide import decide_server, decide_user
from services.cull.policy.describe import describe_rule, describe_user_rule
from services.cull.policy.forecast import AHEAD, forecast
from services.cull.policy.model import (
    NO_PROTECTIONS,
    Action,
    Decision,
    Policy,
    Protections,
    Reason,
    is_running,
)
from services.cull.policy.reasons import describe_reason_with_flag
from services.cull.policy.rules import Rule

#: Converts a time to the local time zone, as ``datetime.astimezone`` does.
Local = Callable[[datetime], datetime]


class _Target(NamedTuple):
    """A server or user over time: rule and decision at a moment, and what happens in the end."""

    rule_at: Callable[[datetime], Rule]
    decide_at: Callable[[datetime], Decision]
    describe: Callable[[Rule], str]
    end: str


def explain_server(
    user: User,
    server: Server,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    trust_idle_from: datetime | None = None,
    arbiter: bool | None = None,
    local: Local | None = None,
) -> list[str]:
    """Which rule applies to a server, and when it stops; also if another rule applies by then.

    ``arbiter`` is as in ``decide_server``. With ``local``, local times are shown, too.
    """

    def rule_at(moment: datetime) -> Rule:
        return policy.rule_for(user, server, moment)

    def decide_at(moment: datetime) -> Decision:
        return decide_server(
            user,
            server,
            policy,
            moment,
            protections=protections,
            trust_idle_from=trust_idle_from,
            arbiter=arbiter,
        )

    decision, rule = decide_at(now), rule_at(now)
    name = f"{user.name}/{server.name}" if server.name else user.name
    return [
        f"server {printable(name)}",
        f"  rule           {_place(policy, rule)}",
        f"  rule says      {describe_rule(rule)}",
        f"  last active    {_time(decision.idle_since, local)}",
        f"  started        {_time(server.started, local)}",
        f"  decision       {_outcome(decision)}",
        f"  stops          {_due(decision.due, now, local)}",
        *_changes(policy, now, _Target(rule_at, decide_at, describe_rule, "stops"), local),
    ]


def explain_user(
    user: User,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    trust_idle_from: datetime | None = None,
    arbiters: Mapping[str, bool | None] | None = None,
    local: Local | None = None,
) -> list[str]:
    """The same for a user account, followed by each of the user's servers.

    If no server is running and users are not deleted, also what ``--cull-users`` would do.
    """

    def rule_at(moment: datetime) -> Rule:
        return policy.rule_for_user(user, moment)

    def decide_at(moment: datetime) -> Decision:
        return decide_user(
            user, policy, moment, protections=protections, trust_idle_from=trust_idle_from
        )

    decision, rule = decide_at(now), rule_at(now)
    lines = [
        f"user {printable(user.name)}",
        f"  rule           {_place(policy, rule)}",
        f"  rule says      {describe_user_rule(rule)}",
        f"  last active    {_time(decision.idle_since, local)}",
        f"  created        {_time(user.created, local)}",
        f"  decision       {_outcome(decision)}",
    ]
    if decision.reason is not Reason.NOT_CULLED:
        lines.append(f"  deleted        {_due(decision.due, now, local)}")
        target = _Target(rule_at, decide_at, describe_user_rule, "deleted")
        lines += _changes(policy, now, target, local)
    if "servers" in user.problems:
        lines.append("  servers        unknown: the token lacks the scope read:servers")
    elif not any(is_running(server) for server in user.servers.values()):
        lines.append("  servers        none running")
        if decision.reason is Reason.NOT_CULLED:
            culled = replace(policy, flags=replace(policy.flags, cull_users=True))
            would = decide_user(
                user, culled, now, protections=protections, trust_idle_from=trust_idle_from
            )
            lines += [
                f"  --cull-users   is off; if it were on: {_outcome(would)}",
                f"  deleted        {_due(would.due, now, local)}",
            ]
    for server in user.servers.values():
        lines += explain_server(
            user,
            server,
            policy,
            now,
            protections=protections,
            trust_idle_from=trust_idle_from,
            arbiter=(arbiters or {}).get(server.name),
            local=local,
        )
    return lines


def _place(policy: Policy, rule: Rule) -> str:
    number = policy.rules.index(rule) + 1
    place = f"rule {number} of {len(policy.rules)}"
    if number == len(policy.rules):
        place += ", from the command line"
    return f"{printable(rule.name)} ({place})"


def _outcome(decision: Decision) -> str:
    action = {
        Action.KEEP: "keep",
        Action.STOP: "stop now",
        Action.REMOVE: "stop and remove now",
        Action.DELETE_USER: "delete now",
    }[decision.action]
    return f"{action}, because {describe_reason_with_flag(decision)}"


def _due(due: datetime | None, now: datetime, local: Local | None) -> str:
    if due is None:
        return "not under this rule"
    if due <= now:
        return "in the next pass"
    return f"{_time(due, local)}, in {format_duration(due - now)}"


def _changes(policy: Policy, now: datetime, target: _Target, local: Local | None) -> list[str]:
    """What another rule does, if one applies before the end: rules can be limited to hours."""
    change = forecast(policy, now, target.rule_at, target.decide_at)
    if change is None:
        return []
    days = format_duration(AHEAD)
    end = _due(change.stops, now, local) if change.stops else f"not within the next {days}"
    return [
        f"  rule changes   {_time(change.changes, local)}",
        f"  next rule      {_place(policy, change.rule)}",
        f"  rule says      {target.describe(change.rule)}",
        f"  {'then ' + target.end:14} {end}",
    ]


def _time(time: datetime | None, local: Local | None) -> str:
    if time is None:
        return "unknown"
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC")
    if local is None:
        return text
    try:
        there = local(time)
    except OverflowError:  # an invalid time at the end of the calendar
        return text
    day = "" if there.date() == time.date() else "%Y-%m-%d "
    return text + there.strftime(f" ({day}%H:%M:%S %Z)")
