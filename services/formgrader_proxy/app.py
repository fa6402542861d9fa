"""The settings and commands of the formgrader proxy."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urljoin

from traitlets import List, Unicode, default

from common.config.application import ServiceApp
from common.config.command import Command
from common.config.environment import header_safe, is_http_url, is_path
from common.config.suggestions import did_you_mean
from common.db.checks import database_problems
from common.errors import ConfigError, StoreError
from services.formgrader_proxy.access import Administrators
from services.formgrader_proxy.scopes import ADMIN_SCOPE

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Sequence

    from services.formgrader_proxy.courses import Course
    from services.formgrader_proxy.courses_file.file import CoursesFile
    from services.formgrader_proxy.settings import Settings


class FormgraderProxy(ServiceApp):
    """Serves nbgrader's formgrader behind the Hub's sign-in."""

    name = "formgrader"
    title = "Grading"
    description = (
        "Serves nbgrader's formgrader to graders, behind the Hub's sign-in, for many courses."
    )
    examples = """
    python -m services.formgrader_proxy --courses=/etc/jupyterhub/courses.toml
    python -m services.formgrader_proxy check-courses /etc/jupyterhub/courses.toml
    python -m services.formgrader_proxy --courses=courses.toml --port=8010 --register=/grading
    """
    main_options = ("courses", "db-url", "register", "url", "config", "log-format")
    commands: ClassVar[Mapping[str, Command]] = {
        "check-courses": Command(
            help="Check a courses file: list its problems, or explain what it configures.",
            run="check_courses",
            words=("FILE",),
        ),
        "grades": Command(
            help="Print the grades of a course as CSV, or in an import format of Moodle or Canvas.",
            run="print_grades",
            words=("COURSE",),
            options={
                "format": "csv, moodle or canvas. Default: csv.",
                "assignment": "Only this assignment. Default: all.",
                "missing": "Scores of what was not submitted: empty or zero. Default: empty.",
                "unfinished": "Scores in import files while something is left to grade: empty, or"
                " the score so far. Default: empty.",
            },
            examples="""
            grades stats101 --courses=/etc/jupyterhub/courses.toml > grades.csv
            grades stats101 --courses=courses.toml --format=moodle --assignment=ps1 > ps1.csv
            """,
        ),
        "new-course": Command(
            help="Create a course: its folder, configuration, account, groups, and the entry in the"
            " courses file, as far as they are missing.",
            run="new_course",
            words=("ID",),
            options={
                "title": "The displayed name. Default: the id.",
                "directory": "The course's directory. Default: as in the courses file.",
                "user": "The system account that runs the formgrader. Default: grade-ID, if this"
                " command runs as root.",
            },
            switches={"dry-run": "Only print what would be created."},
            examples="""
            new-course stats101 --courses=/etc/jupyterhub/courses.toml --title="Statistics 101"
            new-course bio1 --courses=courses.toml --directory=/srv/courses/bio1 --dry-run
            """,
        ),
        "gradebook-indexes": Command(
            help="Create the indexes of a course's gradebook. Formgraders do so when they start.",
            run="gradebook_indexes",
            words=("FILE", "COURSE"),
            switches={"remove": "Remove them instead. A formgrader that runs creates them again."},
        ),
    }

    courses = Unicode(
        help="The courses file (TOML). It is read again whenever it changes, without a restart."
    ).tag(config=True)
    db_url = Unicode(
        "sqlite:///formgrader.sqlite",
        help="The database of the audit log: sqlite:///FILE or"
        " postgresql://USER:PASSWORD@HOST/NAME.",
    ).tag(config=True)
    instructor_groups = List(
        Unicode(),
        help="Hub groups whose members may assign, autograde and release in every course that"
        " does not set its own instructors. Default: the graders of each course may.",
    ).tag(config=True)
    admin_groups = List(
        Unicode(),
        help="Hub groups whose members may do everything in every course and read the"
        " formgraders' logs. So may the Hub's administrators, and users with the scope"
        f" {ADMIN_SCOPE}.",
    ).tag(config=True)
    register = Unicode(
        help="Register this path, such as /services/formgrader, at the Hub's proxy and keep it"
        " registered: for a service without a url at the Hub. Requires --proxy-api-url and"
        " --proxy-token-file."
    ).tag(config=True)
    proxy_api_url = Unicode(
        help="The proxy's API. Default: $CONFIGPROXY_API_URL or http://127.0.0.1:8001."
    ).tag(config=True)
    proxy_token_file = Unicode(
        help="A file with the proxy's token. Default: $CONFIGPROXY_AUTH_TOKEN."
    ).tag(config=True)
    register_target = Unicode(
        help="The URL at which the proxy reaches this service."
        " Default: http://IP:PORT, where it listens."
    ).tag(config=True)
    frame_ancestors = Unicode(
        "'none'",
        help="Which sites may show the formgrader in a frame. On an origin that is shared with"
        " users' servers, 'self' lets the page of any of them read what its visitors may grade.",
    ).tag(config=True)

    stats_url = Unicode(
        help="The address of the statistics (services.stats), for links from nbgrader's Manage"
        " Students: a URL, a path such as /services/stats/, or a path below the Hub's services,"
        " such as stats/. Default: no links."
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
            "stats_url",
        )
    }

    @default("proxy_api_url")
    def _default_proxy_api_url(self) -> str:
        return os.environ.get("CONFIGPROXY_API_URL", "http://127.0.0.1:8001")

    @default("service_prefix")
    def _default_service_prefix(self) -> str:
        return self.register or super()._default_service_prefix()

    def problems(self) -> list[str]:
        """The problems of every service, and those of this one."""
        found = super().problems()
        if self.needs_hub and not self.serves:
            found.append("Nowhere to listen: give the service a url at the Hub, or use --port.")
        return found

    def own_problems(self) -> list[str]:
        """The problems of the courses file, the database and of registering."""
        if not self.needs_hub:  # check-courses, which serves nothing
            return []
        found = database_problems(self.db_url)
        if not self.courses:
            found.append("--courses is missing: use --courses=FILE.toml.")
        if self.register:
            found += self._register_problems()
        if not re.fullmatch(r"[!-+\--:<-~]+( [!-+\--:<-~]+)*", self.frame_ancestors):
            found.append(
                "--frame-ancestors: use sources separated by spaces, such as 'self'"
                " https://lms.example.org."
            )
        try:
            url = self.statistics_url
        except ValueError:  # such as http://[::1
            url = "?"
        if url and not is_http_url(url) and not is_path(url):
            found.append("--stats-url: use a URL or a path such as /services/stats/.")
        return found

    def file_problems(self) -> list[str]:
        """What is wrong with the courses file."""
        try:
            if self.courses and self.needs_hub:
                self.courses_file()
        except ConfigError as error:
            return [f"--courses: {problem}" for problem in error.problems]
        return []

    def _without_courses(self) -> list[str]:
        """What is wrong with the courses file, also if it is valid but empty."""
        try:
            if self.courses_file().text.strip():
                return []
        except ConfigError:
            return self.file_problems()
        return [f"--courses: {self.courses} is empty."]

    @property
    def keeps_files(self) -> bool:
        """The last valid courses are in the database."""
        return True

    @property
    def services_path(self) -> str:
        """The path below which the Hub's services are."""
        return f"{self.base_url.rstrip('/')}/services/"

    @property
    def statistics_url(self) -> str:
        """The address of the statistics with a slash at the end; empty without them."""
        url = self.stats_url and urljoin(self.services_path, self.stats_url)
        return url and f"{url.rstrip('/')}/"

    def _register_problems(self) -> list[str]:
        found = []
        if not is_path(self.register) or self.register == "/":
            found.append("--register: use a path such as /services/formgrader.")
        if not self.proxy_token:
            found.append("--register requires --proxy-token-file or $CONFIGPROXY_AUTH_TOKEN.")
        elif not header_safe(self.proxy_token):
            found.append("The proxy's token contains spaces or other invalid characters.")
        if not is_http_url(self.proxy_api_url):
            found.append("--proxy-api-url: use a URL such as http://127.0.0.1:8001.")
        if self.register_target and not is_http_url(self.register_target):
            found.append("--register-target: use a URL such as http://10.0.0.5:8010.")
        return found

    @property
    def proxy_token(self) -> str:
        """The token for the proxy's API; empty if there is none, or it cannot be read."""
        if self.proxy_token_file:
            try:
                return Path(self.proxy_token_file).read_text("utf-8").strip()
            except (OSError, ValueError):  # ValueError: not UTF-8, or an impossible path
                return ""
        return os.environ.get("CONFIGPROXY_AUTH_TOKEN", "")

    def courses_file(self, path: str = "", kept: str | None = None) -> "CoursesFile":
        """The courses file at ``path``, by default that of the settings. Raises ConfigError.

        ``kept`` is an earlier text, which applies while the file is invalid or empty.
        """
        from services.formgrader_proxy.course_folders.scan import Folders
        from services.formgrader_proxy.courses import is_course_id
        from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
        from services.formgrader_proxy.upstream.process.process import may_switch_user

        root = may_switch_user()
        folders = Folders(root, is_course_id)

        def load(text: str) -> "dict[str, Course]":
            instructors = frozenset(self.instructor_groups)
            return load_courses(text, instructors=instructors, root=root, folders=folders)

        try:
            return CoursesFile(Path(path or self.courses), load, folders, kept)
        except ConfigError as error:
            if not path:
                raise
            raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None

    def check_courses(self, words: "Sequence[str]", _options: Mapping[str, str]) -> int:
        """``check-courses FILE``"""
        from services.formgrader_proxy.commands.check_courses import check_courses

        file = self.courses_file(words[0])  # the caller reports a ConfigError
        for problem in file.folder_problems:
            print(f"warning: {problem}", flush=True)
        return check_courses(words[0], file.courses, lambda line: print(line, flush=True))

    def print_grades(self, words: "Sequence[str]", options: Mapping[str, str]) -> int:
        """``grades COURSE``"""
        from services.formgrader_proxy.commands.grades import grades

        sys.stdout.write(grades(self._course(words[0]), options))
        return 0

    async def new_course(self, words: "Sequence[str]", options: Mapping[str, str]) -> int:
        """``new-course ID``. Returns 1 if a part could not be created."""
        from contextlib import AsyncExitStack

        from common.hub.client import HubClient
        from common.hub.connection import client_session
        from services.formgrader_proxy.commands.new_course.command import new_course
        from services.formgrader_proxy.commands.new_course.plan import Request
        from services.formgrader_proxy.commands.new_course.steps import Outcome
        from services.formgrader_proxy.courses_file.file import load_courses
        from services.formgrader_proxy.upstream.process.process import may_switch_user

        if not self.courses:
            raise ConfigError(["--courses is missing: use --courses=FILE.toml."])
        root, failed = may_switch_user(), False
        request = Request(
            words[0], root, options.get("title"), options.get("directory"), options.get("user")
        )
        async with AsyncExitStack() as stack:
            hub: HubClient | None = None
            if self.url and self.token:
                session = await stack.enter_async_context(
                    client_session(self.url, tls=self.hub_tls)
                )
                hub = HubClient(session, self.url, self.token, timeout_seconds=10)
            steps = new_course(
                Path(self.courses),
                request,
                hub,
                lambda text: load_courses(text, root=root),
                dry_run="dry-run" in options,
            )
            async for step in steps:
                failed |= step.outcome is Outcome.FAILED
                print(step)
        return 1 if failed else 0

    def _course(self, course_id: str, path: str = "") -> "Course":
        """A course of the courses file at ``path``, by default that of the settings.

        :raises ConfigError: there is no such file or course
        """
        path = path or self.courses
        if not path:
            raise ConfigError(["--courses is missing: use --courses=FILE.toml."])
        courses = self.courses_file(path).courses
        if course_id not in courses:
            hint = did_you_mean(course_id, tuple(courses)) or f"; there are {', '.join(courses)}"
            raise ConfigError([f"{path} contains no course {course_id}{hint}"])
        return courses[course_id]

    def gradebook_indexes(self, words: "Sequence[str]", options: Mapping[str, str]) -> int:
        """``gradebook-indexes FILE COURSE [--remove]``. Raises ConfigError."""
        from services.formgrader_proxy.commands.gradebook_indexes import gradebook_indexes

        path, course_id = words
        course = self._course(course_id, path)
        print(gradebook_indexes(course, remove="remove" in options))
        return 0

    def new_loop(self) -> "AbstractEventLoop":
        """A uvloop, with which a request takes less CPU than with asyncio's own event loop."""
        import uvloop

        return uvloop.new_event_loop()

    def settings(self, kept: str | None = None) -> "Settings":
        """The settings as frozen values. Raises ConfigError.

        ``kept``: see :meth:`courses_file`.
        """
        from common.web.server import Bind
        from services.formgrader_proxy.settings import Route, Settings, Site

        tls = self.server_tls
        route = Route(self.proxy_api_url, self.proxy_token, self.register_target)
        return Settings(
            site=Site(
                self.prefix,
                self.public_hub_url,
                self.frame_ancestors,
                Administrators(frozenset(self.admin_groups)),
                self.statistics_url,
            ),
            services_path=self.services_path,
            oauth=self.oauth_settings(allow_frames=self.frame_ancestors != "'none'"),
            bind=Bind(self.ip, self.port or 0, tls.server_context() if tls else None),
            courses=self.courses_file(kept=kept),
            db_url=self.db_url,
            version=self.version,
            service_name=self.service_name,
            authenticate_prometheus=self.authenticate_prometheus,
            route=route if self.register else None,
        )

    async def main(self) -> int:
        """Serve until the service is stopped."""
        from services.formgrader_proxy.main import run

        kept = await self._kept_courses()
        try:
            settings = self.settings(kept)
        except ConfigError as error:
            raise ConfigError(self.file_problems() or error.problems) from None
        return await run(settings, self.stopping)

    async def _kept_courses(self) -> str | None:
        """The last valid courses, read from the database only if the file has none."""
        problems = self._without_courses()
        if not problems:
            return None
        from services.formgrader_proxy.store.kept import kept_courses

        try:
            return await kept_courses(self.db_url, Path(self.courses))
        except StoreError as error:
            reason = f"The last valid courses cannot be read: {error}"
            raise ConfigError([*problems, reason]) from None
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from None
