"""``api/courses``: the courses of a user, as JSON; the home page shows the same list."""

import asyncio
from dataclasses import dataclass

import aiohttp
import msgspec
from aiohttp import web

from common.oauth.sign_in import Identity, SignIn
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.upstream.endpoint import UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders

#: The list of courses waits no longer than this for a formgrader that is busy.
COUNT_SECONDS = 2.0
_ROLES = {Role.GRADER: "a grader", Role.INSTRUCTOR: "an instructor", Role.ADMIN: "an administrator"}


@dataclass(frozen=True)
class CourseSummary:
    """One course in a user's list. The counts are None while they are unknown."""

    id: str
    title: str
    role: str
    state: str
    trouble: str | None
    may_read_audit: bool
    may_read_log: bool
    assignments: int | None
    submissions: int | None


class Api:
    """The handlers of the JSON API."""

    def __init__(self, site: Site, formgraders: Formgraders, sign_in: SignIn) -> None:
        self._site = site
        self._formgraders = formgraders
        self._sign_in = sign_in

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get(self._site.prefix + "api/courses", self.courses)

    async def courses(self, request: web.Request) -> web.Response:
        """GET api/courses."""
        identity = await self._sign_in.require(request)
        summaries = await summarize_courses(self._site, self._formgraders, identity)
        body = msgspec.json.encode(summaries)
        return web.Response(body=body, content_type="application/json")


async def summarize_courses(
    site: Site, formgraders: Formgraders, user: Identity
) -> list[CourseSummary]:
    """The courses in which the user has a role, from the current courses file."""
    await formgraders.refresh()
    own = [
        (formgrader, role)
        for formgrader in formgraders.all()
        if (role := role_in(user, formgrader.course.groups, site.administrators)) is not Role.NOBODY
    ]
    counts = await asyncio.gather(*(_count(formgrader) for formgrader, _ in own))
    return [
        CourseSummary(
            id=formgrader.course.id,
            title=formgrader.course.title,
            role=_ROLES[role],
            state=formgrader.state,
            trouble=formgrader.trouble,
            may_read_audit=role >= Role.INSTRUCTOR,
            may_read_log=role is Role.ADMIN and formgrader.pool is not None,
            assignments=count[0] if count else None,
            submissions=count[1] if count else None,
        )
        for (formgrader, role), count in zip(own, counts, strict=True)
    ]


class _Assignment(msgspec.Struct):
    num_submissions: int = 0


async def _count(formgrader: Formgrader) -> tuple[int, int] | None:
    """The numbers of assignments and submissions; None if no formgrader reports them now."""
    if formgrader.pool is not None and not formgrader.pool.serves(Work.PAGES):
        return None
    try:
        upstream = formgrader.ready()
        if upstream is None:
            return None
        with formgrader.in_use(upstream):
            async with upstream.session.get(
                f"{upstream.origin}{formgrader.base_url}formgrader/api/assignments",
                headers=upstream.authorization,
                timeout=aiohttp.ClientTimeout(total=COUNT_SECONDS),
                allow_redirects=False,
            ) as response:
                found = msgspec.json.decode(await response.read(), type=list[_Assignment])
    except (
        UpstreamUnreachable,
        aiohttp.ClientError,
        OSError,
        TimeoutError,
        msgspec.MsgspecError,
    ):
        return None
    return len(found), sum(assignment.num_submissions for assignment in found)
