"""What a pass would do, as a table. Pure."""

from datetime import datetime

from common.durations import format_duration
from services.cull.commands.explanation import WORDS
from services.cull.commands.terminal import table
from services.cull.passes.results import SurveyedServer
from services.cull.passes.survey import Survey
from services.cull.policy.model import Action, Decision, Policy
from services.cull.policy.rules import RuleAction

_HEAD = ("WHEN", "WHAT", "USER", "SERVER", "IDLE FOR", "RULE", "WHY")
_VERBS = {
    Action.STOP: "stop",
    Action.REMOVE: "remove",
    Action.DELETE_USER: "delete user",
}


def dry_run(survey: Survey, policy: Policy, now: datetime) -> list[str]:
    """A line for each server and user that would go now or later, the first to go first."""
    found: list[tuple[datetime, tuple[str, ...]]] = []
    for row in survey.servers:
        if row.decision.due is not None:
            server = row.server.name or "(default)"
            what = _VERBS[_action(row, row.decision.due, policy)]
            found.append((row.decision.due, _line(what, row.user, server, row.decision, now)))
    for candidate in survey.candidates:
        if candidate.delete is not None:
            what = _VERBS[Action.DELETE_USER]
            line = _line(what, candidate.user.name, "", candidate.delete, now)
            found.append((candidate.delete.due or now, line))
    found.sort(key=lambda one: one[0])
    going = sum(due <= now for due, _ in found)
    tally = survey.tally
    return [
        *(table(_HEAD, [line for _, line in found]) if found else []),
        f"{going} would go now, {len(found) - going} later, of {tally.seen} servers"
        f" of {tally.users} users. Nothing was stopped.",
    ]


def _action(row: SurveyedServer, due: datetime, policy: Policy) -> Action:
    """What is done to a server once it is due, by the rule that holds by then."""
    if row.decision.action is not Action.KEEP:
        return row.decision.action
    rule = policy.rule_for(row.owner, row.server, due)
    removed = rule.action is RuleAction.REMOVE and row.server.name
    return Action.REMOVE if removed else Action.STOP


def _line(what: str, user: str, server: str, decision: Decision, now: datetime) -> tuple[str, ...]:
    due, since = decision.due, decision.idle_since
    return (
        "now" if due is None or due <= now else f"in {format_duration(due - now)}",
        what,
        user,
        server,
        "?" if since is None else format_duration(now - since),
        decision.rule,
        WORDS[decision.reason],
    )
