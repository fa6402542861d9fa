"""The composition root: builds the service from its settings and runs it."""

import asyncio
import logging
from contextlib import AsyncExitStack

from aiohttp import web

from common.clock import Clock, SystemClock
from common.config.kept import Keeper
from common.errors import HubError, StoreError
from common.hub.client import HubClient
from common.hub.connection import client_session
from common.hub.retry import NO_RETRY
from common.hub.scopes import check as check_scopes
from common.oauth.sign_in import SignIn
from common.proxy.client import ProxyClient
from common.proxy.route_keeper import RouteKeeper
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.pages import add_templates
from common.web.server import serve
from common.web.unavailable import Place, unavailable
from services.formgrader_proxy.jobs.jobs import Jobs
from services.formgrader_proxy.metrics import FormgraderMetrics
from services.formgrader_proxy.proxy.gateway import Gateway
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.scopes import ADMIN_SCOPE
from services.formgrader_proxy.settings import Settings
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.store.jobs import JobStore
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.api import Api
from services.formgrader_proxy.web.audit_pages import AuditPages
from services.formgrader_proxy.web.courses.activity import Activity
from services.formgrader_proxy.web.courses.course_list import CourseList
from services.formgrader_proxy.web.courses.grade_files import GradeFiles
from services.formgrader_proxy.web.jobs.pages import JobsPages
from services.formgrader_proxy.web.pages import Pages, add_course_redirects
from services.formgrader_proxy.web.sign_in_again import SignInAgain

log = logging.getLogger("formgrader")

TITLE = "Grading"
WAITING = ("The database of the audit log is not available yet. The log says why.",)
#: Seconds between two looks at the courses file and the Hub, and between attempts to open the
#: database.
POLL_SECONDS = 5.0


async def run(settings: Settings, stopping: asyncio.Event) -> int:
    """Serve until ``stopping`` is set. Returns the exit code."""
    return await Service(settings, stopping).run()


class Service:
    """The parts of the service, from start to shutdown."""

    def __init__(
        self, settings: Settings, stopping: asyncio.Event, *, clock: Clock | None = None
    ) -> None:
        self.settings = settings
        self.stopping = stopping
        self.clock = clock or SystemClock()
        self.registry = Metrics("formgrader", version=settings.version)
        self.metrics = FormgraderMetrics(self.registry)
        self.readiness = Readiness()
        self.audit = Audit(settings.db_url)
        self.keeper = Keeper(settings.courses, self.audit.keep_courses)
        self.formgraders = Formgraders(
            settings.courses,
            settings.site.course_path,
            self.metrics.state,
            self.metrics.process,
            self.keeper.keep,
        )
        self.activity = Activity(self.clock)
        self.job_store = JobStore(self.audit)
        self.jobs = Jobs(self.formgraders, self.job_store, self.audit, self.metrics, self.clock)
        self.courses = CourseList(
            settings.site,
            self.formgraders,
            self.audit,
            self.activity,
            self.clock,
            running_jobs=lambda course: len(self.jobs.queue(course).jobs),
        )
        self.sign_in = SignIn(settings.oauth, self.clock)
        self.gateway = Gateway(
            Parts(
                settings.site,
                self.formgraders,
                self.sign_in,
                self.audit,
                self.metrics,
                self.clock,
                self.activity,
                self.jobs,
                stopping,
            )
        )

    async def run(self) -> int:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.audit.close)
            await self._open_audit()
            stack.push_async_callback(self.formgraders.close)
            stack.push_async_callback(self.courses.close)
            await self.formgraders.begin()
            await self.keeper.keep()
            await self.jobs.settle_all(list(self.settings.courses.courses))
            serving = serve(self.application(), self.settings.bind, cancel_with_client=True)
            port = await stack.enter_async_context(serving)
            stack.push_async_callback(self.jobs.close)  # answers those who wait for a job
            count = len(self.settings.courses.courses)
            log.info(
                "Serving %d %s at %s",
                count,
                "course" if count == 1 else "courses",
                self.settings.site.prefix,
            )
            await self._keep_route(stack, port)
            await self._poll()
        return 0

    async def _open_audit(self) -> None:
        """Open the audit log's database, retrying while it is unavailable.

        Meanwhile, pages say so: a Hub that starts waits for the service's address, and
        JupyterHub 5 and 6 exit without it.
        """
        async with AsyncExitStack() as stack:
            waiting = False
            while not self.stopping.is_set():
                try:
                    await self.audit.open()
                except StoreError as error:
                    log.warning("Waiting for the database: %s", error)
                    if not waiting:
                        waiting = True
                        await stack.enter_async_context(unavailable(self._place(), lambda: WAITING))
                    await self._pause(POLL_SECONDS)
                else:
                    return

    def _place(self) -> Place:
        site = self.settings.site
        return Place(self.settings.bind, site.prefix, TITLE, site.hub_url)

    def application(self) -> web.Application:
        """The web application: the service's own pages first, then the gateway for the rest."""
        settings, site = self.settings, self.settings.site
        sign_in = self.sign_in
        app = create_app(
            prefix=site.prefix,
            metrics=self.registry,
            readiness=self.readiness,
            sign_in=sign_in,
            authenticate_prometheus=settings.authenticate_prometheus,
            admin_scope=ADMIN_SCOPE,
            client_max_size=0,
            title=TITLE,
            hub_url=site.hub_url,
        )
        add_templates(app, "services.formgrader_proxy.web", "formgrader_proxy")
        formgraders, audit = self.formgraders, self.audit
        Pages(site, formgraders, sign_in, self.courses, self.clock).setup(app)
        AuditPages(site, formgraders, sign_in, audit).setup(app)
        GradeFiles(site, formgraders, sign_in, audit, self.clock).setup(app)
        JobsPages(site, formgraders, sign_in, self.jobs, self.job_store, self.clock).setup(app)
        Api(site, sign_in, self.courses).setup(app)
        SignInAgain(site, formgraders, sign_in, audit).setup(app)
        self.gateway.setup(app)
        add_course_redirects(app, settings.services_path, site)
        return app

    async def _keep_route(self, stack: AsyncExitStack, port: int) -> None:
        """Register the service at the Hub's proxy, if the settings say so."""
        route, bind = self.settings.route, self.settings.bind
        if route is None:
            return
        session = await stack.enter_async_context(client_session(route.proxy_api_url))
        keeper = RouteKeeper(
            ProxyClient(session, route.proxy_api_url, route.token, retry=NO_RETRY),
            self.settings.site.prefix.rstrip("/"),
            route.target or f"http://{bind.host}:{port}",
            data={"owner": "services.formgrader_proxy"},  # identifies the route after a crash
            on_event=lambda event, error: self.metrics.route(event),
        )
        await stack.enter_async_context(keeper)

    async def _poll(self) -> None:
        """Follow the courses file and the Hub's health until the service stops."""
        hub_settings = self.settings.oauth
        async with client_session(hub_settings.api_url, tls=hub_settings.tls) as session:
            hub = HubClient(
                session,
                hub_settings.api_url,
                hub_settings.api_token,
                retry=NO_RETRY,
                timeout_seconds=10,
            )
            checking = asyncio.create_task(
                check_scopes(
                    hub, {}, role="", stopping=self.stopping, service=self.settings.service_name
                )
            )
            while not self.stopping.is_set():
                try:
                    await hub.info()
                    self.readiness.set("hub", None)
                except HubError as error:
                    self.readiness.set("hub", str(error))
                await self.formgraders.refresh()
                await self.keeper.keep()
                await self._pause(POLL_SECONDS)
            checking.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
