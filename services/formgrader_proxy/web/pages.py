"""The pages beside the formgrader itself: my courses, waiting, the audit, a course's log."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import aiohttp
import msgspec
from aiohttp import web

from common.oauth.request import wants_page
from common.oauth.sign_in import Identity, SignIn
from common.web.application import PREFIX
from common.web.error_pages import answer
from common.web.pages import render
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.courses import is_course_id
from services.formgrader_proxy.proxy.forward_http import Upstream
from services.formgrader_proxy.proxy.gateway import IsAdmin
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.registry import Courses, Formgrader
from services.formgrader_proxy.upstream.supervisor import State

#: What a start takes, for the progress bar.
USUAL_START_SECONDS = 8
#: A list of courses does not wait for longer on a formgrader that is busy grading.
COUNT_SECONDS = 2.0
_HEADER = ("when", "who", "role", "action", "path", "fields", "status")


@dataclass(frozen=True)
class CourseCard:
    """One course in somebody's list; the counts are None where they are not known now."""

    id: str
    title: str
    role: str
    state: str
    trouble: str | None
    may_read_audit: bool
    may_read_log: bool
    assignments: int | None
    submissions: int | None


class Views:
    """Handlers; :meth:`setup` adds them before the gateway's own route."""

    def __init__(
        self,
        *,
        prefix: str,
        courses: Courses,
        sign_in: SignIn,
        audit: Audit,
        is_admin: IsAdmin,
        problems: Callable[[], Sequence[str]],
        look: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """``look`` reads the courses file again, so that the list is that of now."""
        self._prefix = prefix
        self._courses = courses
        self._sign_in = sign_in
        self._audit = audit
        self._is_admin = is_admin
        self._problems = problems
        self._look = look

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        router, prefix = app.router, self._prefix
        router.add_get(prefix, self.home)
        router.add_get(prefix + "api/courses", self.api_courses)
        router.add_get(prefix + "audit/{course:[^/]+}.csv", self.audit_csv)
        router.add_get(prefix + "audit/{course:[^/]+}", self.audit)
        router.add_get(prefix + "admin/{course:[^/]+}/log", self.log)

    async def home(self, request: web.Request) -> web.Response:
        """GET: my courses."""
        identity = await self._sign_in.require(request)
        cards = await self._cards(identity)
        shown = self._problems() if self._is_admin(identity) else ()
        return render(request, "formgrader_courses.html", courses=cards, problems=shown)

    async def api_courses(self, request: web.Request) -> web.Response:
        """GET api/courses: the same for a program."""
        identity = await self._sign_in.require(request)
        body = msgspec.json.encode(await self._cards(identity))
        return web.Response(body=body, content_type="application/json")

    async def audit(self, request: web.Request) -> web.Response:
        """GET audit/COURSE."""
        formgrader = await self._for_instructor(request)
        changes = await self._audit.newest(formgrader.course.id)
        return render(
            request,
            "formgrader_audit.html",
            course=formgrader.course,
            changes=changes,
            outcome=_outcome,
        )

    async def audit_csv(self, request: web.Request) -> web.StreamResponse:
        """GET audit/COURSE.csv: every change, as it is read from the database."""
        formgrader = await self._for_instructor(request)
        name = f"audit-{formgrader.course.id}.csv"
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        await response.prepare(request)
        await response.write(_csv_lines([_HEADER]))
        async for changes in self._audit.every(formgrader.course.id):
            await response.write(_csv_lines(_csv_row(change) for change in changes))
        await response.write_eof()
        return response

    async def log(self, request: web.Request) -> web.Response:
        """GET admin/COURSE/log."""
        identity = await self._sign_in.require(request)
        if not self._is_admin(identity):
            raise web.HTTPForbidden(text="Only an administrator reads this log.")
        formgrader = self._courses.get(request.match_info["course"])
        if formgrader is None or formgrader.managed is None:
            raise web.HTTPNotFound(text="We run no formgrader of this name.")
        return render(
            request,
            "formgrader_log.html",
            course=formgrader.course,
            state=formgrader.state,
            trouble=formgrader.managed.trouble,
            lines=formgrader.managed.log_tail(),
        )

    async def _for_instructor(self, request: web.Request) -> Formgrader:
        identity = await self._sign_in.require(request)
        formgrader = self._courses.get(request.match_info["course"])
        if formgrader is None or self._role(identity, formgrader) < Role.INSTRUCTOR:
            raise web.HTTPForbidden(text="Only an instructor of the course reads its audit.")
        return formgrader

    def _role(self, identity: Identity, formgrader: Formgrader) -> Role:
        admin = self._is_admin(identity)
        return role_in(identity.groups, formgrader.course.groups, is_admin=admin)

    async def _cards(self, identity: Identity) -> list[CourseCard]:
        if self._look is not None:
            await self._look()
        mine = [
            (formgrader, role)
            for formgrader in self._courses.all()
            if (role := self._role(identity, formgrader)) is not Role.NOBODY
        ]
        counts = await asyncio.gather(*(_counts(formgrader) for formgrader, _ in mine))
        return [
            CourseCard(
                id=formgrader.course.id,
                title=formgrader.course.title,
                role=_ROLES[role],
                state=formgrader.state,
                trouble=formgrader.managed.trouble if formgrader.managed else None,
                may_read_audit=role >= Role.INSTRUCTOR,
                may_read_log=role is Role.ADMIN and formgrader.managed is not None,
                assignments=count[0] if count else None,
                submissions=count[1] if count else None,
            )
            for (formgrader, role), count in zip(mine, counts, strict=True)
        ]


_ROLES = {Role.GRADER: "a grader", Role.INSTRUCTOR: "an instructor", Role.ADMIN: "an administrator"}


def waiting_page(request: web.Request, formgrader: Formgrader) -> web.StreamResponse:
    """While a formgrader starts, or waits to be started again: 503, and when to come back."""
    managed = formgrader.managed
    assert managed is not None  # noqa: S101 - another's formgrader is never waited for
    pausing = managed.state is State.PAUSING
    again = max(1, round(managed.paused_for)) if pausing else 1
    headers = {"Retry-After": str(again)}
    prefix = request.app[PREFIX]
    if request.method not in {"GET", "HEAD"} or not wants_page(request, prefix):
        text = "The formgrader is starting; try again in a moment."
        return answer(request, 503, text, title="Not yet", headers=headers)
    return render(
        request,
        "formgrader_starting.html",
        status=503,
        headers=headers,
        course=formgrader.course,
        pausing=pausing,
        trouble=managed.trouble,
        again=again,
        since=round(managed.started_for),
        usual=USUAL_START_SECONDS,
    )


class _Assignment(msgspec.Struct):
    num_submissions: int = 0


async def _counts(formgrader: Formgrader) -> tuple[int, int] | None:
    """Assignments and submissions of a formgrader that runs and answers at once."""
    if formgrader.managed is not None and formgrader.managed.state is not State.RUNNING:
        return None
    upstream: Upstream | None = formgrader.ready()
    if upstream is None:
        return None
    try:
        async with upstream.session.get(
            f"{upstream.origin}{formgrader.base_url}formgrader/api/assignments",
            headers={"Authorization": f"token {upstream.token}"} if upstream.token else {},
            timeout=aiohttp.ClientTimeout(total=COUNT_SECONDS),
            allow_redirects=False,
        ) as response:
            found = msgspec.json.decode(await response.read(), type=list[_Assignment])
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError):
        return None
    return len(found), sum(assignment.num_submissions for assignment in found)


def _outcome(status: int | None) -> str:
    if status is None:
        return "not known"
    return "done" if status < 400 else f"refused by nbgrader ({status})"


def _csv_row(change: Change) -> tuple[str, ...]:
    return (
        change.at.isoformat(),
        change.user,
        change.role,
        change.action,
        change.path,
        " ".join(change.fields),
        "" if change.status is None else str(change.status),
    )


def _csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as CSV; a cell that a spreadsheet would take for a formula is made a text."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow(
            ["'" + cell if cell.startswith(("=", "+", "-", "@", "\t")) else cell for cell in row]
        )
    return out.getvalue().encode()


def per_course(app: web.Application, services: str, prefix: str) -> None:
    """Answer for Hub services that are named like courses and have our address as their url.

    nbgrader's course list in JupyterLab links to ``<service>/lab?formgrader=true`` of the
    service named like the course: from there it goes on to the course at our own address.
    """

    async def to_course(request: web.Request) -> web.Response:
        course = request.match_info["course"]
        if not is_course_id(course):
            raise web.HTTPNotFound
        raise web.HTTPFound(f"{prefix}{course}/formgrader")

    router = app.router
    router.add_get(services + "{course:[^/]+}/{tail:(lab|lab/tree|formgrader)?/?}", to_course)
