"""The audit log of a course, as a page and as CSV, for its instructors."""

from collections.abc import Iterable, Sequence

from aiohttp import web

from common.csv_table import csv_rows
from common.oauth.sign_in import SignIn
from common.web.pages import render
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders

CSV_HEADER = ("when", "who", "role", "action", "path", "fields", "status", "succeeded")


class AuditPages:
    """The handlers of the audit log's addresses."""

    def __init__(self, site: Site, formgraders: Formgraders, sign_in: SignIn, audit: Audit) -> None:
        self._site = site
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._audit = audit

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        prefix = self._site.prefix
        app.router.add_get(prefix + "audit/{course:[^/]+}.csv", self.download)
        app.router.add_get(prefix + "audit/{course:[^/]+}", self.page)

    async def page(self, request: web.Request) -> web.Response:
        """GET audit/COURSE: the newest changes."""
        formgrader = await self._formgrader(request)
        changes = await self._audit.newest(formgrader.course.id)
        return render(
            request,
            "formgrader_audit.html",
            course=formgrader.course,
            changes=changes,
            outcome=_outcome,
        )

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET audit/COURSE.csv: every change, streamed from the database."""
        formgrader = await self._formgrader(request)
        name = f"audit-{formgrader.course.id}.csv"
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        await response.prepare(request)
        await response.write(_csv_lines([CSV_HEADER]))
        async for changes in self._audit.every(formgrader.course.id):
            await response.write(_csv_lines(_csv_row(change) for change in changes))
        await response.write_eof()
        return response

    async def _formgrader(self, request: web.Request) -> Formgrader:
        """The formgrader of the requested course, for an instructor of that course."""
        identity = await self._sign_in.require(request)
        formgrader = self._formgraders.get(request.match_info["course"])
        administrators = self._site.administrators
        if (
            formgrader is None
            or role_in(identity, formgrader.course.groups, administrators) < Role.INSTRUCTOR
        ):
            raise web.HTTPForbidden(text="Only an instructor of a course may read its audit log.")
        return formgrader


def _outcome(change: Change) -> str:
    if change.status is None:
        return "unknown"
    if change.status >= 400:
        return f"refused by nbgrader ({change.status})"
    return "failed" if change.succeeded is False else "done"


def _csv_row(change: Change) -> tuple[str, ...]:
    return (
        change.at.isoformat(),
        change.user,
        change.role,
        change.action,
        change.path,
        " ".join(change.fields),
        "" if change.status is None else str(change.status),
        "" if change.succeeded is None else ("yes" if change.succeeded else "no"),
    )


def _csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    return csv_rows(rows, newline="\r\n").encode()
