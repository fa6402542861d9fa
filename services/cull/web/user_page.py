"""The user's own page: their servers, when they stop, and "Keep running". Works without scripts."""

from datetime import datetime

from aiohttp import web

from common.web.application import PREFIX
from services.cull.policy.reasons import as_sentence
from services.cull.store.records import ExtensionRefused
from services.cull.web.access import Viewer, Viewers
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import InvalidInput, is_name, parse_time
from services.cull.web.keep_running import KeepRunning
from services.cull.web.pages import PageHandlers
from services.cull.web.servers import Servers


class UserPage(PageHandlers):
    """The start page."""

    def __init__(
        self, viewers: Viewers, state: CullerState, servers: Servers, keep_running: KeepRunning
    ) -> None:
        super().__init__(viewers, state)
        self._servers = servers
        self._keep_running = keep_running

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get(app[PREFIX], self.show)
        app.router.add_post(app[PREFIX] + "extend", self.extend)

    async def show(self, request: web.Request) -> web.Response:
        """The viewer's servers."""
        viewer = await self.viewers.viewer(request)
        extended = "extended" in request.query
        return await self._show(
            request, viewer, notice="Your server will keep running." if extended else ""
        )

    async def extend(self, request: web.Request) -> web.Response:
        """The button "Keep running"."""
        viewer = await self.viewers.viewer(request, fresh=True)
        form = await request.post()
        user, server = form.get("user", viewer.name), form.get("server")
        if not isinstance(user, str) or not is_name(user):
            raise InvalidInput(["user: not a valid user name"])
        if not isinstance(server, str) or not is_name(server):
            raise InvalidInput(["server: not a valid server name"])
        try:
            offered = parse_time(form.get("offered"))
            await self._keep_running.extend(viewer, user, server, offered=offered)
        except ExtensionRefused as error:
            return await self._show(
                request,
                viewer,
                status=409,
                refusal=as_sentence(str(error)),
                again_at=error.again_at,
            )
        raise web.HTTPSeeOther(self.url(request, "", extended="1"))

    async def _show(
        self,
        request: web.Request,
        viewer: Viewer,
        *,
        status: int = 200,
        notice: str = "",
        refusal: str = "",
        again_at: datetime | None = None,
    ) -> web.Response:
        return self.render(
            request,
            viewer,
            "cull_user.html",
            status=status,
            servers=await self._servers.own(viewer),
            notice=notice,
            refusal=refusal,
            again_at=again_at,
        )
