"""The page with the jobs of a course, and the same addresses for programs."""

from collections import defaultdict
from collections.abc import Sequence

import aiohttp
import msgspec
from aiohttp import web

from common.clock import Clock
from common.errors import StoreError
from common.oauth.request import wants_page
from common.oauth.sign_in import SignIn
from common.web.error_pages import database_unavailable
from common.web.pages import render
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.jobs.jobs import Jobs, User
from services.formgrader_proxy.jobs.send import decode_list
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.job import Failure, Summary
from services.formgrader_proxy.store.jobs import JobStore
from services.formgrader_proxy.upstream.endpoint import UpstreamUnreachable, Work, read_completely
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.jobs.api import JobError, JobsApi, job_number, jobs_path, refused
from services.formgrader_proxy.web.jobs.views import view_of

#: The forms here are small.
MOST_BYTES = 16 * 1024
#: The page waits no longer than this for the names of the assignments.
NAMES_SECONDS = 2.0
_ROLES = {Role.GRADER: "grader", Role.INSTRUCTOR: "instructor", Role.ADMIN: "admin"}


class JobsPages:
    """The handlers of ``courses/COURSE/jobs``."""

    def __init__(
        self,
        site: Site,
        formgraders: Formgraders,
        sign_in: SignIn,
        jobs: Jobs,
        store: JobStore,
        clock: Clock,
    ) -> None:
        self._site = site
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._jobs = jobs
        self._store = store
        self._clock = clock
        self.api = JobsApi(site, jobs, clock)

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        path = self._site.prefix + "courses/{course:[^/]+}/jobs"
        app.router.add_get(path, self.all)
        app.router.add_post(path, self.start)
        app.router.add_get(path + "/{job:[0-9]+}", self.one)
        app.router.add_post(path + "/{job:[0-9]+}/{what:cancel|stop|retry}", self.change)

    async def all(self, request: web.Request) -> web.Response:
        """GET courses/COURSE/jobs"""
        formgrader, _, role = await self._enter(request)
        course = formgrader.course
        if not self._wants_html(request):
            return await self.api.listing(course.id, role, request.query.get("since", ""))
        version = self._jobs.version(course.id)
        found = await self._jobs.newest(course.id)
        names = await _assignments(formgrader)
        failures = await self._failures(found.summaries)
        now, may_change = self._clock.now(), role >= Role.INSTRUCTOR
        return render(
            request,
            "formgrader_jobs.html",
            course=course,
            jobs=[
                view_of(one, failures.get(one.job.id, []), now, may_change=may_change)
                for one in found.summaries
            ],
            complete=found.complete,
            may_change=may_change,
            assignments=names or sorted({one.job.assignment for one in found.summaries}),
            version=version,
            path=jobs_path(self._site, course.id),
            single=False,
        )

    async def one(self, request: web.Request) -> web.Response:
        """GET courses/COURSE/jobs/JOB: all failures, and as JSON all items."""
        formgrader, _, role = await self._enter(request)
        course = formgrader.course
        try:
            job = await self._jobs.find(course.id, job_number(request.match_info["job"]))
        except StoreError:
            return database_unavailable(request)
        if job is None:
            raise web.HTTPNotFound(text="This course has no such job.")
        if not self._wants_html(request):
            return self.api.one(job)
        may_change = role >= Role.INSTRUCTOR
        view = view_of(
            Summary.of(job), [], self._clock.now(), may_change=may_change, most=len(job.items)
        )
        return render(
            request,
            "formgrader_jobs.html",
            course=course,
            jobs=[view],
            complete=True,
            may_change=may_change,
            assignments=[],
            version=self._jobs.version(course.id),
            path=jobs_path(self._site, course.id),
            single=True,
        )

    async def start(self, request: web.Request) -> web.StreamResponse:
        """POST courses/COURSE/jobs with ``action``, ``assignment`` and ``which`` (all, needed)"""
        fields = await _fields(request)
        formgrader, user, _ = await self._enter(request, Role.INSTRUCTOR)
        try:
            job, new = await self.api.start(
                formgrader,
                user,
                fields.get("action", "autograde"),
                fields.get("assignment", ""),
                fields.get("which", "all"),
            )
        except JobError as error:
            return refused(request, error)
        if wants_page(request, self._site.prefix):
            raise web.HTTPSeeOther(jobs_path(self._site, formgrader.course.id))
        return self.api.one(job, 202 if new else 200)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """POST courses/COURSE/jobs/JOB/cancel (or stop, retry)"""
        formgrader, user, _ = await self._enter(request, Role.INSTRUCTOR)
        course, parts = formgrader.course.id, request.match_info
        try:
            answer = await self.api.change(course, user, parts["job"], parts["what"])
        except JobError as error:
            return refused(request, error)
        if wants_page(request, self._site.prefix):
            raise web.HTTPSeeOther(jobs_path(self._site, course))
        return answer

    def _wants_html(self, request: web.Request) -> bool:
        """Whether a user opens the page, or its script fetches it."""
        fetched = "text/html" in request.headers.get("Accept", "")
        return fetched or wants_page(request, self._site.prefix)

    async def _enter(
        self, request: web.Request, least: Role = Role.GRADER
    ) -> tuple[Formgrader, User, Role]:
        """The requested course, for a user with at least this role in it."""
        _limit(request)
        identity = await self._sign_in.require(request, fresh=request.method == "POST")
        formgrader = self._formgraders.get(request.match_info["course"])
        role = Role.NOBODY
        if formgrader is not None:
            role = role_in(identity, formgrader.course.groups, self._site.administrators)
        if formgrader is None or role is Role.NOBODY:
            raise web.HTTPForbidden(text="You do not grade this course.")
        if role < least:
            raise web.HTTPForbidden(text="Only an instructor of this course may do this.")
        return formgrader, User(identity.name, _ROLES[role]), role

    async def _failures(self, summaries: Sequence[Summary]) -> dict[int, list[Failure]]:
        found: defaultdict[int, list[Failure]] = defaultdict(list)
        stored = [one.job.id for one in summaries if not one.job.items]
        try:
            for failure in await self._store.failures(stored) if stored else ():
                found[failure.job_id].append(failure)
        except StoreError:
            return {}
        return found


def _limit(request: web.Request) -> None:
    length = request.content_length
    large = length is None or length > MOST_BYTES
    if request.method == "POST" and request.body_exists and large:
        raise web.HTTPRequestEntityTooLarge(MOST_BYTES, length or 0)


async def _fields(request: web.Request) -> dict[str, str]:
    """The texts of a form or of a JSON object.

    They are received before the user's permissions are checked, which could be removed meanwhile.
    """
    _limit(request)
    if request.content_type == "application/json":
        try:
            return msgspec.json.decode(await request.read(), type=dict[str, str])
        except msgspec.MsgspecError:
            raise web.HTTPBadRequest(text="Send a JSON object with texts.") from None
    try:
        form = await request.post()
    except (LookupError, ValueError):  # an unknown charset, or bytes that do not fit it
        raise web.HTTPBadRequest(text="The form cannot be read.") from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


class _Assignment(msgspec.Struct):
    name: str


async def _assignments(formgrader: Formgrader) -> list[str]:
    """The names of the assignments; empty if no formgrader reports them now."""
    if formgrader.pool is not None and not formgrader.pool.serves(Work.PAGES):
        return []
    try:
        upstream = formgrader.ready()
        if upstream is None:
            return []
        with formgrader.in_use(upstream):
            async with upstream.session.get(
                f"{upstream.origin}{formgrader.base_url}formgrader/api/assignments",
                headers=upstream.authorization,
                timeout=aiohttp.ClientTimeout(total=NAMES_SECONDS),
                allow_redirects=False,
            ) as response:
                found = decode_list(await read_completely(response), _Assignment)
    except (TimeoutError, UpstreamUnreachable, aiohttp.ClientError, OSError, msgspec.MsgspecError):
        return []
    return sorted(one.name for one in found)
