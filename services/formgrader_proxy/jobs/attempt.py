"""One item of a job: wait for the formgrader, record the change, send it, read the response."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from common.clock import Clock
from common.errors import StoreError
from services.formgrader_proxy.jobs.recorder import Recorder
from services.formgrader_proxy.jobs.requests import Wanted, segments_of
from services.formgrader_proxy.jobs.result import read_result
from services.formgrader_proxy.jobs.send import Reply, send
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.store.job import Item, Job, State
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.formgrader import Formgrader

log = logging.getLogger("formgrader")

#: Seconds that a job waits for its formgrader to start.
START_SECONDS = 300.0

#: Is called right before a request is sent to this process.
OnSend = Callable[[Upstream], None]
#: Whether other requests of jobs in this course are being processed.
Busy = Callable[[], bool]

_ENDED = (
    "The formgrader's process ended, or closed the connection, before it responded."
    " It is unknown whether this was done."
)


class NotSent(Exception):
    """A request was not sent. The text says why, for a user.

    ``recordable`` is False if the audit is unavailable.
    """

    def __init__(self, reason: str, *, recordable: bool = True) -> None:
        self.recordable = recordable
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ended. ``reply`` is the formgrader's response, None if there was none.

    ``not_sent`` is why its request was not sent.
    """

    state: State
    lines: tuple[str, ...] = ()
    reply: Reply | None = None
    not_sent: NotSent | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """Where it is recorded what a job does."""

    audit: Audit
    recorder: Recorder
    clock: Clock


async def attempt(
    job: Job, item: Item, formgrader: Formgrader, records: Records, on_send: OnSend, busy: Busy
) -> Outcome:
    """Run an item. Only cancelling the task ends it earlier than the formgrader."""
    try:
        upstream = await _ready(formgrader, busy)
        with formgrader.in_use(upstream):
            number = await _begin(job, item, records)
            on_send(upstream)
            reply = await send(upstream, formgrader.base_url, segments_of(_wanted(job, item)))
    except NotSent as reason:
        return Outcome(State.FAILED, (str(reason),), not_sent=reason)
    except UpstreamUnreachable as error:
        log.warning("course %s: a request of job %d failed: %s", job.course, job.id, error)
        return Outcome(State.FAILED, (_ENDED,))
    result = read_result(reply.status, reply.body)
    records.recorder.finished(number, reply.status, result.reported)
    return Outcome(State.DONE if result.succeeded else State.FAILED, result.lines, reply)


def _wanted(job: Job, item: Item) -> Wanted:
    return Wanted(job.action, job.assignment, item.student)


async def _ready(formgrader: Formgrader, busy: Busy) -> Upstream:
    """The process for a request, when it runs. :raises NotSent: it does not start in time

    While other requests are ``busy``, it may have to wait for them: processes with new settings of
    the course get jobs when those with the previous settings have ended.
    """
    while True:
        try:
            upstream = await formgrader.until_ready(Work.JOBS, START_SECONDS)
        except UpstreamUnreachable as error:
            raise NotSent(f"The formgrader cannot be reached: {error}.") from error
        if upstream is not None:
            return upstream
        if not busy():
            why = f": {formgrader.job_trouble}" if formgrader.job_trouble else ""
            raise NotSent(
                f"The formgrader did not start within {round(START_SECONDS / 60)} minutes{why}."
            )


async def _begin(job: Job, item: Item, records: Records) -> int:
    """Record the change that is about to be made. :raises NotSent: it cannot be recorded"""
    change = Change(
        at=records.clock.now(),
        course=job.course,
        user=job.user,
        role=job.role,
        action=job.action,
        path="/".join(segments_of(_wanted(job, item))),
    )
    try:
        return await records.audit.begin(change)
    except StoreError as error:
        log.error("%s; a request of job %d was not sent", error, job.id)
        text = "The audit log is unavailable, so nothing was changed. Try again later."
        raise NotSent(text, recordable=False) from error
