"""Jobs as JSON and as values for the pages' templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.durations import format_duration
from services.formgrader_proxy.jobs.progress import progress_of
from services.formgrader_proxy.jobs.requests import TITLES
from services.formgrader_proxy.store.job import Failure, Item, Job, State, Summary

#: Failures that a list shows of each job; the job's own page shows all.
FAILURES_SHOWN = 10
_STATES = {
    State.QUEUED: "queued",
    State.RUNNING: "running",
    State.DONE: "done",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as a page shows it. Times are in UTC."""

    id: int
    title: str
    assignment: str
    user: str
    state: str
    badge: str
    total: int
    ended: int
    counts: str
    current: str
    left: str
    created_at: datetime
    took: str
    cancelled_by: str
    may_cancel: bool
    may_stop: bool
    may_retry: bool
    failures: Sequence[Failure]
    more_failures: int
    interrupted: bool
    retry_of: int | None


def view_of(
    summary: Summary,
    failures: Sequence[Failure],
    now: datetime,
    *,
    may_change: bool,
    most: int = FAILURES_SHOWN,
) -> JobView:
    """A job for a template. ``failures`` are those of a stored job; a running one has its own."""
    job = summary.job
    failures = failures_of(job) if job.items else failures
    progress = progress_of(job, now)
    left = progress.seconds_left
    failed = summary.counts.get(State.FAILED, 0)
    running = not job.state.ended
    return JobView(
        id=job.id,
        title=title_of(job, summary.total),
        assignment=job.assignment,
        user=job.user,
        state=_state(job, summary),
        badge={State.DONE: "good", State.FAILED: "bad", State.INTERRUPTED: "warn"}.get(
            job.state, ""
        ),
        total=summary.total,
        ended=summary.ended,
        counts=counts_of(summary),
        current=", ".join(one for one in progress.current if one),
        left="" if left is None else f"about {format_duration(_rounded(left))} left",
        created_at=job.created_at,
        took=_took(job),
        cancelled_by=job.cancelled_by,
        may_cancel=may_change and running and not job.cancelled_by,
        may_stop=may_change and running and bool(job.cancelled_by),
        may_retry=may_change and not running and summary.remaining > 0,
        failures=failures[:most],
        more_failures=max(0, failed - len(failures[:most])),
        interrupted=job.state is State.INTERRUPTED,
        retry_of=job.retry_of,
    )


def job_json(summary: Summary, now: datetime, changed: Sequence[str] = ()) -> dict[str, Any]:
    """A job for a script: numbers, and the students whose items have ended since it last looked."""
    job = summary.job
    progress = progress_of(job, now)
    return {
        "id": job.id,
        "title": title_of(job, summary.total),
        "action": job.action,
        "assignment": job.assignment,
        "user": job.user,
        "state": job.state.value,
        "created_at": job.created_at.isoformat(),
        "started_at": _iso(job.started_at),
        "ended_at": _iso(job.ended_at),
        "cancelled_by": job.cancelled_by or None,
        "retry_of": job.retry_of,
        "total": summary.total,
        "ended": summary.ended,
        **{state.value: summary.counts.get(state, 0) for state in State if state.ended},
        "current": list(progress.current),
        "seconds_left": progress.seconds_left,
        "changed": list(changed),
    }


def item_json(item: Item) -> dict[str, Any]:
    """One item of a job."""
    return {
        "student": item.student or None,
        "state": item.state.value,
        "started_at": _iso(item.started_at),
        "ended_at": _iso(item.ended_at),
        "lines": list(item.lines),
    }


def title_of(job: Job, total: int) -> str:
    """What a job does, such as ``Autograde ps1: 12 submissions``."""
    title = f"{TITLES.get(job.action, job.action)} {job.assignment}"
    if total > 1:
        return f"{title}: {total:,} submissions"
    student = job.items[0].student if len(job.items) == 1 else ""
    return f"{title}: {student}" if student else title


def counts_of(summary: Summary) -> str:
    """The numbers of items that have ended, in words: ``12 of 220 done, 1 failed``."""
    parts = [f"{summary.counts.get(State.DONE, 0):,} of {summary.total:,} done"]
    for state in (State.FAILED, State.CANCELLED, State.INTERRUPTED):
        if count := summary.counts.get(state, 0):
            parts.append(f"{count:,} {state.value}")
    return ", ".join(parts)


def failures_of(job: Job) -> list[Failure]:
    """The failed items of a job in memory."""
    return [
        Failure(job.id, item.student, item.lines)
        for item in job.items
        if item.state is State.FAILED
    ]


def _state(job: Job, summary: Summary) -> str:
    if job.cancelled_by and not job.state.ended:
        return "finishing the current submission"
    failed = summary.counts.get(State.FAILED, 0)
    if job.state is State.FAILED and failed < summary.total:
        return f"ended with {failed:,} {'failure' if failed == 1 else 'failures'}"
    return _STATES[job.state]


def _took(job: Job) -> str:
    if job.started_at is None or job.ended_at is None:
        return ""
    return format_duration(job.ended_at - job.started_at)


def _rounded(seconds: float) -> float:
    """Not more precise than it is: to 5 s, above ten minutes to minutes."""
    step = 60 if seconds > 600 else 5
    return max(step, round(seconds / step) * step)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
