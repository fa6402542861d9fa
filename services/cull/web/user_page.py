"""The page of own servers, and all pages put together. All work without scripts."""

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from common.oauth.sign_in import SignIn
from common.web.application import PREFIX
from common.web.pages import PAGES, add_templates
from services.cull.store.records import ExtensionRefused
from services.cull.web.actions import Desk, Viewer
from services.cull.web.admin_pages import AdminPages
from services.cull.web.api.handlers import Api
from services.cull.web.forms import BadInput, is_name, parse_time
from services.cull.web.pages import Pages, answer_errors, sentence
from services.cull.web.presentation import from_now, utc

if TYPE_CHECKING:
    from common.hub.client import HubClient
    from services.cull.store.store import CullStore
    from services.cull.web.actions import Passes


def setup_pages(
    app: web.Application,
    *,
    culler: "Passes",
    store: "CullStore",
    sign_in: SignIn,
    hub: "HubClient",
    admin_groups: frozenset[str] = frozenset(),
) -> None:
    """Add the culler's pages and its JSON API to ``app``, made by create_app.

    admin_groups: whose members see and hold everything; see access.py.
    """
    desk = Desk(culler=culler, store=store, hub=hub, admin_groups=admin_groups)
    add_templates(app, "services.cull.web", "cull")
    app[PAGES].environment.filters.update(utc=utc, from_now=from_now, query_string=urlencode)
    app.middlewares.append(answer_errors)
    OwnPages(desk, sign_in).setup(app)
    AdminPages(desk, sign_in).setup(app)
    Api(desk, sign_in).setup(app)


class OwnPages(Pages):
    """Own servers, and the button that keeps them running."""

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        app.router.add_get(app[PREFIX], self.home)
        app.router.add_post(app[PREFIX] + "extend", self.extend)

    async def home(self, request: web.Request) -> web.Response:
        """Own servers."""
        viewer = await self.viewer(request)
        said = "It keeps running." if "extended" in request.query else ""
        return await self._home(request, viewer, said=said)

    async def extend(self, request: web.Request) -> web.Response:
        """The button "Keep running"."""
        viewer = await self.viewer(request, fresh=True)
        form = await request.post()
        user, server = form.get("user", viewer.name), form.get("server")
        if not isinstance(user, str) or not is_name(user):
            raise BadInput(["user: no name of a user"])
        if not isinstance(server, str) or not is_name(server):
            raise BadInput(["server: no name of a server"])
        try:
            offered = parse_time(form.get("offered"))
            await self.desk.extend(viewer, user, server, offered=offered)
        except ExtensionRefused as error:
            return await self._home(
                request, viewer, status=409, refused=sentence(error), again_at=error.again_at
            )
        raise web.HTTPSeeOther(self.to(request, "", extended="1"))

    async def _home(
        self,
        request: web.Request,
        viewer: Viewer,
        *,
        status: int = 200,
        said: str = "",
        refused: str = "",
        again_at: datetime | None = None,
    ) -> web.Response:
        return self.render(
            request,
            viewer,
            "cull_home.html",
            status=status,
            servers=await self.desk.own(viewer),
            said=said,
            refused=refused,
            again_at=again_at,
        )
