"""The pages. Handlers parse, call and render; desk.py does the rest. All work without scripts."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from common import error_pages
from common.oauth import SignIn
from common.pages import PAGES, add_templates, render
from common.web import PREFIX
from services.cull.api import Api
from services.cull.desk import Desk, NotAllowed, NotThere, Viewer
from services.cull.inputs import (
    BadInput,
    ListQuery,
    Show,
    is_name,
    parse_audit,
    parse_hold,
    parse_id,
    parse_list,
    parse_time,
)
from services.cull.presentation import (
    audit_list,
    from_now,
    hold_view,
    pass_list,
    policy_view,
    utc,
)
from services.cull.records import ExtensionRefused, HoldKind, StoreError

if TYPE_CHECKING:
    from common.hub import HubClient
    from services.cull.desk import Passes
    from services.cull.holds import HoldStore

log = logging.getLogger("cull")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SHOWS = (
    (Show.ALL, "all servers"),
    (Show.STOPPING, "those that will stop"),
    (Show.KEPT, "those that will not"),
    (Show.HELD, "held ones"),
    (Show.EXTENDED, "extended ones"),
)
_KINDS = (
    (HoldKind.SERVER, "a server"),
    (HoldKind.USER, "all of a user's servers"),
    (HoldKind.GROUP, "all servers of a group"),
)
_DURATIONS = (
    ("1", "1 hour"),
    ("4", "4 hours"),
    ("12", "12 hours"),
    ("24", "1 day"),
    ("72", "3 days"),
    ("168", "1 week"),
)


def setup_pages(
    app: web.Application,
    *,
    culler: "Passes",
    store: "HoldStore",
    sign_in: SignIn,
    hub: "HubClient",
    admin_groups: frozenset[str] = frozenset(),
) -> None:
    """Add the culler's pages and its JSON API to an application of common.web.create_app.

    admin_groups: whose members see and hold everything; see access.py.
    """
    desk = Desk(culler=culler, store=store, hub=hub, admin_groups=admin_groups)
    add_templates(app, "services.cull")
    app[PAGES].environment.filters.update(utc=utc, from_now=from_now, query_string=urlencode)
    app.middlewares.append(_errors)
    Views(desk, sign_in).setup(app)
    Api(desk, sign_in).setup(app)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what our own code raises on purpose."""
    try:
        return await handler(request)
    except BadInput as error:
        return error_pages.answer(
            request,
            400,
            "; ".join(error.problems),
            title="This cannot be used",
            problems=list(error.problems),
        )
    except NotAllowed as error:
        raise web.HTTPForbidden(text=str(error)) from None
    except NotThere as error:
        raise web.HTTPNotFound(text=str(error)) from None
    except ExtensionRefused as error:
        again = utc(error.again_at) if error.again_at else None
        return error_pages.answer(
            request, 409, _sentence(error), title="No further extension", again_at=again
        )
    except StoreError as error:
        # The log says which database; a visitor need not know.
        log.warning("%s", error)
        return error_pages.answer(
            request,
            503,
            "Try again in a moment.",
            title="The database is not there right now",
            headers={"Retry-After": "5"},
        )


class Views:
    """The handlers of the pages and their forms."""

    def __init__(self, desk: Desk, sign_in: SignIn) -> None:
        self._desk = desk
        self._sign_in = sign_in

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        prefix = app[PREFIX]
        app.router.add_get(prefix, self.home)
        app.router.add_post(prefix + "extend", self.extend)
        app.router.add_get(prefix + "servers", self.servers)
        app.router.add_get(prefix + "holds", self.holds)
        app.router.add_post(prefix + "holds", self.hold)
        app.router.add_post(prefix + "release", self.release)
        app.router.add_get(prefix + "history", self.history)
        app.router.add_get(prefix + "rules", self.rules)

    async def home(self, request: web.Request) -> web.Response:
        """Own servers."""
        viewer = await self._viewer(request)
        said = "It keeps running." if "extended" in request.query else ""
        return await self._home(request, viewer, said=said)

    async def extend(self, request: web.Request) -> web.Response:
        """The button "Keep running"."""
        viewer = await self._viewer(request, fresh=True)
        form = await request.post()
        user, server = form.get("user", viewer.name), form.get("server")
        if not isinstance(user, str) or not is_name(user):
            raise BadInput(["user: no name of a user"])
        if not isinstance(server, str) or not is_name(server):
            raise BadInput(["server: no name of a server"])
        try:
            offered = parse_time(form.get("offered"))
            await self._desk.extend(viewer, user, server, offered=offered)
        except ExtensionRefused as error:
            return await self._home(
                request, viewer, status=409, refused=_sentence(error), again_at=error.again_at
            )
        raise web.HTTPSeeOther(self._to(request, "", extended="1"))

    async def servers(self, request: web.Request) -> web.Response:
        """Everybody's servers."""
        viewer = await self._admin(request)
        query = parse_list(request.query)
        found = await self._desk.everybody(query)

        def link(**changes: Any) -> str:
            return str(self._to(request, "servers", **_written(query) | changes))

        return self._render(
            request,
            viewer,
            "cull_servers.html",
            servers=found.servers,
            total=found.total,
            page=found.page,
            pages=found.pages,
            as_of=found.as_of,
            query=query,
            rules=[rule.name for rule in policy_view(self._desk.policy()).rules],
            shows=_SHOWS,
            link=link,
        )

    async def holds(self, request: web.Request) -> web.Response:
        """The holds in force, and a form for a new one."""
        viewer = await self._admin(request)
        said = {"held": "It is held.", "released": "It is held no more."}
        return await self._holds(
            request, viewer, form=request.query, said=said.get(request.query.get("said", ""), "")
        )

    async def hold(self, request: web.Request) -> web.Response:
        """The form for a new hold."""
        viewer = await self._admin(request, fresh=True)
        form = dict(await request.post())
        fields = {key: value for key, value in form.items() if value != ""}
        if fields.get("until") or fields.get("until_utc"):
            fields.pop("hours", None)  # the form always sends one; a time goes before it
        try:
            await self._desk.hold(viewer, parse_hold(fields, self._desk.now()))
        except BadInput as error:
            return await self._holds(
                request, viewer, form=form, problems=error.problems, status=400
            )
        raise web.HTTPSeeOther(self._to(request, "holds", said="held"))

    async def release(self, request: web.Request) -> web.Response:
        """The button that ends a hold; one that is gone already is what was wanted."""
        viewer = await self._admin(request, fresh=True)
        await self._desk.release(viewer, parse_id(str((await request.post()).get("id", ""))))
        raise web.HTTPSeeOther(self._to(request, "holds", said="released"))

    async def history(self, request: web.Request) -> web.Response:
        """The last passes, and the audit log."""
        viewer = await self._admin(request)
        limit, before = parse_audit(request.query)
        audit = audit_list(await self._desk.audit_log(limit, before), limit)
        return self._render(
            request,
            viewer,
            "cull_history.html",
            passes=pass_list(self._desk.passes()).passes,
            events=audit.events,
            next_before=audit.next_before,
        )

    async def rules(self, request: web.Request) -> web.Response:
        """The rules in force."""
        viewer = await self._admin(request)
        rules = policy_view(self._desk.policy()).rules
        return self._render(request, viewer, "cull_rules.html", rules=rules)

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
        return self._render(
            request,
            viewer,
            "cull_home.html",
            status=status,
            servers=await self._desk.own(viewer),
            said=said,
            refused=refused,
            again_at=again_at,
        )

    async def _holds(
        self,
        request: web.Request,
        viewer: Viewer,
        *,
        form: Any,
        said: str = "",
        problems: tuple[str, ...] = (),
        status: int = 200,
    ) -> web.Response:
        kept = {key: form.get(key, "") for key in ("kind", "name", "server", "until", "why")}
        return self._render(
            request,
            viewer,
            "cull_holds.html",
            status=status,
            holds=[hold_view(hold) for hold in await self._desk.holds()],
            form=kept | {"hours": form.get("hours", "4")},
            kinds=_KINDS,
            durations=_DURATIONS,
            problems=problems,
            said=said,
        )

    def _render(
        self,
        request: web.Request,
        viewer: Viewer,
        template: str,
        *,
        status: int = 200,
        **context: Any,
    ) -> web.Response:
        prefix = request.app[PREFIX]
        pages = [("Your servers", "")]
        if viewer.admin:
            pages += [
                ("All servers", "servers"),
                ("Holds", "holds"),
                ("History", "history"),
                ("Rules", "rules"),
            ]
        nav = [(label, prefix + path) for label, path in pages]
        return render(request, template, status=status, nav=nav, now=self._desk.now(), **context)

    async def _viewer(self, request: web.Request, *, fresh: bool = False) -> Viewer:
        return await self._desk.viewer(await self._sign_in.require(request, fresh=fresh))

    async def _admin(self, request: web.Request, *, fresh: bool = False) -> Viewer:
        viewer = await self._viewer(request, fresh=fresh)
        viewer.require_admin()
        return viewer

    def _to(self, request: web.Request, path: str, /, **query: Any) -> URL:
        tail = f"?{urlencode(query)}" if query else ""
        return URL(f"{request.app[PREFIX]}{path}{tail}", encoded=True)


def _written(query: ListQuery) -> dict[str, Any]:
    """The query as it would stand in an address."""
    sort = f"{'-' if query.descending else ''}{query.sort.value}"
    fields = {"q": query.text, "rule": query.rule, "show": query.show.value, "sort": sort}
    return fields | {"page": query.page}


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."
