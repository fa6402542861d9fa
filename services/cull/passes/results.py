"""What a pass did, as plain values: for logs, metrics, pages and tests."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from common.errors import HubForbidden
from common.hub.models import Server, User
from services.cull.policy.model import Action, Decision, Reason

#: Error texts kept for each pass. All errors are counted.
MAX_ERRORS = 20


class Outcome(StrEnum):
    """What happened to a server or user that was due; the values are metric labels."""

    DONE = "done"
    SLOW = "slow"  # the Hub accepted the stop and is still working on it
    NO_LONGER_DUE = "left"  # re-read just before the stop, it was no longer due
    GONE = "gone"  # stopped or deleted by something else in the meantime
    FAILED = "failed"
    OVERDUE = "overdue"  # the Hub has not finished stopping it within the time limit
    BACKED_OFF = "paused"  # it failed before and is not retried in this pass
    POSTPONED = "postponed"  # the pass ended first; the next pass finds it again


_SKIPPED = (Outcome.NO_LONGER_DUE, Outcome.GONE, Outcome.BACKED_OFF, Outcome.POSTPONED)


class SurveyedServer(msgspec.Struct, frozen=True, gc=False):
    """A running server as the last pass found it. ``owner`` is stored without servers."""

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


class TargetResult(msgspec.Struct, frozen=True, gc=False):
    """What was done with one server, or with one user (``server`` is None), and why.

    ``detail`` explains the outcome in words where there is more to say than its name.
    """

    user: str
    server: str | None
    action: Action
    reason: Reason
    rule: str
    outcome: Outcome
    idle_since: datetime | None = None
    detail: str = ""

    @classmethod
    def of(
        cls, user: str, server: str | None, decision: Decision, outcome: Outcome, detail: str = ""
    ) -> "TargetResult":
        """The outcome of a decision on a server or user."""
        action, reason, rule = decision.action, decision.reason, decision.rule
        return cls(user, server, action, reason, rule, outcome, decision.idle_since, detail)

    @property
    def target(self) -> str:
        """The name of the server or user for log lines."""
        return self.user if self.server is None else f"{self.user}/{self.server}"


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """The numbers of a pass. ``complete`` is True if every page of the listing was read.

    ``seen`` and ``kept`` count servers. ``skipped`` counts servers and users that were due but
    not stopped: no longer due, gone, backed off or postponed. ``postponed`` counts those the
    pass did not reach, and ``slow`` those that the Hub was slow to stop. ``failures`` counts all
    errors; ``errors`` has the text of the first ones. ``forbidden`` is True if the Hub refused a
    request because the token lacks a scope. ``elapsed`` is in seconds.
    """

    started: datetime
    elapsed: float
    complete: bool
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
        return self.complete and not self.failures


class PassObserver(Protocol):
    """Receives results as they come in: the metrics."""

    def pass_finished(self, result: PassResult) -> None:
        """A pass has ended."""

    def target_finished(self, result: TargetResult) -> None:
        """A server or user that was due has an outcome."""


class Tally:
    """The numbers of a pass while it runs. ``observer`` receives each result that is added."""

    def __init__(self, observer: PassObserver | None = None) -> None:
        self._observer = observer
        self.complete = True
        self.users = 0
        self.seen = 0
        self.kept = 0
        self.states: Counter[str] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.outcomes: Counter[tuple[Action, Outcome]] = Counter()
        self.failures = 0
        self.errors: list[str] = []
        self.forbidden = False

    def error(self, text: str, cause: Exception | None = None) -> None:
        """Count an error and keep its text."""
        self.failures += 1
        self.forbidden = self.forbidden or isinstance(cause, HubForbidden)
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(text)

    def add(self, result: TargetResult) -> None:
        """Count the result of one server or user."""
        self.outcomes[result.action, result.outcome] += 1
        if self._observer is not None:
            self._observer.target_finished(result)

    def result(self, started: datetime, elapsed: float) -> PassResult:
        """The numbers so far."""
        done = {action: self.outcomes[action, Outcome.DONE] for action in Action}
        return PassResult(
            started=started,
            elapsed=elapsed,
            complete=self.complete,
            users=self.users,
            seen=self.seen,
            stopped=done[Action.STOP],
            removed=done[Action.REMOVE],
            deleted=done[Action.DELETE_USER],
            slow=self._total(Outcome.SLOW),
            kept=self.kept,
            skipped=sum(self._total(outcome) for outcome in _SKIPPED),
            postponed=self._total(Outcome.POSTPONED),
            failures=self.failures,
            errors=tuple(self.errors),
            forbidden=self.forbidden,
            states=dict(self.states),
            reasons=dict(self.reasons),
        )

    def _total(self, outcome: Outcome) -> int:
        return sum(self.outcomes[action, outcome] for action in Action)
