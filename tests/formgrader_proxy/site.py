"""The formgrader proxy on real sockets: fake Hub, a formgrader that writes down what it sees."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from common.oauth.sign_in import OAuthSettings, SignIn
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.pages import add_templates
from common.web.server import Bind, serve
from services.formgrader_proxy.courses import load_courses
from services.formgrader_proxy.metrics import FormgraderMetrics
from services.formgrader_proxy.proxy.gateway import Gateway, Places
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.upstream.registry import Courses
from services.formgrader_proxy.web.pages import Views, per_course, waiting_page
from tests.fakes.clock import FakeClock
from tests.fakes.oauth import Browser, FakeOAuth

PREFIX = "/services/formgrader/"
COURSE = PREFIX + "course101/"
GRADER, INSTRUCTOR, ADMIN, STUDENT = "gail", "iris", "adam", "ana"
ACCESS = "access:services!service=formgrader"
TOKEN = "the-upstreams-own"


@dataclass
class Seen:
    """One request as the formgrader saw it."""

    method: str
    raw_target: str
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class Site:
    """The parts, and new browsers."""

    hub: FakeOAuth
    origin: str
    clock: FakeClock
    audit: Audit
    courses: Courses
    seen: list[Seen]
    stack: AsyncExitStack
    status: int = 200
    answer: dict[str, str] = field(default_factory=dict)

    async def browser(self, user: str | None = None) -> Browser:
        """A browser, signed in at the Hub and, where that is allowed, with us."""
        browser = await self.stack.enter_async_context(Browser(self.hub, self.origin))
        if user:
            await browser.log_in(user)
            await browser.go(COURSE + "formgrader")
        return browser

    async def send(self, browser: Browser, method: str, path: str, **options: Any) -> int:
        """What nbgrader's scripts send, below the course; the answer's status."""
        headers = {"X-CSRFToken": browser.cookies().get("_xsrf", ""), "Content-Type": "text/json"}
        headers |= options.pop("headers", {})
        return (
            await browser.fetch(COURSE + path, method=method, headers=headers, **options)
        ).status


@asynccontextmanager
async def formgrader_site(
    directory: Path, *, mode: str = "listed", **changes: Any
) -> AsyncIterator[Site]:
    """One course, whose formgrader runs elsewhere; ``changes`` are of OAuthSettings."""
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
            if request.path.endswith("endless"):
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
            return web.Response(text="formgrader", status=site.status, headers=site.answer)

        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{tail:.*}", formgrader)
        upstream = TestServer(app)
        await upstream.start_server()
        stack.push_async_callback(upstream.close)
        token_file = directory / "token"
        token_file.write_text(TOKEN + "\n")
        text = (
            f'[[course]]\nid = "course101"\ntitle = "Sums"\nurl = "http://127.0.0.1:{upstream.port}"\n'
            f'token_file = "{token_file}"\ninstructors = ["instructors"]\nmode = "{mode}"\n'
        )
        settings: dict[str, Any] = {
            "api_url": hub.api_url,
            "api_token": hub.secret,
            "client_id": hub.client_id,
            "prefix": PREFIX,
            "access_scopes": frozenset({ACCESS}),
            "xsrf_cookie_readable": True,
        }
        sign_in = SignIn(OAuthSettings(**(settings | changes)), clock)
        audit = Audit(f"sqlite:///{directory}/audit.sqlite")
        stack.push_async_callback(audit.close)
        await audit.open()
        metrics = Metrics("formgrader")
        made = FormgraderMetrics(metrics)
        courses = Courses(lambda one: f"{PREFIX}{one}/", lambda _id, old, new: made.state(old, new))
        stack.push_async_callback(courses.close)
        await courses.change(load_courses(text))
        app = create_app(
            prefix=PREFIX,
            metrics=metrics,
            readiness=Readiness(),
            sign_in=sign_in,
            authenticate_prometheus=False,
            client_max_size=0,
        )
        add_templates(app, "services.formgrader_proxy.web", "formgrader_proxy")

        def is_admin(identity: Any) -> bool:
            return "admins" in identity.groups

        Views(
            prefix=PREFIX,
            courses=courses,
            sign_in=sign_in,
            audit=audit,
            is_admin=is_admin,
            problems=lambda: (),
        ).setup(app)
        gateway = Gateway(
            places=Places(PREFIX, "/hub/"),
            courses=courses,
            sign_in=sign_in,
            audit=audit,
            metrics=made,
            is_admin=is_admin,
            waiting_page=waiting_page,
            clock=clock,
        )
        app.router.add_route("*", PREFIX + "{tail:.+}", gateway.handle)
        per_course(app, "/services/", PREFIX)
        port = await stack.enter_async_context(serve(app, Bind(), cancel_with_client=True))
        site = Site(hub, f"http://127.0.0.1:{port}", clock, audit, courses, seen, stack)
        site.stack = await stack.enter_async_context(AsyncExitStack())
        yield site
