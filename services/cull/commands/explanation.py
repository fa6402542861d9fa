"""What the policy means for one server or user, as lines for a terminal. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

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
from services.cull.policy.rules import Rule

#: The same moment by the wall clock of where somebody reads: ``datetime.astimezone``.
Local = Callable[[datetime], datetime]

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
    Reason.NO_PROFILE: "the Hub does not tell its profile, which a rule asks for",
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
    trust_idle_from: datetime | None = None,
    arbiter: bool | None = None,
    local: Local | None = None,
) -> list[str]:
    """Which rule holds, what it does and when; and what the hours of the rules will change.

    ``arbiter`` is as for decide_server. ``local`` adds the local time.
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
        f"  the rule says  {describe_rule(rule)}",
        f"  last active    {_moment(decision.idle_since, local)}",
        f"  started        {_moment(server.started, local)}",
        f"  now            {_outcome(decision)}",
        f"  would stop     {_due(decision.due, now, local)}",
        *_changes(policy, now, rule_at, decide_at, describe_rule, local),
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
    """The same for the user as a whole, followed by each of the servers.

    Where none runs and users are not culled, also what would become of the user if they were.
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
        f"  the rule says  {describe_user_rule(rule)}",
        f"  last active    {_moment(decision.idle_since, local)}",
        f"  created        {_moment(user.created, local)}",
        f"  now            {_outcome(decision)}",
    ]
    if decision.reason is not Reason.NOT_CULLED:
        lines.append(f"  would go       {_due(decision.due, now, local)}")
        lines += _changes(policy, now, rule_at, decide_at, describe_user_rule, local)
    if "servers" in user.problems:
        lines.append("  servers        not known: the Hub does not tell them (scope read:servers)")
    elif not any(is_running(server) for server in user.servers.values()):
        lines.append("  servers        none is running, so there is none to stop")
        if decision.reason is Reason.NOT_CULLED:
            culled = replace(policy, flags=replace(policy.flags, cull_users=True))
            would = decide_user(
                user, culled, now, protections=protections, trust_idle_from=trust_idle_from
            )
            lines += [
                f"  --cull-users   is off; with it: {_outcome(would)}",
                f"  would go then  {_due(would.due, now, local)}",
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
    last = number == len(policy.rules)
    place = "the last one, made of the flags" if last else f"number {number} of {len(policy.rules)}"
    return f"{printable(rule.name)} ({place})"


def _outcome(decision: Decision) -> str:
    verb = {
        Action.KEEP: "kept",
        Action.STOP: "due to be stopped",
        Action.REMOVE: "due to be stopped and removed",
        Action.DELETE_USER: "due to be deleted",
    }[decision.action]
    return f"{verb}, because {WORDS[decision.reason]}"


def _due(due: datetime | None, now: datetime, local: Local | None) -> str:
    if due is None:
        return "not as things stand"
    if due <= now:
        return "at the next pass"
    return f"{_moment(due, local)}, in {format_duration(due - now)}"


def _changes(
    policy: Policy,
    now: datetime,
    rule_at: Callable[[datetime], Rule],
    decide_at: Callable[[datetime], Decision],
    describe: Callable[[Rule], str],
    local: Local | None,
) -> list[str]:
    """A word where another rule takes over before the stop, since rules may have hours."""
    change = forecast(policy, now, rule_at, decide_at)
    if change is None:
        return []
    days = format_duration(AHEAD)
    stops = _due(change.stops, now, local) if change.stops else f"not within the next {days}"
    return [
        f"  but from       {_moment(change.changes, local)}",
        f"  there holds    {_place(policy, change.rule)}",
        f"  which says     {describe(change.rule)}",
        f"  and so stops   {stops}",
    ]


def _moment(moment: datetime | None, local: Local | None) -> str:
    if moment is None:
        return "unknown"
    text = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    if local is None:
        return text
    try:
        there = local(moment)
    except OverflowError:  # a garbage time at the end of the calendar
        return text
    day = "" if there.date() == moment.date() else "%Y-%m-%d "
    return text + there.strftime(f" ({day}%H:%M:%S %Z)")
