"""The JSON API of jobs: below ``courses/COURSE/jobs``, and for nbgrader's pages below their course.

The two have the same responses. The second exists because nbgrader's pages may connect to nothing
but the API of their own course, and their XSRF token is valid in that course only.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from common.clock import Clock
from common.errors import StoreError
from common.web.error_pages import error_response
from services.formgrader_proxy.access import Refusal, Role
from services.formgrader_proxy.allow_list import find_rule
from services.formgrader_proxy.jobs.jobs import JobRefused, Jobs, User
from services.formgrader_proxy.jobs.requests import PER_STUDENT, Wanted, segments_of
from services.formgrader_proxy.jobs.send import SubmissionsUnknown, submissions_of
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.job import Job, Summary
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.web.jobs.views import item_json, job_json

log = logging.getLogger("formgrader")

#: Which submissions a job is for.
ALL, NEEDED = "all", "needed"


class JobsApi:
    """What the API does. The callers have checked the user's role."""

    def __init__(self, site: Site, jobs: Jobs, clock: Clock) -> None:
        self._site = site
        self._jobs = jobs
        self._clock = clock

    def page_of(self, course: str) -> str:
        """The path of the page that shows the jobs of a course."""
        return jobs_path(self._site, course)

    async def listing(self, course: str, role: Role, since: str = "") -> web.Response:
        """The jobs of a course, newest first; only the version if nothing changed ``since``."""
        version = self._jobs.version(course)
        if since and since == version:
            return web.json_response({"version": version, "unchanged": True})
        found = await self._jobs.newest(course)
        now = self._clock.now()
        return web.json_response(
            {
                "version": version,
                "unchanged": False,
                "complete": found.complete,
                "may_change": role >= Role.INSTRUCTOR,
                "page": self.page_of(course),
                "jobs": [self._job(summary, since, now) for summary in found.summaries],
            }
        )

    def _job(self, summary: Summary, since: str, now: datetime) -> dict[str, Any]:
        changed = self._jobs.changed_since(since, summary.job) if since else []
        return job_json(summary, now, changed)

    def one(self, job: Job, status: int = 200) -> web.Response:
        """A job with its items."""
        found = job_json(Summary.of(job), self._clock.now())
        return web.json_response(
            found | {"items": [item_json(item) for item in job.items]}, status=status
        )

    async def start(
        self, formgrader: Formgrader, user: User, action: str, assignment: str, which: str
    ) -> tuple[Job, bool]:
        """Start a job for the submissions of an assignment.

        :raises JobRefused: the request is invalid, or there are no such submissions
        :raises SubmissionsUnknown: the formgrader does not list them
        :raises StoreError: the job cannot be recorded
        """
        if action not in PER_STUDENT or which not in (ALL, NEEDED):
            raise JobRefused("There is no such kind of job.")
        # The rule for any student's request shows whether the assignment's name is accepted.
        if isinstance(find_rule("POST", segments_of(Wanted(action, assignment, "x"))), Refusal):
            raise JobRefused("There is no assignment with this name.")
        course = formgrader.course.id
        found = await submissions_of(formgrader, assignment)
        needed = which == NEEDED and action == "autograde"
        if needed:
            broken_off = await self._jobs.broken_off(course, Wanted(action, assignment))
            students = [one for one, done in found.items() if not done or one in broken_off]
        else:  # feedback is made of what autograding has written
            students = [one for one, done in found.items() if done or action == "autograde"]
        if not students:
            kind = "need autograding" if needed else "have been submitted"
            kind = kind if action == "autograde" else "are autograded"
            raise JobRefused(f"No submissions of “{assignment}” {kind}, so there is nothing to do.")
        return await self._jobs.start(course, user, action, assignment, students)

    async def answer(
        self, request: web.Request, formgrader: Formgrader, user: User, segments: Sequence[str]
    ) -> web.Response:
        """Answer a request of nbgrader's pages, which the allow-list has accepted."""
        course, below = formgrader.course.id, segments[3:]
        role = Role[user.role.upper()]
        try:
            if not below:
                return await self.listing(course, role, request.query.get("since", ""))
            if len(below) == 3:
                job, new = await self.start(formgrader, user, below[1], below[0], below[2])
                return self.one(job, 202 if new else 200)
            return await self.change(course, user, below[0], below[1])
        except JobError as error:
            return refused(request, error)

    async def change(self, course: str, user: User, number: str, what: str) -> web.Response:
        """Cancel, stop or retry a job.

        :raises JobRefused: its state does not allow this
        :raises StoreError: a retry cannot be recorded
        """
        job_id = job_number(number)
        if what == "retry":
            again = await self._jobs.retry(course, job_id, user)
            if again is not None:
                return self.one(again[0], 202 if again[1] else 200)
        else:
            job = await self._jobs.cancel(course, job_id, user, now=what == "stop")
            if job is not None:
                return self.one(job)
        raise web.HTTPNotFound(text="This course has no such job.")


JobError = (JobRefused, SubmissionsUnknown, StoreError)


def refused(request: web.Request, error: Exception) -> web.Response:
    """The response to an error of :data:`JobError`."""
    if isinstance(error, JobRefused):
        return error_response(request, 409, str(error), title="Nothing was started or changed")
    if isinstance(error, SubmissionsUnknown):
        return error_response(request, 503, str(error), title="Nothing was started")
    log.error("%s; a job was not started", error)
    text = "The database is unavailable, so nothing was started. Try again later."
    return error_response(request, 503, text, title="Nothing was started")


def job_number(text: str) -> int:
    """A job's id. :raises web.HTTPNotFound: it cannot be one"""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise web.HTTPNotFound(text="This course has no such job.")
    return int(text)


def jobs_path(site: Site, course: str) -> str:
    """The path of the page that shows the jobs of a course."""
    return f"{site.own_path(course)}jobs"
