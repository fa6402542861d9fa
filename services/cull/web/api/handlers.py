"""The JSON API below ``api/``: handlers parse the request, call, and respond."""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from common.web.application import PREFIX
from services.cull.web.access import Viewers
from services.cull.web.api import types as api_types
from services.cull.web.api.openapi import describe
from services.cull.web.api.views import audit_list, hold_view, pass_list, policy_view
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import (
    InvalidInput,
    is_name,
    parse_audit_query,
    parse_hold,
    parse_hold_id,
    parse_server_query,
)
from services.cull.web.holds import Holds
from services.cull.web.keep_running import KeepRunning
from services.cull.web.servers import Servers

if TYPE_CHECKING:
    from services.cull.store.store import CullStore


class Api:
    """The handlers. Each first checks who sends the request."""

    def __init__(
        self,
        viewers: Viewers,
        state: CullerState,
        servers: Servers,
        keep_running: KeepRunning,
        holds: Holds,
        store: "CullStore",
    ) -> None:
        self._viewers = viewers
        self._state = state
        self._servers = servers
        self._keep_running = keep_running
        self._holds = holds
        self._store = store

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        api = app[PREFIX] + "api/"
        description = json.dumps(describe(app[PREFIX], _version()), indent=1)

        async def openapi(_request: web.Request) -> web.Response:
            return web.Response(text=description, content_type="application/json")

        app.router.add_get(api + "openapi.json", openapi)
        app.router.add_get(api + "servers", self.servers)
        # Not {user}: that matches no braces, which a name may contain.
        app.router.add_post(api + "servers/{user:[^/]+}/extend", self.extend)
        app.router.add_post(api + "servers/{user:[^/]+}/{server:[^/]+}/extend", self.extend)
        app.router.add_get(api + "holds", self.holds)
        app.router.add_post(api + "holds", self.hold)
        app.router.add_delete(api + "holds/{id}", self.release)
        app.router.add_get(api + "passes", self.passes)
        app.router.add_get(api + "audit", self.audit)
        app.router.add_get(api + "policy", self.policy)

    async def servers(self, request: web.Request) -> web.Response:
        """GET api/servers: the viewer's servers, or with all=1 those of all users."""
        viewer = await self._viewers.viewer(request)
        wants_all = request.query.get("all", "")
        if wants_all not in ("", "0", "1"):
            raise InvalidInput(["all: must be 1, or left out"])
        query = parse_server_query(request.query)
        if wants_all == "1":
            viewer.require_admin()
            return _json(await self._servers.all(query))
        return _json(await self._servers.own_list(viewer, query))

    async def extend(self, request: web.Request) -> web.Response:
        """POST api/servers/USER/SERVER/extend."""
        viewer = await self._viewers.viewer(request, fresh=True)
        user, server = request.match_info["user"], request.match_info.get("server", "")
        if not is_name(user) or not is_name(server):
            raise InvalidInput(["path: not a valid user or server name"])
        return _json(await self._keep_running.extend(viewer, user, server))

    async def holds(self, request: web.Request) -> web.Response:
        """GET api/holds."""
        await self._viewers.admin(request)
        holds = await self._holds.list()
        return _json(api_types.HoldList(holds=[hold_view(hold) for hold in holds]))

    async def hold(self, request: web.Request) -> web.Response:
        """POST api/holds."""
        viewer = await self._viewers.admin(request, fresh=True)
        wanted = parse_hold(await _json_object(request), self._state.now())
        return _json(hold_view(await self._holds.add(viewer, wanted)), status=201)

    async def release(self, request: web.Request) -> web.Response:
        """DELETE api/holds/ID."""
        viewer = await self._viewers.admin(request, fresh=True)
        hold_id = parse_hold_id(request.match_info["id"])
        if await self._holds.release(viewer, hold_id) is None:
            raise web.HTTPNotFound(text="This hold does not exist or has ended.")
        return web.Response(status=204)

    async def passes(self, request: web.Request) -> web.Response:
        """GET api/passes."""
        await self._viewers.admin(request)
        return _json(pass_list(self._state.passes()))

    async def audit(self, request: web.Request) -> web.Response:
        """GET api/audit."""
        await self._viewers.auditor(request)
        limit, before = parse_audit_query(request.query)
        complete = self._state.audit_complete()  # before the events are read, which may be more
        events = await self._store.audit_log(limit, before_id=before)
        return _json(audit_list(events, limit, complete))

    async def policy(self, request: web.Request) -> web.Response:
        """GET api/policy."""
        await self._viewers.admin(request)
        return _json(policy_view(self._state.policy()))


async def _json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; raises InvalidInput."""
    try:
        value = await request.json()
    except (ValueError, RecursionError):
        raise InvalidInput(["body: must be valid JSON"]) from None
    if not isinstance(value, dict):
        raise InvalidInput(["body: must be a JSON object"])
    return value


def _json(value: msgspec.Struct, *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json")


def _version() -> str:
    try:
        return version("jupyterhub-classroom")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
