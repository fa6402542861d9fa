"""One line for everything that the culler does to somebody: who, what, why, which rule."""

import logging
from datetime import datetime
from typing import Protocol

from common.errors import ServiceError
from services.cull.passes.results import Done, Outcome
from services.cull.store.records import Event

log = logging.getLogger("audit")

CULLER = "culler"
#: Lines wait for each other up to this many: a transaction a line would slow a pass down.
BATCH = 100


class AuditStore(Protocol):
    """Where lines are kept: CullStore."""

    async def audit(self, *events: Event) -> None: ...


def log_event(event: Event) -> None:
    """Write one line to the log "audit"."""
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
    """Writes lines to the log at once, and to the store, if there is one, in batches."""

    def __init__(self, store: AuditStore | None = None) -> None:
        self._store = store
        self._waiting: list[Event] = []

    async def write(self, event: Event) -> None:
        """Log a line and keep it."""
        log_event(event)
        if self._store is not None:
            self._waiting.append(event)
            if len(self._waiting) >= BATCH:
                await self.flush()

    async def flush(self) -> None:
        """Store what waits. A database that is away costs the stored lines, not the log's."""
        if self._store is None or not self._waiting:
            return
        lines, self._waiting = self._waiting, []
        try:
            await self._store.audit(*lines)
        except ServiceError as error:
            log.error("%d audit lines are in this log only: %s", len(lines), error)


def event_of(done: Done, at: datetime) -> Event:
    """The audit line of a server or user that was stopped, removed or deleted, or should be."""
    reason = done.reason.value
    if done.idle_since is not None:
        reason += f" (since {done.idle_since.isoformat(timespec='seconds')})"
    if done.why:
        reason += f"; {done.why}"
    return Event(
        at=at,
        who=CULLER,
        action=done.action.value,
        target="user" if done.server is None else "server",
        name=done.user,
        server=done.server,
        reason=reason,
        rule=done.rule,
        outcome=done.outcome.value,
    )
