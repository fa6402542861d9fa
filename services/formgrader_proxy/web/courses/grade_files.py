"""``courses/<id>/grades.csv``: the grades of a course as a file, for its instructors.

The gradebook is read by the course's formgrader, which runs as the course's account.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web

from common.clock import Clock
from common.errors import ConfigError, StoreError
from common.oauth.sign_in import Identity, SignIn
from common.web.error_pages import error_response
from common.web.pages import render
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.export.file import export, file_name
from services.formgrader_proxy.export.grades import Grades
from services.formgrader_proxy.export.options import Options, read_options
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.endpoint import (
    Upstream,
    UpstreamUnreachable,
    Work,
    read_completely,
)
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.upstream.supervisor import State

#: Seconds that a download waits for a formgrader that is not running, and then for the grades.
START_SECONDS, READ_SECONDS = 60.0, 120.0
#: Seconds between two looks at whether the course is known to be broken.
LOOK_SECONDS = 0.5
GRADES_PATH = "formgrader/api/classroom/grades"
_NOT_EXPORTED = "The grades were not exported"


class _NoGrades(Exception):
    """The formgrader sent no grades: a status, and a sentence for the user."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class GradeFiles:
    """The handlers of the export."""

    def __init__(
        self,
        site: Site,
        formgraders: Formgraders,
        sign_in: SignIn,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._site = site
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._audit = audit
        self._clock = clock

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        path = self._site.prefix + "courses/{course:[^/]+}/grades"
        app.router.add_get(path, self.page)
        app.router.add_get(path + ".csv", self.download)

    async def page(self, request: web.Request) -> web.Response:
        """GET courses/COURSE/grades: a form with the options."""
        identity = await self._sign_in.require(request)
        formgrader, _ = self._permit(request, identity)
        return render(request, "formgrader_grades.html", course=formgrader.course)

    async def download(self, request: web.Request) -> web.Response:
        """GET courses/COURSE/grades.csv"""
        identity = await self._sign_in.require(request, fresh=True)
        formgrader, role = self._permit(request, identity)
        try:
            options = read_options(request.query)
        except ConfigError as error:
            return error_response(request, 400, "; ".join(error.problems), title=_NOT_EXPORTED)
        change = Change(
            at=self._clock.now(),
            course=formgrader.course.id,
            user=identity.name,
            role=role.name.lower(),
            action="export",
            path=_path(request.query),
        )
        # No grades leave without an entry, and every entry gets its outcome.
        return await asyncio.shield(self._record(request, change, formgrader, options))

    def _permit(self, request: web.Request, identity: Identity) -> tuple[Formgrader, Role]:
        """The course's formgrader, for an instructor of the course."""
        formgrader = self._formgraders.get(request.match_info["course"])
        if formgrader is not None:
            role = role_in(identity, formgrader.course.groups, self._site.administrators)
            if role >= Role.INSTRUCTOR:
                return formgrader, role
        raise web.HTTPForbidden(text="Only an instructor of a course may export its grades.")

    async def _record(
        self, request: web.Request, change: Change, formgrader: Formgrader, options: Options
    ) -> web.Response:
        try:
            number = await self._audit.begin(change)
            response = await self._export(request, formgrader, options)
            await self._audit.finish(number, response.status)
        except StoreError:
            text = "The audit log is unavailable. Try again later."
            return error_response(request, 503, text, title=_NOT_EXPORTED)
        return response

    async def _export(
        self, request: web.Request, formgrader: Formgrader, options: Options
    ) -> web.Response:
        try:
            text = await asyncio.to_thread(export, await _read(formgrader), options)
        except _NoGrades as error:
            return error_response(request, error.status, str(error), title=_NOT_EXPORTED)
        except ConfigError as error:
            return error_response(request, 404, "; ".join(error.problems), title=_NOT_EXPORTED)
        name = file_name(formgrader.course.id, options)
        return web.Response(
            body=text.encode(),
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )


async def _read(formgrader: Formgrader) -> Grades:
    """All grades, from the course's formgrader. It is started if it does not run.

    :raises _NoGrades: with what to show
    """
    try:
        upstream = await _started(formgrader)
        with formgrader.in_use(upstream):
            async with upstream.session.get(
                f"{upstream.origin}{formgrader.base_url}{GRADES_PATH}",
                headers=upstream.authorization,
                timeout=aiohttp.ClientTimeout(total=READ_SECONDS),
                allow_redirects=False,
            ) as response:
                body = await read_completely(response)
    except TimeoutError:
        text = "The course's formgrader is busy. Try again in a few minutes."
        raise _NoGrades(504, text) from None
    except (UpstreamUnreachable, aiohttp.ClientError, OSError):
        text = "The course's formgrader cannot be reached. Try again in a moment."
        raise _NoGrades(502, text) from None
    if response.status == 200:
        try:
            return await asyncio.to_thread(msgspec.json.decode, body, type=Grades)
        except msgspec.MsgspecError:
            pass
    if response.status == 409:
        raise _NoGrades(404, "The course has no gradebook yet, so there are no grades.")
    if response.status in {200, 404} and not formgrader.course.managed:
        raise _NoGrades(
            501,
            "The formgrader of this course runs elsewhere and cannot export its grades here. Use"
            " nbgrader export in the course's directory.",
        )
    raise _NoGrades(502, "The gradebook cannot be read. The formgrader's log has the reason.")


async def _started(formgrader: Formgrader) -> Upstream:
    """A process that can send the grades.

    :raises _NoGrades: there is none in time, or the course is broken
    """
    waiting = asyncio.ensure_future(formgrader.until_ready(Work.PAGES, START_SECONDS))
    try:
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=LOOK_SECONDS)
            finding = formgrader.finding
            if not waiting.done() and finding is not None and formgrader.state == State.PAUSING:
                raise _NoGrades(503, finding.text)
        upstream = await waiting
    finally:
        waiting.cancel()
    if upstream is None:
        text = "The course's formgrader does not start. Open the course to see the reason."
        raise _NoGrades(503, text)
    return upstream


def _path(query: Mapping[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return "grades.csv" + (f"?{urlencode(given)}" if given else "")
