"""The formgrader proxy on real sockets, with a fake Hub and a formgrader that records requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from common.oauth.sign_in import OAuthSettings
from common.web.server import Bind, serve
from services.formgrader_proxy import settings as service
from services.formgrader_proxy.access import Administrators
from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
from services.formgrader_proxy.jobs.jobs import Jobs
from services.formgrader_proxy.main import Service
from services.formgrader_proxy.proxy.gateway import Gateway
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.store.jobs import JobStore
from services.formgrader_proxy.upstream.formgraders import Formgraders
from tests.fakes.clock import FakeClock
from tests.fakes.oauth import Browser, FakeOAuth

PREFIX = "/services/formgrader/"
COURSE = PREFIX + "course101/"
GRADER, INSTRUCTOR, ADMIN, STUDENT = "gail", "iris", "adam", "ana"
ACCESS = "access:services!service=formgrader"
TOKEN = "the-upstreams-own"


@dataclass
class Seen:
    """One request as received by the formgrader."""

    method: str
    raw_target: str
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class Site:
    """A running proxy with its parts. The formgrader sends ``status``, ``text`` and ``answer``,
    or with ``endless`` a response without an end.
    """

    hub: FakeOAuth
    origin: str
    clock: FakeClock
    audit: Audit
    formgraders: Formgraders
    gateway: Gateway
    seen: list[Seen]
    stack: AsyncExitStack
    stopping: asyncio.Event
    jobs: Jobs
    jobs_store: JobStore
    endless: bool = False
    status: int = 200
    text: str = "formgrader"
    answer: dict[str, str] = field(default_factory=dict)

    async def browser(self, user: str | None = None) -> Browser:
        """A browser; with a user, signed in to the Hub and, if allowed, to the service."""
        browser = await self.stack.enter_async_context(Browser(self.hub, self.origin))
        if user:
            await browser.log_in(user)
            await browser.go(COURSE + "formgrader")
        return browser

    async def send(self, browser: Browser, method: str, path: str, **options: Any) -> int:
        """Send a request as nbgrader's scripts do, to a path of the course; returns the status."""
        headers = {"X-CSRFToken": browser.xsrf, "Content-Type": "text/json"}
        headers |= options.pop("headers", {})
        return (
            await browser.fetch(COURSE + path, method=method, headers=headers, **options)
        ).status


@asynccontextmanager
async def formgrader_site(
    directory: Path,
    *,
    mode: str = "listed",
    url: str = "",
    token: str = TOKEN,
    **changes: Any,
) -> AsyncIterator[Site]:
    """One course with an external formgrader. ``changes`` are fields of OAuthSettings.

    The formgrader is the recording one, unless ``url`` is that of another, with its ``token``.
    """
    async with AsyncExitStack() as stack:
        clock = FakeClock()
        hub = await stack.enter_async_context(FakeOAuth("formgrader"))
        hub.add_user(GRADER, "formgrade-course101")
        hub.add_user(INSTRUCTOR, "instructors")
        hub.add_user(ADMIN, "admins")
        hub.add_user(STUDENT, "nbgrader-course101")
        seen: list[Seen] = []

        async def formgrader(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            seen.append(Seen(request.method, request.raw_path, request.headers, body))
            if request.path.endswith("endless") or site.endless:
                endless = web.StreamResponse()
                await endless.prepare(request)
                while True:
                    await endless.write(bytes(64 * 1024))
            if request.headers.get("Upgrade", "").lower() == "websocket":
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                async for message in socket:
                    await socket.send_str(message.data)
                return socket
            return web.Response(text=site.text, status=site.status, headers=site.answer)

        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{tail:.*}", formgrader)
        upstream = TestServer(app)
        await upstream.start_server()
        stack.push_async_callback(upstream.close)
        url = url or f"http://127.0.0.1:{upstream.port}"
        token_file = directory / "token"
        token_file.write_text(token + "\n")
        courses = directory / "courses.toml"
        courses.write_text(
            f'[[course]]\nid = "course101"\ntitle = "Sums"\nurl = "{url}"\n'
            f'token_file = "{token_file}"\ninstructors = ["instructors"]\nmode = "{mode}"\n'
        )
        oauth: dict[str, Any] = {
            "api_url": hub.api_url,
            "api_token": hub.secret,
            "client_id": hub.client_id,
            "prefix": PREFIX,
            "access_scopes": frozenset({ACCESS}),
        }
        settings = service.Settings(
            site=service.Site(
                PREFIX, "/hub/", administrators=Administrators(frozenset({"admins"}))
            ),
            services_path="/services/",
            oauth=OAuthSettings(**(oauth | changes)),
            bind=Bind(),
            courses=CoursesFile(courses, load_courses),
            db_url=f"sqlite:///{directory}/audit.sqlite",
            version="0",
            service_name="formgrader",
            authenticate_prometheus=False,
        )
        stopping = asyncio.Event()
        parts = Service(settings, stopping, clock=clock)
        stack.push_async_callback(parts.audit.close)
        await parts.audit.open()
        stack.push_async_callback(parts.formgraders.close)
        await parts.formgraders.replace(settings.courses.courses)
        stack.push_async_callback(parts.jobs.close)
        app = parts.application()
        port = await stack.enter_async_context(serve(app, Bind(), cancel_with_client=True))
        origin = f"http://127.0.0.1:{port}"
        site = Site(
            hub,
            origin,
            clock,
            parts.audit,
            parts.formgraders,
            parts.gateway,
            seen,
            stack,
            stopping,
            parts.jobs,
            parts.job_store,
        )
        site.stack = await stack.enter_async_context(AsyncExitStack())
        yield site
