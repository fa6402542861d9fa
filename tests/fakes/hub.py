"""A fake Hub: a real server on port 0 that can be made to fail.

It responds like JupyterHub 6.1 (``apihandlers/``) to all requests of the services. The contract
tests run the same cases with this Hub and with a real one.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import unquote, urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fakes.clock import START
from tests.fakes.faults import Fault, misbehave
from tests.fakes.people import FakeServer, FakeUser, as_written

PAGINATED = "application/jupyterhub-pagination+json"
ALL_SCOPES = ("list:users", "read:users", "read:servers", "delete:servers", "delete:users")

#: What needs no token.
OPEN = frozenset({"/hub/api/", "/hub/api/health", "/hub/metrics"})


@dataclass(frozen=True)
class Seen:
    """A request that was received."""

    method: str
    raw_path: str
    token: str
    accept: str
    body: str


class FakeHub:
    """``async with FakeHub() as hub``; ``hub.api_url`` is its API URL.

    ``now`` is the Hub's clock and sets every ``Date``. ``scopes`` are those of the token. With a
    ``version`` below 6 it does not return single servers; below 5 it does not sort users either.
    """

    token = "fake-service-token"

    def __init__(self, *, version: str = "6.1.1", now: datetime = START) -> None:
        self.version = version
        self.now: Callable[[], datetime] = lambda: now
        self.users: dict[str, FakeUser] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.scopes: list[str] = list(ALL_SCOPES)
        self.owner = "cull"
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.metrics_text: str | None = None
        self.default_page_size = 50
        self.max_page_size = 200
        self.stop_seconds = 0.0
        self.stopping = 0
        self.most_stopping = 0
        self.deleted_users: list[str] = []
        #: Users that listings count and leave out, as when rows change during the Hub's query.
        self.hidden: set[str] = set()
        self.stopped: list[tuple[str, str]] = []
        self.removed: list[tuple[str, str]] = []
        self.before: Callable[[web.Request], None] = lambda request: None
        self.release = asyncio.Event()
        self.app = web.Application(middlewares=[self._answer_as_the_hub])
        self.app.on_response_prepare.append(self._date)
        self._server: TestServer | None = None
        self.port = 0
        self._routes()

    # -- its life ---------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.release.set()
        await self.stop()

    async def start(self) -> None:
        """Start serving, on the previous port after a stop."""
        self._server = TestServer(self.app, port=self.port or None)
        await self._server.start_server(shutdown_timeout=0.1)
        self.port = self._server.port or 0

    async def stop(self) -> None:
        """Close the port, so that connections are refused."""
        if self._server is not None:
            await self._server.runner.cleanup()  # type: ignore[union-attr]  # started above
            self._server = None

    @property
    def _unknown_fields(self) -> tuple[str, ...]:
        """The fields of a server that this version does not have."""
        since_6 = () if self.major >= 6 else ("display_name",)
        since_5 = () if self.major >= 5 else ("full_name", "full_progress_url", "full_url")
        return (*since_6, *since_5)

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hub/api"

    # -- its contents -----------------------------------------------------------------

    def add_user(self, name: str, **fields: Any) -> FakeUser:
        user = FakeUser(name, **fields, user_info=self.major >= 6)
        self.users[name] = user
        for group in user.groups:
            self.groups.setdefault(group, {})
        return user

    def add_server(
        self,
        user: str,
        name: str = "",
        *,
        idle: float | None = 0.0,
        age: float = 7200.0,
        **fields: Any,
    ) -> FakeServer:
        """Add a running server, last active ``idle`` seconds ago, and its user if necessary.

        A real server reports its activity for the first time some seconds after its start.
        """
        now = self.now()
        age = age if idle is None else max(age, idle + 5)
        given: dict[str, Any] = {
            "started": now - timedelta(seconds=age),
            "last_activity": None if idle is None else now - timedelta(seconds=idle),
            "drop": self._unknown_fields,
        }
        server = FakeServer(name, **(given | fields))
        owner = self.users.get(user) or self.add_user(user)
        if owner.last_activity is None:
            owner.last_activity = server.last_activity
        owner.servers[name] = server
        return server

    def fail(self, kind: str, **fields: Any) -> Fault:
        """Add a fault for matching requests."""
        fault = Fault(kind, **fields)
        self.faults.append(fault)
        return fault

    def requests(self, method: str, part: str = "") -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method and part in seen.raw_path]

    # -- its answers ------------------------------------------------------------------

    def _routes(self) -> None:
        api = self.app.router
        api.add_get("/hub/api/", self._info)
        api.add_get("/hub/api/health", self._health)
        api.add_get("/hub/api/user", self._whoami)
        api.add_get("/hub/api/users", self._users)
        api.add_get("/hub/api/users/{user:[^/]+}", self._user)
        api.add_delete("/hub/api/users/{user:[^/]+}", self._delete_user)
        for path in (
            "/hub/api/users/{user:[^/]+}/server",
            "/hub/api/users/{user:[^/]+}/servers/{server:[^/]+}",
        ):
            api.add_get(path, self._one_server)
            api.add_delete(path, self._stop)
            api.add_post(path, self._start)
        api.add_get("/hub/api/groups", self._groups)
        api.add_get("/hub/api/groups/{group:[^/]+}", self._group)
        api.add_post("/hub/api/groups/{group:[^/]+}", self._create_group)
        api.add_get("/hub/metrics", self._metrics)

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(self.now().astimezone(UTC), usegmt=True)

    @web.middleware
    async def _answer_as_the_hub(self, request: web.Request, handler: Any) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("token ")
        body = (await request.read()).decode(errors="replace")
        accept = request.headers.get("Accept", "")
        self.seen.append(Seen(request.method, request.raw_path, token, accept, body))
        self.before(request)
        fault = next((fault for fault in self.faults if fault.matches(request)), None)
        if fault is not None:
            fault.times -= 1
            return await misbehave(fault, request, handler, self.release)
        if token != self.token and request.path not in OPEN:
            return _error(403, "Forbidden")
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        return answer

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self.version})

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _whoami(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"kind": "service", "name": self.owner, "admin": False, "scopes": self.scopes}
        )

    def _need(self, *scopes: str) -> None:
        if not set(scopes) & {scope.partition("!")[0] for scope in self.scopes}:
            raise web.HTTPForbidden(reason="Action is not authorized with current scopes")

    async def _users(self, request: web.Request) -> web.Response:
        self._need("list:users", "admin:users")
        users = list(self.users.values())
        state = request.query.get("state")
        if state == "active":
            users = [user for user in users if user.active]
        elif state == "inactive":
            users = [user for user in users if not user.active]
        elif state == "ready":
            # The real one asks its database for active ones, and drops the rest of a page.
            users = [user for user in users if user.active]
        elif state is not None:
            raise web.HTTPBadRequest(reason="Unrecognized state filter")
        sort = request.query.get("sort", "id") if self.major >= 5 else "id"
        field_name = sort.removeprefix("-")
        if field_name not in {"id", "name", "last_activity"}:
            raise web.HTTPBadRequest(reason="sort must be 'id', 'name', or 'last_activity'")
        if field_name != "id":  # in the order of which they are kept
            users.sort(key=lambda user: as_written(getattr(user, field_name)) or "")
        if sort.startswith("-"):
            users.reverse()
            users.sort(key=lambda user: field_name != "id" and getattr(user, field_name) is None)
        pattern = request.query.get("name_filter")
        if pattern:
            users = [user for user in users if pattern.lower() in user.name.lower()]
        return self._page(
            request, users, lambda user: user.model() if state != "ready" or user.ready else None
        )

    def _page(self, request: web.Request, items: list[Any], model: Any) -> web.Response:
        paginated = PAGINATED in request.headers.get("Accept", "")
        default = self.default_page_size if paginated else self.max_page_size
        try:
            offset = abs(int(request.query.get("offset", 0)))
            limit = max(1, min(abs(int(request.query.get("limit", default))), self.max_page_size))
        except ValueError:
            raise web.HTTPBadRequest(reason="offset and limit must be integers") from None
        shown = [model(item) for item in items[offset : offset + limit]]
        shown = [item for item in shown if item is not None and item.get("name") not in self.hidden]
        if not paginated:
            return web.json_response(shown)
        following = None
        if offset + limit < len(items):
            query = dict(request.query) | {"offset": str(offset + limit), "limit": str(limit)}
            url = f"http://{request.host}{request.path}?{urlencode(query)}"
            following = {"offset": offset + limit, "limit": limit, "url": url}
        about = {"offset": offset, "limit": limit, "total": len(items), "next": following}
        return web.json_response({"items": shown, "_pagination": about})

    def _find(self, request: web.Request) -> FakeUser:
        raw = request.raw_path.partition("?")[0].split("/")[4]
        user = self.users.get(unquote(raw))
        if user is None:
            raise web.HTTPNotFound
        return user

    def _find_server(
        self, request: web.Request, *, make_default: bool = False
    ) -> tuple[FakeUser, FakeServer]:
        user = self._find(request)
        parts = request.raw_path.partition("?")[0].split("/")
        name = unquote(parts[6]) if len(parts) > 6 else ""
        if make_default and not name:  # everybody has a default server, if only a stopped one
            user.servers.setdefault(name, FakeServer(ready=False))
        if name not in user.servers:
            raise web.HTTPNotFound
        return user, user.servers[name]

    async def _user(self, request: web.Request) -> web.Response:
        self._need("read:users", "admin:users")
        user = self._find(request)
        for server in list(user.servers.values()):
            self._step(user, server)
        return web.json_response(user.model())

    async def _one_server(self, request: web.Request) -> web.Response:
        if self.major < 6:
            raise web.HTTPMethodNotAllowed("GET", ["POST", "DELETE"])
        self._need("read:servers")
        user, server = self._find_server(request)
        model = server.model()
        self._step(user, server)
        return web.json_response(model)

    def _step(self, user: FakeUser, server: FakeServer) -> None:
        """Advance a slow stop by one read."""
        if server.pending == "stop" and server.slow_stop:
            server.slow_stop -= 1
            if server.slow_stop == 0:
                self._gone(user, server)

    def _gone(self, user: FakeUser, server: FakeServer) -> None:
        """Finish a stop; the server is deleted only if that was requested."""
        server.ready, server.pending = False, None
        if server.remove:
            user.servers.pop(server.name, None)
            self.removed.append((user.name, server.name))
        user.last_activity = server.last_activity = self.now()

    async def _stop(self, request: web.Request) -> web.Response:
        self._need("delete:servers", "servers", "admin:servers")
        user, server = self._find_server(request, make_default=True)
        body = await request.text()
        if body and json.loads(body).get("remove"):
            if not server.name:
                raise web.HTTPBadRequest(reason="Cannot delete the default server")
            server.remove = True
        if server.pending == "stop":
            return web.Response(status=202)
        if server.pending == "spawn" and self.major < 5:
            raise web.HTTPBadRequest(reason="x is pending spawn")
        if server.active:
            self.stopped.append((user.name, server.name))
            server.pending = "stop"
            self.stopping += 1
            self.most_stopping = max(self.most_stopping, self.stopping)
            try:
                await asyncio.sleep(self.stop_seconds)
            finally:
                self.stopping -= 1
            if server.slow_stop:
                return web.Response(status=202)
        if server.active or server.remove:
            self._gone(user, server)
        return web.Response(status=204)

    async def _start(self, request: web.Request) -> web.Response:
        self._need("servers", "start:servers", "admin:servers")
        user = self._find(request)
        parts = request.raw_path.partition("?")[0].split("/")
        name = unquote(parts[6]) if len(parts) > 6 else ""
        if name in user.servers and user.servers[name].active:
            raise web.HTTPBadRequest(reason="already running")
        body = await request.text()
        options = json.loads(body) if body else {}
        now = self.now()
        user.servers[name] = FakeServer(
            name,
            started=now,
            last_activity=now,
            user_options=options,
            drop=self._unknown_fields,
        )
        return web.Response(status=201)

    async def _delete_user(self, request: web.Request) -> web.Response:
        self._need("delete:users", "admin:users")
        user = self._find(request)
        if any(server.pending == "stop" for server in user.servers.values()):
            raise web.HTTPBadRequest(reason="in the process of stopping, please wait")
        del self.users[user.name]
        self.deleted_users.append(user.name)
        return web.Response(status=204)

    def _group_model(self, name: str) -> dict[str, Any]:
        members = [user.name for user in self.users.values() if name in user.groups]
        return {
            "kind": "group",
            "name": name,
            "users": members,
            "properties": self.groups[name],
            "roles": [],
        }

    async def _groups(self, request: web.Request) -> web.Response:
        self._need("list:groups", "read:groups")
        return self._page(request, sorted(self.groups), self._group_model)

    async def _group(self, request: web.Request) -> web.Response:
        self._need("read:groups", "list:groups")
        name = unquote(request.raw_path.partition("?")[0].split("/")[4])
        if name not in self.groups:
            raise web.HTTPNotFound
        return web.json_response(self._group_model(name))

    async def _create_group(self, request: web.Request) -> web.Response:
        name = unquote(request.raw_path.partition("?")[0].split("/")[4])
        self._need("admin:groups")
        if name in self.groups:
            return _error(409, f"Group {name} already exists")
        self.groups[name] = {}
        return web.json_response(self._group_model(name), status=201)

    async def _metrics(self, request: web.Request) -> web.Response:
        if self.metrics_text is None:
            return _error(403, "Forbidden")
        return web.Response(text=self.metrics_text)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=status)
