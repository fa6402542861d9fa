"""The formgrader proxy's settings and commands."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from traitlets import List, Unicode, default

from common.config.application import ServiceApp
from common.config.command import Command
from common.db.checks import database_problems
from common.errors import ConfigError
from services.formgrader_proxy.scopes import ADMIN_SCOPE

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Sequence

    from common.oauth.sign_in import Identity
    from services.formgrader_proxy.courses import Course, CoursesFile


class FormgraderProxy(ServiceApp):
    """nbgrader's formgrader behind the Hub's sign-in."""

    name = "formgrader"
    description = "nbgrader's formgrader behind the Hub's sign-in, for many courses."
    examples = """
    python -m services.formgrader_proxy --courses=/etc/jupyterhub/courses.toml
    python -m services.formgrader_proxy check-courses /etc/jupyterhub/courses.toml
    """
    main_options = ("courses", "db-url", "register", "url", "config", "log-format")
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
        found = super().problems()
        if not self.needs_hub:  # check-courses, which serves nothing
            return found
        if not self.serves:
            found.append("Nowhere to listen: give the service a url at the Hub, or --port.")
        found += database_problems(self.db_url)
        if not self.courses:
            found.append("--courses is missing: write --courses=FILE.toml.")
        else:
            try:
                self.courses_file()
            except ConfigError as error:
                found += [f"--courses: {problem}" for problem in error.problems]
        if self.register:
            found += self._register_problems()
        return found

    def _register_problems(self) -> list[str]:
        found = []
        if not self.register.startswith("/") or self.register == "/":
            found.append("--register: write a path such as /services/formgrader.")
        if not self.proxy_token:
            found.append("--register wants --proxy-token-file, or $CONFIGPROXY_AUTH_TOKEN.")
        return found

    @property
    def proxy_token(self) -> str:
        """What opens the proxy's API; empty if there is none, or it cannot be read."""
        if self.proxy_token_file:
            try:
                return Path(self.proxy_token_file).read_text("utf-8").strip()
            except OSError:
                return ""
        return os.environ.get("CONFIGPROXY_AUTH_TOKEN", "")

    def _load(self, text: str) -> "dict[str, Course]":
        from services.formgrader_proxy.courses import load_courses
        from services.formgrader_proxy.upstream.registry import may_run_as_others

        return load_courses(
            text, instructors=frozenset(self.instructor_groups), root=may_run_as_others()
        )

    def courses_file(self, path: str = "") -> "CoursesFile":
        """The courses, read again when they change. Raises ConfigError."""
        from services.formgrader_proxy.courses import CoursesFile

        return CoursesFile(Path(path or self.courses), self._load)

    def check_courses(self, words: "Sequence[str]", _options: Mapping[str, str]) -> int:
        """``check-courses FILE``"""
        courses = self.courses_file(words[0]).courses  # its ConfigError is told
        print(f"{words[0]} is good:")
        for course in courses.values():
            where = course.directory or course.url
            instructors = ", ".join(sorted(course.groups.instructors)) or "the graders"
            print(f"{course.id}: {where}")
            print(f"     graders: {', '.join(sorted(course.groups.graders))}")
            print(f"     instructors: {instructors}")
        return 0

    def is_admin(self, identity: "Identity") -> bool:
        """Whether they may do all in every course."""
        return ADMIN_SCOPE in identity.scopes or not identity.groups.isdisjoint(self.admin_groups)

    def new_loop(self) -> "AbstractEventLoop":
        """uvloop's, with which a request takes less CPU than with asyncio's own."""
        import uvloop

        return uvloop.new_event_loop()

    async def main(self) -> int:
        """Serve until told to stop."""
        from services.formgrader_proxy.main import Running

        return await Running(self).run()
