"""What a pass would do, as a table."""

from datetime import datetime

from common.durations import format_duration
from services.cull.commands.terminal import table
from services.cull.passes.listing.survey import Survey
from services.cull.passes.results import SurveyedServer
from services.cull.policy.model import Action, Decision, Policy
from services.cull.policy.reasons import describe_reason_with_flag
from services.cull.policy.rules import RuleAction

_HEAD = ("WHEN", "ACTION", "USER", "SERVER", "IDLE FOR", "RULE", "REASON")
_ACTIONS = {
    Action.STOP: "stop",
    Action.REMOVE: "remove",
    Action.DELETE_USER: "delete user",
}


def dry_run(survey: Survey, policy: Policy, now: datetime) -> list[str]:
    """A line for each server and user that is due now or later, the earliest first."""
    found: list[tuple[datetime, tuple[str, ...]]] = []
    for row in survey.servers:
        if row.decision.due is not None:
            server = row.server.name or "(default)"
            action = _ACTIONS[_action(row, row.decision.due, policy)]
            found.append((row.decision.due, _line(action, row.user, server, row.decision, now)))
    for candidate in survey.candidates:
        if candidate.delete is not None:
            action = _ACTIONS[Action.DELETE_USER]
            *line, reason = _line(action, candidate.user.name, "", candidate.delete, now)
            if candidate.user.groups:
                reason += f"; loses the groups {', '.join(candidate.user.groups)}"
            found.append((candidate.delete.due or now, (*line, reason)))
    found.sort(key=lambda one: one[0])
    due_now = sum(due <= now for due, _ in found)
    tally = survey.tally
    return [
        *(table(_HEAD, [line for _, line in found]) if found else []),
        f"{due_now} due now, {len(found) - due_now} due later; checked {tally.seen:,} servers of"
        f" {tally.users:,} users. This was a dry run: nothing was stopped.",
    ]


def print_dry_run(survey: Survey, policy: Policy, now: datetime) -> None:
    """Print what a pass would do now and later."""
    for line in dry_run(survey, policy, now):
        print(line, flush=True)


def _action(row: SurveyedServer, due: datetime, policy: Policy) -> Action:
    """What happens to a server once it is due, under the rule that applies then."""
    if row.decision.action is not Action.KEEP:
        return row.decision.action
    rule = policy.rule_for(row.owner, row.server, due)
    removed = rule.action is RuleAction.REMOVE and row.server.name
    return Action.REMOVE if removed else Action.STOP


def _line(
    action: str, user: str, server: str, decision: Decision, now: datetime
) -> tuple[str, ...]:
    due, since = decision.due, decision.idle_since
    return (
        "now" if due is None or due <= now else f"in {format_duration(due - now)}",
        action,
        user,
        server,
        "?" if since is None else format_duration(now - since),
        decision.rule,
        describe_reason_with_flag(decision),
    )
