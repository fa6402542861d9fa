"""How far a job is, and how long the rest will take. Pure."""

from dataclasses import dataclass
from datetime import datetime

from services.formgrader_proxy.store.job import Item, Job, State


@dataclass(frozen=True, slots=True)
class Progress:
    """A running job now.

    current: the students whose submissions are being processed.
    seconds_left: an estimate; None while no item has ended, or if the job does not run.
    """

    current: tuple[str, ...]
    seconds_left: float | None


def progress_of(job: Job, now: datetime) -> Progress:
    """The progress of a job with its items, in the same clock as its times."""
    running = [item for item in job.items if item.state is State.RUNNING]
    current = tuple(item.student for item in running if item.started_at is not None)
    if job.state is not State.RUNNING:
        return Progress(current, None)
    return Progress(current, _seconds_left(job, running, now))


def _seconds_left(job: Job, running: list[Item], now: datetime) -> float | None:
    """As long as the items that have ended took on average, with as many at once as now."""
    took = [
        (item.ended_at - item.started_at).total_seconds()
        for item in job.items
        if item.started_at is not None and item.ended_at is not None
    ]
    if not took:
        return None
    mean = sum(took) / len(took)
    queued = sum(item.state is State.QUEUED for item in job.items)
    begun = 0.0
    for item in running:
        elapsed = (now - item.started_at).total_seconds() if item.started_at else 0.0
        begun += max(0.0, mean - elapsed)
    return (queued * mean + begun) / max(1, len(running))
