"""The pages for administrators: all servers, holds, history, rules. They work without scripts."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from common.web.application import PREFIX
from services.cull.store.records import HoldKind
from services.cull.web.access import Viewer, Viewers
from services.cull.web.api.views import audit_list, hold_view, pass_list, policy_view
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import (
    InvalidInput,
    ServerFilter,
    ServerQuery,
    SortKey,
    parse_audit_query,
    parse_hold,
    parse_hold_id,
    parse_server_query,
)
from services.cull.web.holds import Holds
from services.cull.web.pages import PageHandlers
from services.cull.web.servers import Servers

if TYPE_CHECKING:
    from services.cull.store.store import CullStore

_FILTERS = (
    (ServerFilter.ALL, "all servers"),
    (ServerFilter.WILL_STOP, "servers that will stop"),
    (ServerFilter.WILL_NOT_STOP, "servers that will not stop"),
    (ServerFilter.HELD, "servers with a hold"),
    (ServerFilter.EXTENDED, "extended servers"),
)
_COLUMNS = (
    (SortKey.USER, "User"),
    (SortKey.SERVER, "Server"),
    (SortKey.STATE, "State"),
    (SortKey.LAST_ACTIVITY, "Last active"),
    (SortKey.STOPS_AT, "Stops"),
    (SortKey.RULE, "Rule"),
)
_KINDS = (
    (HoldKind.SERVER, "one server"),
    (HoldKind.USER, "all servers of a user"),
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
_NOTICES = {"held": "The hold has been added.", "released": "The hold has been released."}


class AdminPages(PageHandlers):
    """The pages that only administrators can open."""

    def __init__(
        self,
        viewers: Viewers,
        state: CullerState,
        servers: Servers,
        holds: Holds,
        store: "CullStore",
    ) -> None:
        super().__init__(viewers, state)
        self._servers = servers
        self._holds = holds
        self._store = store

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        prefix = app[PREFIX]
        app.router.add_get(prefix + "servers", self.servers)
        app.router.add_get(prefix + "holds", self.holds)
        app.router.add_post(prefix + "holds", self.hold)
        app.router.add_post(prefix + "release", self.release)
        app.router.add_get(prefix + "history", self.history)
        app.router.add_get(prefix + "rules", self.rules)

    async def servers(self, request: web.Request) -> web.Response:
        """The servers of all users."""
        viewer = await self.viewers.admin(request)
        query = parse_server_query(request.query)
        found = await self._servers.all(query)

        def link(**changes: Any) -> str:
            return str(self.url(request, "servers", **_url_fields(query) | changes))

        return self.render(
            request,
            viewer,
            "cull_servers.html",
            servers=found.servers,
            total=found.total,
            page=found.page,
            pages=found.pages,
            as_of=found.as_of,
            query=query,
            rules=[rule.name for rule in self.state.policy().rules],
            filters=_FILTERS,
            columns=_COLUMNS,
            link=link,
        )

    async def holds(self, request: web.Request) -> web.Response:
        """The holds in force, and the form to add one."""
        viewer = await self.viewers.admin(request)
        notice = _NOTICES.get(request.query.get("said", ""), "")
        return await self._show_holds(request, viewer, form=request.query, notice=notice)

    async def hold(self, request: web.Request) -> web.Response:
        """The form that adds a hold."""
        viewer = await self.viewers.admin(request, fresh=True)
        form = dict(await request.post())
        fields = {key: value for key, value in form.items() if value != ""}
        if fields.get("until") or fields.get("until_utc"):
            fields.pop("hours", None)  # the form always sends hours; an end time overrides them
        try:
            await self._holds.add(viewer, parse_hold(fields, self.state.now()))
        except InvalidInput as error:
            return await self._show_holds(
                request, viewer, form=form, problems=error.problems, status=400
            )
        raise web.HTTPSeeOther(self.url(request, "holds", said="held"))

    async def release(self, request: web.Request) -> web.Response:
        """The button that releases a hold; releasing one that has ended is not an error."""
        viewer = await self.viewers.admin(request, fresh=True)
        hold_id = parse_hold_id(str((await request.post()).get("id", "")))
        await self._holds.release(viewer, hold_id)
        raise web.HTTPSeeOther(self.url(request, "holds", said="released"))

    async def history(self, request: web.Request) -> web.Response:
        """The last passes and the audit log."""
        viewer = await self.viewers.admin(request)
        limit, before = parse_audit_query(request.query)
        audit = audit_list(await self._store.audit_log(limit, before_id=before), limit)
        return self.render(
            request,
            viewer,
            "cull_history.html",
            passes=pass_list(self.state.passes()).passes,
            events=audit.events,
            next_before=audit.next_before,
        )

    async def rules(self, request: web.Request) -> web.Response:
        """The rules in force."""
        viewer = await self.viewers.admin(request)
        rules = policy_view(self.state.policy()).rules
        return self.render(request, viewer, "cull_rules.html", rules=rules)

    async def _show_holds(
        self,
        request: web.Request,
        viewer: Viewer,
        *,
        form: Any,
        notice: str = "",
        problems: tuple[str, ...] = (),
        status: int = 200,
    ) -> web.Response:
        fields = {key: form.get(key, "") for key in ("kind", "name", "server", "until", "why")}
        return self.render(
            request,
            viewer,
            "cull_holds.html",
            status=status,
            holds=[hold_view(hold) for hold in await self._holds.list()],
            form=fields | {"hours": form.get("hours", "4")},
            kinds=_KINDS,
            durations=_DURATIONS,
            problems=problems,
            notice=notice,
        )


def _url_fields(query: ServerQuery) -> dict[str, Any]:
    """The query as the fields of an address."""
    return {
        "q": query.text,
        "rule": query.rule,
        "show": query.show.value,
        "sort": f"{'-' if query.descending else ''}{query.sort.value}",
        "page": query.page,
    }
