"""The formgrader proxy's settings, and how its parts are put together."""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from traitlets import List, Unicode, default

from common.config import ServiceApp
from common.errors import ConfigError, HubError, ServiceError
from common.launch import Command
from common.settings_file import Reload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from common.metrics import Metrics
    from common.oauth import Identity, SignIn
    from common.web import Readiness
    from services.formgrader_proxy.audit import Audit
    from services.formgrader_proxy.courses import Course, CoursesFile
    from services.formgrader_proxy.metrics import FormgraderMetrics
    from services.formgrader_proxy.registry import Courses

log = logging.getLogger("formgrader")

ADMIN_SCOPE = "custom:jupyterhub-formgrader:admin"
#: How often the courses file is looked at, and the Hub asked for a sign of life.
LOOK_SECONDS = 5.0


class FormgraderProxy(ServiceApp):
    """nbgrader's formgrader behind the Hub's sign-in."""

    name = "formgrader"
    description = "nbgrader's formgrader behind the Hub's sign-in, for many courses."
    examples = """
    python -m services.formgrader_proxy --courses=/etc/jupyterhub/courses.toml
    python -m services.formgrader_proxy check-courses /etc/jupyterhub/courses.toml
    """
    teach = ("courses", "db-url", "register", "url", "config", "log-format")
    commands: ClassVar[Mapping[str, Command]] = {
        "check-courses": Command(
            help="Tell what is wrong with a courses file, or what it means.",
            run="check_courses",
            words=("FILE",),
        ),
    }

    courses = Unicode(help="The courses file (TOML); it is read again when it changes.").tag(
        config=True
    )
    db_url = Unicode(
        "sqlite:///formgrader.sqlite",
        help="The database for the audit: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    ).tag(config=True)
    instructor_groups = List(
        Unicode(),
        help="Hub groups whose members may assign, autograde and release in every course that"
        " names no instructors of its own. Default: each course's graders may.",
    ).tag(config=True)
    admin_groups = List(
        Unicode(),
        help="Hub groups whose members may do all in every course and read the formgraders' logs."
        f" Beside them: who has the scope {ADMIN_SCOPE}.",
    ).tag(config=True)
    register = Unicode(
        help="Register this path at the hub's proxy by ourselves, and keep it: for a service"
        " without a url at the Hub. Wants --proxy-api-url and --proxy-token-file."
    ).tag(config=True)
    proxy_api_url = Unicode(
        help="The proxy's API. Default: $CONFIGPROXY_API_URL or http://127.0.0.1:8001."
    ).tag(config=True)
    proxy_token_file = Unicode(
        help="A file with the proxy's token. Default: $CONFIGPROXY_AUTH_TOKEN."
    ).tag(config=True)
    register_target = Unicode(
        help="Where the proxy finds us. Default: http://IP:PORT of where we listen."
    ).tag(config=True)
    frame_ancestors = Unicode(
        "'self'", help="Who may show the formgrader in a frame (JupyterLab does); 'none': nobody."
    ).tag(config=True)

    aliases: dict[str, str] = ServiceApp.aliases | {
        name.replace("_", "-"): f"FormgraderProxy.{name}"
        for name in (
            "courses",
            "db_url",
            "instructor_groups",
            "admin_groups",
            "register",
            "proxy_api_url",
            "proxy_token_file",
            "register_target",
            "frame_ancestors",
        )
    }

    @default("proxy_api_url")
    def _default_proxy_api_url(self) -> str:
        return os.environ.get("CONFIGPROXY_API_URL", "http://127.0.0.1:8001")

    @default("service_prefix")
    def _default_service_prefix(self) -> str:
        return self.register or super()._default_service_prefix()

    def problems(self) -> list[str]:
        """As of every service, and those of the courses file and of registering."""
        from common.database import parse_url

        found = super().problems()
        if not self.needs_hub:  # check-courses, which serves nothing
            return found
        if not self.serves:
            found.append("Nowhere to listen: give the service a url at the Hub, or --port.")
        try:
            parse_url(self.db_url)
        except ConfigError as error:
            found += error.problems
        if not self.courses:
            found.append("--courses is missing: write --courses=FILE.toml.")
        else:
            try:
                self._courses_file()
            except ConfigError as error:
                found += [f"--courses: {problem}" for problem in error.problems]
        if self.register:
            found += self._register_problems()
        return found

    def _register_problems(self) -> list[str]:
        found = []
        if not self.register.startswith("/") or self.register == "/":
            found.append("--register: write a path such as /services/formgrader.")
        if not self._proxy_token():
            found.append("--register wants --proxy-token-file, or $CONFIGPROXY_AUTH_TOKEN.")
        return found

    def _proxy_token(self) -> str:
        if self.proxy_token_file:
            try:
                return Path(self.proxy_token_file).read_text("utf-8").strip()
            except OSError:
                return ""
        return os.environ.get("CONFIGPROXY_AUTH_TOKEN", "")

    def _load(self, text: str) -> "dict[str, Course]":
        from services.formgrader_proxy.courses import load_courses
        from services.formgrader_proxy.registry import may_run_as_others

        return load_courses(
            text, instructors=frozenset(self.instructor_groups), root=may_run_as_others()
        )

    def _courses_file(self, path: str = "") -> "CoursesFile":
        from services.formgrader_proxy.courses import CoursesFile

        return CoursesFile(Path(path or self.courses), self._load)

    def check_courses(self, words: "Sequence[str]", _options: Mapping[str, str]) -> int:
        """``check-courses FILE``"""
        courses = self._courses_file(words[0]).courses  # its ConfigError is told
        print(f"{words[0]} is good:")
        for course in courses.values():
            where = course.directory or course.url
            instructors = ", ".join(sorted(course.groups.instructors)) or "the graders"
            print(f"{course.id}: {where}")
            print(f"     graders: {', '.join(sorted(course.groups.graders))}")
            print(f"     instructors: {instructors}")
        return 0

    def _is_admin(self, identity: "Identity") -> bool:
        return ADMIN_SCOPE in identity.scopes or not identity.groups.isdisjoint(self.admin_groups)

    _following: asyncio.Lock  # one look at the courses file at a time

    async def main(self) -> int:
        """Serve until told to stop."""
        from common.metrics import Metrics
        from common.oauth import SignIn
        from common.web import Bind, Readiness, serve
        from services.formgrader_proxy.audit import Audit
        from services.formgrader_proxy.metrics import FormgraderMetrics
        from services.formgrader_proxy.prctl import hide_process
        from services.formgrader_proxy.registry import Courses

        hide_process()
        self._following = asyncio.Lock()
        registry = Metrics("formgrader", version=self.version)
        metrics = FormgraderMetrics(registry)
        readiness = Readiness()
        file = self._courses_file()
        sign_in = SignIn(self.oauth_settings(xsrf_cookie_readable=True))
        async with AsyncExitStack() as stack:
            audit = Audit(self.db_url)
            stack.push_async_callback(audit.close)
            await self._open(audit, readiness)
            courses = Courses(
                lambda course_id: f"{self.prefix}{course_id}/",
                lambda _course, old, new: metrics.state(old, new),
            )
            stack.push_async_callback(courses.close)
            await courses.change(file.courses)
            app = self._application(registry, metrics, readiness, sign_in, courses, audit, file)
            tls = self.server_tls
            bind = Bind(self.ip, self.port or 0, tls.server_context() if tls else None)
            port = await stack.enter_async_context(serve(app, bind, cancel_with_client=True))
            log.info("Serving %d courses at %s", len(file.courses), self.prefix)
            await self._keep_route(stack, metrics, port)
            await self._look_after(file, courses, readiness)
        return 0

    async def _open(self, audit: "Audit", readiness: "Readiness") -> None:
        """Open the audit's database; while it is away, try again until told to stop."""
        from services.formgrader_proxy.audit import AuditUnavailable

        while not self.stopping.is_set():
            try:
                await audit.open()
            except AuditUnavailable as error:
                readiness.set("database", str(error))
                log.warning("Waiting for the database: %s", error)
                await self._pause(LOOK_SECONDS)
            else:
                readiness.set("database", None)
                return

    def _application(
        self,
        registry: "Metrics",
        metrics: "FormgraderMetrics",
        readiness: "Readiness",
        sign_in: "SignIn",
        courses: "Courses",
        audit: "Audit",
        file: "CoursesFile",
    ) -> "web.Application":
        from common.clock import SystemClock
        from common.web import add_templates, create_app
        from services.formgrader_proxy.gateway import Gateway, Places
        from services.formgrader_proxy.views import Views, per_course, waiting_page

        app = create_app(
            prefix=self.prefix,
            metrics=registry,
            readiness=readiness,
            sign_in=sign_in,
            authenticate_prometheus=self.authenticate_prometheus,
            client_max_size=0,
            title="Grading",
            hub_url=self.public_hub_url,
        )
        add_templates(app, "services.formgrader_proxy")
        Views(
            prefix=self.prefix,
            courses=courses,
            sign_in=sign_in,
            audit=audit,
            is_admin=self._is_admin,
            problems=lambda: file.problems,
            look=lambda: self._follow(file, courses),
        ).setup(app)
        gateway = Gateway(
            places=Places(self.prefix, self.public_hub_url, self.frame_ancestors),
            courses=courses,
            sign_in=sign_in,
            audit=audit,
            metrics=metrics,
            is_admin=self._is_admin,
            waiting_page=waiting_page,
            clock=SystemClock(),
            look=lambda: self._follow(file, courses),
        )
        app.router.add_route("*", self.prefix + "{tail:.+}", gateway.handle)
        per_course(app, f"{self.base_url.rstrip('/')}/services/", self.prefix)
        return app

    async def _keep_route(
        self, stack: AsyncExitStack, metrics: "FormgraderMetrics", port: int
    ) -> None:
        """Register at the proxy, where that is asked for."""
        if not self.register:
            return
        from common.http import NO_RETRY, client_session
        from common.proxy import ProxyClient
        from common.route_keeper import RouteKeeper

        session = await stack.enter_async_context(client_session(self.proxy_api_url))
        client = ProxyClient(session, self.proxy_api_url, self._proxy_token(), retry=NO_RETRY)
        target = self.register_target or f"http://{self.ip}:{port}"
        keeper = RouteKeeper(
            client,
            self.prefix.rstrip("/"),
            target,
            data={"owner": "services.formgrader_proxy"},  # known again after a kill -9
            on_event=lambda event, error: metrics.route(event),
        )
        await stack.enter_async_context(keeper)

    async def _look_after(
        self, file: "CoursesFile", courses: "Courses", readiness: "Readiness"
    ) -> None:
        """Follow the courses file and the Hub's health until told to stop."""
        from common.http import NO_RETRY, client_session
        from common.hub import HubClient

        async with client_session(self.url, tls=self.hub_tls) as session:
            hub = HubClient(session, self.url, self.token, retry=NO_RETRY, timeout_seconds=10)
            while not self.stopping.is_set():
                try:
                    await hub.info()
                    readiness.set("hub", None)
                except HubError as error:
                    readiness.set("hub", str(error))
                await self._follow(file, courses)
                await self._pause(LOOK_SECONDS)

    async def _follow(self, file: "CoursesFile", courses: "Courses") -> None:
        """Bring the courses in line with the file: every few seconds, and when one is missed."""
        async with self._following:
            await self._follow_alone(file, courses)

    async def _follow_alone(self, file: "CoursesFile", courses: "Courses") -> None:
        outcome = await asyncio.to_thread(file.reload_if_changed)
        if outcome is Reload.UNCHANGED:
            return
        if outcome is Reload.REFUSED:
            log.error("The courses file is refused, the last good one stays:")
            for problem in file.problems:
                log.error("  %s", problem)
            return
        try:
            await courses.change(file.courses)
        except (OSError, ServiceError) as error:
            log.error("The courses could not be changed: %s", error)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
