"""The JSON API below ``api/``. Handlers parse, call and answer; desk.py does the rest."""

import json
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from common.oauth.sign_in import SignIn
from common.web.application import PREFIX
from services.cull.web.api import types as api_types
from services.cull.web.api.openapi import describe
from services.cull.web.forms import (
    BadInput,
    is_name,
    parse_audit,
    parse_hold,
    parse_id,
    parse_list,
)
from services.cull.web.presentation import audit_list, hold_view, pass_list, policy_view

if TYPE_CHECKING:
    from services.cull.web.actions import Desk, Viewer

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Api:
    """The handlers, each with a check of who asks in front."""

    def __init__(self, desk: "Desk", sign_in: SignIn) -> None:
        self._desk = desk
        self._sign_in = sign_in

    def setup(self, app: web.Application) -> None:
        """Add the API's routes."""
        api = app[PREFIX] + "api/"
        description = json.dumps(describe(app[PREFIX], _version()), indent=1)

        async def openapi(_request: web.Request) -> web.Response:
            return web.Response(text=description, content_type="application/json")

        app.router.add_get(api + "openapi.json", openapi)
        app.router.add_get(api + "servers", self.servers)
        app.router.add_post(api + "servers/{user}/extend", self.extend)
        app.router.add_post(api + "servers/{user}/{server}/extend", self.extend)
        app.router.add_get(api + "holds", self.holds)
        app.router.add_post(api + "holds", self.hold)
        app.router.add_delete(api + "holds/{id}", self.release)
        app.router.add_get(api + "passes", self.passes)
        app.router.add_get(api + "audit", self.audit)
        app.router.add_get(api + "policy", self.policy)

    async def servers(self, request: web.Request) -> web.Response:
        """GET api/servers: own ones, or with all=1 everybody's."""
        viewer = await self._viewer(request)
        if request.query.get("all", "") not in ("", "0", "1"):
            raise BadInput(["all: 1, or leave it out"])
        query = parse_list(request.query)
        if request.query.get("all") == "1":
            viewer.require_admin()
            return _json(await self._desk.everybody(query))
        return _json(await self._desk.own_list(viewer, query))

    async def extend(self, request: web.Request) -> web.Response:
        """POST api/servers/USER/SERVER/extend."""
        viewer = await self._viewer(request, fresh=True)
        user, server = request.match_info["user"], request.match_info.get("server", "")
        if not is_name(user) or not is_name(server):
            raise BadInput(["the path: no name of a user or server"])
        return _json(await self._desk.extend(viewer, user, server))

    async def holds(self, request: web.Request) -> web.Response:
        """GET api/holds."""
        (await self._viewer(request)).require_admin()
        holds = await self._desk.holds()
        return _json(api_types.HoldList(holds=[hold_view(hold) for hold in holds]))

    async def hold(self, request: web.Request) -> web.Response:
        """POST api/holds."""
        viewer = await self._viewer(request, fresh=True)
        viewer.require_admin()
        wish = parse_hold(await _json_object(request), self._desk.now())
        made = await self._desk.hold(viewer, wish)
        return _json(hold_view(made), status=201)

    async def release(self, request: web.Request) -> web.Response:
        """DELETE api/holds/ID."""
        viewer = await self._viewer(request, fresh=True)
        viewer.require_admin()
        if await self._desk.release(viewer, parse_id(request.match_info["id"])) is None:
            raise web.HTTPNotFound(text="There is no such hold, or it has ended.")
        return web.Response(status=204)

    async def passes(self, request: web.Request) -> web.Response:
        """GET api/passes."""
        (await self._viewer(request)).require_admin()
        return _json(pass_list(self._desk.passes()))

    async def audit(self, request: web.Request) -> web.Response:
        """GET api/audit."""
        (await self._viewer(request)).require_admin()
        limit, before = parse_audit(request.query)
        return _json(audit_list(await self._desk.audit_log(limit, before), limit))

    async def policy(self, request: web.Request) -> web.Response:
        """GET api/policy."""
        (await self._viewer(request)).require_admin()
        return _json(policy_view(self._desk.policy()))

    async def _viewer(self, request: web.Request, *, fresh: bool = False) -> "Viewer":
        return await self._desk.viewer(await self._sign_in.require(request, fresh=fresh))


async def _json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; raises BadInput."""
    try:
        value = await request.json()
    except (ValueError, RecursionError):
        raise BadInput(["the body: must be JSON"]) from None
    if not isinstance(value, dict):
        raise BadInput(["the body: must be a JSON object"])
    return value


def _json(value: msgspec.Struct, *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json")


def _version() -> str:
    try:
        return version("jupyterhub-classroom")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
