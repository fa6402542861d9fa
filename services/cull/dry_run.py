"""What a pass would do, as a table. Pure."""

from datetime import datetime

from services.cull.durations import format_duration
from services.cull.explain import WORDS
from services.cull.policy import Action, Decision
from services.cull.survey import Survey
from services.cull.terminal import table

_HEAD = ("WHEN", "WHAT", "USER", "SERVER", "IDLE FOR", "RULE", "WHY")
_VERBS = {
    Action.KEEP: "stop",
    Action.STOP: "stop",
    Action.REMOVE: "remove",
    Action.DELETE_USER: "delete user",
}


def dry_run(survey: Survey, now: datetime) -> list[str]:
    """A line for each server and user that would go now or later, the first to go first."""
    found: list[tuple[datetime, tuple[str, ...]]] = []
    for row in survey.rows:
        if row.decision.due is not None:
            server = row.server.name or "(default)"
            found.append((row.decision.due, _line(row.user, server, row.decision, now)))
    for candidate in survey.candidates:
        if candidate.delete is not None:
            line = _line(candidate.user.name, "", candidate.delete, now)
            found.append((candidate.delete.due or now, line))
    found.sort(key=lambda one: one[0])
    going = sum(due <= now for due, _ in found)
    tally = survey.tally
    return [
        *(table(_HEAD, [line for _, line in found]) if found else []),
        f"{going} would go now, {len(found) - going} later, of {tally.seen} servers"
        f" of {tally.users} users. Nothing was stopped.",
    ]


def _line(user: str, server: str, decision: Decision, now: datetime) -> tuple[str, ...]:
    due, since = decision.due, decision.idle_since
    return (
        "now" if due is None or due <= now else f"in {format_duration(due - now)}",
        _VERBS[decision.action],
        user,
        server,
        "?" if since is None else format_duration(now - since),
        decision.rule,
        WORDS[decision.reason],
    )
