"""The formgrader proxy's parts put together as its settings say, and run."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from common.clock import SystemClock
from common.config.settings_file import Reload
from common.errors import HubError, ServiceError, StoreError
from common.hub.client import HubClient
from common.hub.connection import client_session
from common.hub.retry import NO_RETRY
from common.oauth.sign_in import SignIn
from common.proxy.client import ProxyClient
from common.proxy.route_keeper import RouteKeeper
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.pages import add_templates
from common.web.server import Bind, serve
from services.formgrader_proxy.metrics import FormgraderMetrics
from services.formgrader_proxy.proxy.gateway import Gateway, Places
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.upstream.prctl import hide_process
from services.formgrader_proxy.upstream.registry import Courses
from services.formgrader_proxy.web.pages import Views, per_course, waiting_page

if TYPE_CHECKING:
    from services.formgrader_proxy.app import FormgraderProxy

log = logging.getLogger("formgrader")

#: How often the courses file is looked at, and the Hub asked for a sign of life.
LOOK_SECONDS = 5.0


class Running:
    """The service from its start to its end."""

    def __init__(self, settings: "FormgraderProxy") -> None:
        self.settings = settings
        self.registry = Metrics("formgrader", version=settings.version)
        self.metrics = FormgraderMetrics(self.registry)
        self.readiness = Readiness()
        self.file = settings.courses_file()
        self.audit = Audit(settings.db_url)
        self.courses = Courses(
            lambda course_id: f"{settings.prefix}{course_id}/",
            lambda _course, old, new: self.metrics.state(old, new),
        )
        self._following = asyncio.Lock()  # one look at the courses file at a time

    async def run(self) -> int:
        """Serve until told to stop."""
        hide_process()
        settings = self.settings
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.audit.close)
            await self._open_audit()
            stack.push_async_callback(self.courses.close)
            await self.courses.change(self.file.courses)
            tls = settings.server_tls
            bind = Bind(settings.ip, settings.port or 0, tls.server_context() if tls else None)
            serving = serve(self._application(), bind, cancel_with_client=True)
            port = await stack.enter_async_context(serving)
            log.info("Serving %d courses at %s", len(self.file.courses), settings.prefix)
            await self._keep_route(stack, port)
            await self._look_after()
        return 0

    async def _open_audit(self) -> None:
        """Open the audit's database; while it is away, try again until told to stop."""
        while not self.settings.stopping.is_set():
            try:
                await self.audit.open()
            except StoreError as error:
                self.readiness.set("database", str(error))
                log.warning("Waiting for the database: %s", error)
                await self._pause(LOOK_SECONDS)
            else:
                self.readiness.set("database", None)
                return

    def _application(self) -> web.Application:
        settings = self.settings
        sign_in = SignIn(settings.oauth_settings(xsrf_cookie_readable=True))
        app = create_app(
            prefix=settings.prefix,
            metrics=self.registry,
            readiness=self.readiness,
            sign_in=sign_in,
            authenticate_prometheus=settings.authenticate_prometheus,
            client_max_size=0,
            title="Grading",
            hub_url=settings.public_hub_url,
        )
        add_templates(app, "services.formgrader_proxy.web", "formgrader_proxy")
        Views(
            prefix=settings.prefix,
            courses=self.courses,
            sign_in=sign_in,
            audit=self.audit,
            is_admin=settings.is_admin,
            problems=lambda: self.file.problems,
            look=self._follow,
        ).setup(app)
        gateway = Gateway(
            places=Places(settings.prefix, settings.public_hub_url, settings.frame_ancestors),
            courses=self.courses,
            sign_in=sign_in,
            audit=self.audit,
            metrics=self.metrics,
            is_admin=settings.is_admin,
            waiting_page=waiting_page,
            clock=SystemClock(),
            look=self._follow,
        )
        app.router.add_route("*", settings.prefix + "{tail:.+}", gateway.handle)
        per_course(app, f"{settings.base_url.rstrip('/')}/services/", settings.prefix)
        return app

    async def _keep_route(self, stack: AsyncExitStack, port: int) -> None:
        """Register at the proxy, where that is asked for."""
        settings = self.settings
        if not settings.register:
            return
        url = settings.proxy_api_url
        session = await stack.enter_async_context(client_session(url))
        keeper = RouteKeeper(
            ProxyClient(session, url, settings.proxy_token, retry=NO_RETRY),
            settings.prefix.rstrip("/"),
            settings.register_target or f"http://{settings.ip}:{port}",
            data={"owner": "services.formgrader_proxy"},  # known again after a kill -9
            on_event=lambda event, error: self.metrics.route(event),
        )
        await stack.enter_async_context(keeper)

    async def _look_after(self) -> None:
        """Follow the courses file and the Hub's health until told to stop."""
        url, token = self.settings.url, self.settings.token
        async with client_session(url, tls=self.settings.hub_tls) as session:
            hub = HubClient(session, url, token, retry=NO_RETRY, timeout_seconds=10)
            while not self.settings.stopping.is_set():
                try:
                    await hub.info()
                    self.readiness.set("hub", None)
                except HubError as error:
                    self.readiness.set("hub", str(error))
                await self._follow()
                await self._pause(LOOK_SECONDS)

    async def _follow(self) -> None:
        """Bring the courses in line with the file: every few seconds, and when one is missed."""
        async with self._following:
            outcome = await asyncio.to_thread(self.file.reload_if_changed)
            if outcome is Reload.REFUSED:
                log.error("The courses file is refused, the last good one stays:")
                for problem in self.file.problems:
                    log.error("  %s", problem)
            elif outcome is not Reload.UNCHANGED:
                try:
                    await self.courses.change(self.file.courses)
                except (OSError, ServiceError) as error:
                    log.error("The courses could not be changed: %s", error)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.settings.stopping.wait(), seconds)
        except TimeoutError:
            return
