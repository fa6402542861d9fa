"""The audit log: one line for each stop or deletion, with its actor, reason and rule."""

import logging
from datetime import datetime
from typing import Protocol

from common.errors import ServiceError
from services.cull.passes.results import Outcome, TargetResult
from services.cull.store.records import Event

log = logging.getLogger("audit")

CULLER = "culler"
#: Lines stored in one transaction: a transaction for each line would slow a pass down.
BATCH = 100


class AuditStore(Protocol):
    """Where audit lines are stored: CullStore."""

    async def audit(self, *events: Event) -> None: ...


def log_event(event: Event) -> None:
    """Write one line to the logger "audit"."""
    target = event.name if event.server is None else f"{event.name}/{event.server}"
    log.log(
        logging.INFO if event.outcome == Outcome.DONE else logging.WARNING,
        "%s: %s %s %s, because: %s, rule: %s%s, %s",
        event.who,
        event.action,
        event.target,
        target,
        event.reason or "-",
        event.rule or "-",
        f", until: {event.until.isoformat(timespec='seconds')}" if event.until else "",
        event.outcome,
        extra={
            "who": event.who,
            "action": event.action,
            "target": event.target,
            "user_or_group": event.name,
            "server": event.server,
            "reason": event.reason,
            "rule": event.rule,
            "until": event.until,
            "outcome": event.outcome,
        },
    )


class Audit:
    """Writes lines to the log at once and to the store, if there is one, in batches.

    From ``complete_since`` to ``complete_until``, every stop is in the store; None: unknown.
    """

    def __init__(self, store: AuditStore | None = None) -> None:
        self.complete_since: datetime | None = None
        self.complete_until: datetime | None = None
        self._store = store
        self._pending: list[Event] = []
        self._lost = False

    async def write(self, event: Event) -> None:
        """Log a line and store it with the next batch."""
        log_event(event)
        if self._store is not None:
            self._pending.append(event)
            if len(self._pending) >= BATCH:
                await self.flush()

    async def flush(self) -> None:
        """Store the pending lines. If the database is unavailable, they are in the log only."""
        if self._store is None or not self._pending:
            return
        lines, self._pending = self._pending, []
        try:
            await self._store.audit(*lines)
        except ServiceError as error:
            self._lost = True
            self.complete_since = self.complete_until = None
            log.error(
                "%d audit lines could not be stored and are in this log only: %s", len(lines), error
            )

    def pass_finished(self, began: datetime) -> None:
        """A pass that began at this time is over; its lines, and all earlier ones, were flushed.

        After lines were lost, the store is complete again from the beginning of the next pass.
        """
        if self._lost or self._store is None:
            self._lost = False
            return
        self.complete_since = self.complete_since or began
        self.complete_until = began


def event_of(result: TargetResult, at: datetime) -> Event:
    """The audit line of an attempt to stop or remove a server, or to delete a user."""
    reason = result.reason.value
    if result.idle_since is not None:
        reason += f" (since {result.idle_since.isoformat(timespec='seconds')})"
    if result.detail:
        reason += f"; {result.detail}"
    return Event(
        at=at,
        who=CULLER,
        action=result.action.value,
        target="user" if result.server is None else "server",
        name=result.user,
        server=result.server,
        reason=reason,
        rule=result.rule,
        outcome=result.outcome.value,
    )
