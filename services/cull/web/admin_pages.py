"""The pages for administrators. All work without scripts."""

from typing import Any

from aiohttp import web

from common.web.application import PREFIX
from services.cull.store.records import HoldKind
from services.cull.web.actions import Viewer
from services.cull.web.forms import (
    BadInput,
    ListQuery,
    Show,
    parse_audit,
    parse_hold,
    parse_id,
    parse_list,
)
from services.cull.web.pages import Pages
from services.cull.web.presentation import audit_list, hold_view, pass_list, policy_view

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


class AdminPages(Pages):
    """Everybody's servers, holds, history and rules."""

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        prefix = app[PREFIX]
        app.router.add_get(prefix + "servers", self.servers)
        app.router.add_get(prefix + "holds", self.holds)
        app.router.add_post(prefix + "holds", self.hold)
        app.router.add_post(prefix + "release", self.release)
        app.router.add_get(prefix + "history", self.history)
        app.router.add_get(prefix + "rules", self.rules)

    async def servers(self, request: web.Request) -> web.Response:
        """Everybody's servers."""
        viewer = await self._admin(request)
        query = parse_list(request.query)
        found = await self.desk.everybody(query)

        def link(**changes: Any) -> str:
            return str(self.to(request, "servers", **_written(query) | changes))

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
            rules=[rule.name for rule in policy_view(self.desk.policy()).rules],
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
            await self.desk.hold(viewer, parse_hold(fields, self.desk.now()))
        except BadInput as error:
            return await self._holds(
                request, viewer, form=form, problems=error.problems, status=400
            )
        raise web.HTTPSeeOther(self.to(request, "holds", said="held"))

    async def release(self, request: web.Request) -> web.Response:
        """The button that ends a hold; one that is gone already is what was wanted."""
        viewer = await self._admin(request, fresh=True)
        await self.desk.release(viewer, parse_id(str((await request.post()).get("id", ""))))
        raise web.HTTPSeeOther(self.to(request, "holds", said="released"))

    async def history(self, request: web.Request) -> web.Response:
        """The last passes, and the audit log."""
        viewer = await self._admin(request)
        limit, before = parse_audit(request.query)
        audit = audit_list(await self.desk.audit_log(limit, before), limit)
        return self.render(
            request,
            viewer,
            "cull_history.html",
            passes=pass_list(self.desk.passes()).passes,
            events=audit.events,
            next_before=audit.next_before,
        )

    async def rules(self, request: web.Request) -> web.Response:
        """The rules in force."""
        viewer = await self._admin(request)
        rules = policy_view(self.desk.policy()).rules
        return self.render(request, viewer, "cull_rules.html", rules=rules)

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
        return self.render(
            request,
            viewer,
            "cull_holds.html",
            status=status,
            holds=[hold_view(hold) for hold in await self.desk.holds()],
            form=kept | {"hours": form.get("hours", "4")},
            kinds=_KINDS,
            durations=_DURATIONS,
            problems=problems,
            said=said,
        )

    async def _admin(self, request: web.Request, *, fresh: bool = False) -> Viewer:
        viewer = await self.viewer(request, fresh=fresh)
        viewer.require_admin()
        return viewer


def _written(query: ListQuery) -> dict[str, Any]:
    """The query as it would stand in an address."""
    sort = f"{'-' if query.descending else ''}{query.sort.value}"
    fields = {"q": query.text, "rule": query.rule, "show": query.show.value, "sort": sort}
    return fields | {"page": query.page}
