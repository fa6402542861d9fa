"""What a pass did, as plain values: for logs, metrics, pages and tests."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from common.errors import HubForbidden
from common.hub.models import Server, User
from services.cull.policy.model import Action, Decision, Reason

#: How many errors of one pass are kept as text; all are counted.
MOST_ERRORS = 20


class Outcome(StrEnum):
    """What became of a server or user that was due."""

    DONE = "done"
    SLOW = "slow"  # the Hub goes on stopping it, and we look on
    LEFT = "left"  # read again, it was no longer due
    GONE = "gone"  # someone else was quicker
    FAILED = "failed"
    OVERDUE = "overdue"  # the Hub has been stopping it for too long
    PAUSED = "paused"  # it failed before: not tried in this pass
    POSTPONED = "postponed"  # the pass ended first: the next one finds it again


class Row(msgspec.Struct, frozen=True, gc=False):
    """A running server as the last pass saw it. ``owner`` has no servers in it."""

    owner: User
    server: Server
    decision: Decision

    @property
    def user(self) -> str:
        return self.owner.name

    @property
    def groups(self) -> tuple[str, ...]:
        return self.owner.groups

    @property
    def admin(self) -> bool:
        return self.owner.admin


class Done(msgspec.Struct, frozen=True, gc=False):
    """One server or user (``server`` None), what was done with it and why."""

    user: str
    server: str | None
    action: Action
    reason: Reason
    rule: str
    outcome: Outcome
    idle_since: datetime | None = None
    why: str = ""

    @classmethod
    def of(
        cls, user: str, server: str | None, decision: Decision, outcome: Outcome, why: str = ""
    ) -> "Done":
        """What became of a decision."""
        action, reason, rule = decision.action, decision.reason, decision.rule
        return cls(user, server, action, reason, rule, outcome, decision.idle_since, why)

    @property
    def target(self) -> str:
        """The server or user as it stands in logs."""
        return self.user if self.server is None else f"{self.user}/{self.server}"


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """The numbers of a pass. ``whole`` is: every page was read.

    ``seen`` and ``kept`` count servers; ``skipped`` those that were due and not stopped
    (left, gone, paused, postponed), ``postponed`` those to which the pass did not come;
    ``slow`` those that the Hub was slow to stop.
    ``failures`` counts all that went wrong, ``errors`` tells the first of them;
    ``forbidden`` is whether the Hub refused something for our token's sake.
    """

    started: datetime
    elapsed: float
    whole: bool
    users: int = 0
    seen: int = 0
    stopped: int = 0
    removed: int = 0
    deleted: int = 0
    slow: int = 0
    kept: int = 0
    skipped: int = 0
    postponed: int = 0
    failures: int = 0
    errors: tuple[str, ...] = ()
    forbidden: bool = False
    states: dict[str, int] = field(default_factory=dict)
    reasons: dict[Reason, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every page was read and nothing failed."""
        return self.whole and not self.failures


class Tally:
    """The numbers of a pass while it runs."""

    def __init__(self) -> None:
        self.whole = True
        self.users = 0
        self.seen = 0
        self.kept = 0
        self.states: Counter[str] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.done: Counter[tuple[Action, Outcome]] = Counter()
        self.failures = 0
        self.errors: list[str] = []
        self.forbidden = False

    @property
    def good(self) -> bool:
        """Whether every page was read and nothing failed."""
        return self.whole and not self.failures

    def error(self, text: str, cause: Exception | None = None) -> None:
        """Note what went wrong."""
        self.failures += 1
        self.forbidden = self.forbidden or isinstance(cause, HubForbidden)
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(text)

    def add(self, done: Done) -> None:
        """Count one server or user."""
        self.done[done.action, done.outcome] += 1

    def result(self, started: datetime, elapsed: float) -> PassResult:
        """The numbers so far."""
        did = {action: self.done[action, Outcome.DONE] for action in Action}
        skipped = (Outcome.LEFT, Outcome.GONE, Outcome.PAUSED, Outcome.POSTPONED)
        return PassResult(
            started=started,
            elapsed=elapsed,
            whole=self.whole,
            users=self.users,
            seen=self.seen,
            stopped=did[Action.STOP],
            removed=did[Action.REMOVE],
            deleted=did[Action.DELETE_USER],
            slow=sum(self.done[action, Outcome.SLOW] for action in Action),
            kept=self.kept,
            skipped=sum(self.done[action, outcome] for action in Action for outcome in skipped),
            postponed=sum(self.done[action, Outcome.POSTPONED] for action in Action),
            failures=self.failures,
            errors=tuple(self.errors),
            forbidden=self.forbidden,
            states=dict(self.states),
            reasons=dict(self.reasons),
        )
