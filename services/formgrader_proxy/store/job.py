"""The values of a job: a list of nbgrader's own requests, for one assignment of a course.

They are mutable, because a running job changes with every item. Only the course's queue changes
them; see :mod:`..jobs.queue`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """The state of a job or of one of its items. A closed set, used as a metric label.

    FAILED: nbgrader reported a failure or did not respond; for a job, that of at least one item.
    CANCELLED: a user cancelled it before it ran to its end. INTERRUPTED: the service stopped.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self not in {State.QUEUED, State.RUNNING}


@dataclass(slots=True, eq=False)
class Item:
    """One request of a job.

    student: whose submission; empty for a request about the whole assignment.
    lines: why it failed, or the last lines of nbgrader's log of it; empty unless it failed.
    version: of the course's queue, at the last change. urgent: a user waits for this one. Neither
        is stored.
    """

    student: str = ""
    state: State = State.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    lines: tuple[str, ...] = ()
    version: int = 0
    urgent: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """One job. ``role`` is that of ``user`` in the course at its start.

    ``cancelled_by`` is set at once, while the state changes when the last request has ended.
    ``retry_of`` is the id of the job whose remaining items this one has.
    """

    course: str
    user: str
    role: str
    action: str
    assignment: str
    created_at: datetime
    items: list[Item]
    id: int = 0
    state: State = State.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancelled_by: str = ""
    retry_of: int | None = None

    @property
    def several(self) -> bool:
        """Whether it has more than one item, unlike the job of one of nbgrader's own buttons."""
        return len(self.items) > 1


@dataclass(frozen=True, slots=True)
class Summary:
    """A job without its items. ``counts`` are the numbers of items by state."""

    job: Job
    total: int
    counts: dict[State, int] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job) -> "Summary":
        """The summary of a job with its items."""
        counts: dict[State, int] = {}
        for item in job.items:
            counts[item.state] = counts.get(item.state, 0) + 1
        return cls(job, len(job.items), counts)

    @property
    def ended(self) -> int:
        """The number of items that have ended in any way."""
        return sum(count for state, count in self.counts.items() if state.ended)

    @property
    def remaining(self) -> int:
        """The number of items that are not done, which a retry would run."""
        return self.total - self.counts.get(State.DONE, 0)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed item of a stored job."""

    job_id: int
    student: str
    lines: tuple[str, ...]
