"""The real service behind a real Hub, as a process that a test can kill and start again."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.integration.formgrader_proxy.grading_day.course import COURSE
from tests.integration.processes import free_port, status_of, wait_until
from tests.integration.realhub import RealHub
from tests.paths import ROOT

PREFIX = "/services/formgrader/"
INSTRUCTOR = "iris"
GRADERS_GROUP = f"formgrade-{COURSE}"
#: The programs of a formgrader, as modules: its keeper and the server itself.
FORMGRADER = "services.formgrader_proxy.upstream."


@dataclass
class Site:
    """A Hub, the service, and one course. ``gradebook`` and ``audit`` are database URLs."""

    hub: RealHub
    course: Path
    gradebook: str
    audit: str
    courses_file: Path
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.hub.directory / "service.log"

    @property
    def url(self) -> str:
        """The course's public address, with a slash at the end."""
        return f"{self.hub.url.rstrip('/')}{PREFIX}{COURSE}/"

    @property
    def service_url(self) -> str:
        """The list of courses."""
        return f"{self.hub.url.rstrip('/')}{PREFIX}"

    def start(self) -> None:
        """Start the service as the Hub would, and wait until it serves."""
        assert self.process is None, "the service is already running"
        command = [sys.executable, "-m", "services.formgrader_proxy"]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, f"--courses={self.courses_file}", f"--db-url={self.audit}"],
                cwd=self.hub.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        health = f"{self.environment['JUPYTERHUB_SERVICE_URL']}{PREFIX}health"
        wait_until("the service", lambda: status_of(health) == 200, seconds=60)

    def kill(self) -> None:
        """End the service without warning (SIGKILL), and wait until its formgraders have ended."""
        process, self.process = self.process, None
        assert process is not None, "the service is not running"
        left = self.formgraders(process)
        process.kill()
        process.wait()
        psutil.wait_procs(left, timeout=20)
        assert not [one for one in left if one.is_running()], "formgraders outlive the service"

    def stop(self) -> None:
        """End the service as the Hub does (SIGTERM), if it runs."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait(30)

    def formgraders(self, process: "subprocess.Popen[bytes] | None" = None) -> list[psutil.Process]:
        """The processes of the course's formgraders that this service has started."""
        service = process or self.process
        found = []
        if service is not None:
            with suppress(psutil.NoSuchProcess):
                for one in psutil.Process(service.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        if any(word.startswith(FORMGRADER) for word in one.cmdline()):
                            found.append(one)
        return found

    def kill_a_formgrader(self, chosen: random.Random) -> str:
        """Kill one process of a formgrader at random, once one runs; returns what was killed."""
        wait_until("a formgrader", lambda: bool(self.formgraders()), seconds=60)
        victim = chosen.choice(sorted(self.formgraders(), key=lambda one: one.pid))
        with suppress(psutil.NoSuchProcess):
            keeper = any(word.endswith(".keeper") for word in victim.cmdline())
            victim.send_signal(signal.SIGKILL)
            return "a formgrader's keeper" if keeper else "a formgrader"
        return "a formgrader that had just ended"

    def log_tail(self, lines: int = 80) -> str:
        """The end of the service's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def class_site(
    directory: Path,
    course: Path,
    graders: Sequence[str],
    *,
    gradebook: str | None = None,
    audit: str | None = None,
    settings: str = "",
) -> Iterator[Site]:
    """A running service for this course. ``settings`` are further lines of the courses file.

    ``gradebook`` and ``audit`` are URLs of PostgreSQL databases; SQLite without them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    courses_file = directory / "courses.toml"
    lines = [f'id = "{COURSE}"', f'directory = "{course}"', 'instructors = ["instructors"]']
    if gradebook:
        secret = directory / "gradebook_url"
        secret.write_text(gradebook)
        lines.append(f'db_url_file = "{secret}"')
    courses_file.write_text("\n".join(["[[course]]", *lines, settings]) + "\n")
    options = {"api_token": secrets.token_hex(16), "url": f"http://127.0.0.1:{free_port()}"}
    config = (
        "from services.declare import declare\n"
        f"declare(c, formgrader_proxy=__import__('json').loads({json.dumps(options)!r}))\n"
    )
    groups = {GRADERS_GROUP: list(graders), "instructors": [INSTRUCTOR]}
    with RealHub(directory, extra_config=config, groups=groups) as hub:
        audit = audit or f"sqlite:///{directory}/audit.sqlite"
        gradebook = gradebook or f"sqlite:///{course}/gradebook.db"
        home = {"HOME": str(course.parent / "home")}
        environment = _environment(hub, options) | home
        site = Site(hub, course, gradebook, audit, courses_file, environment)
        try:
            site.start()
            yield site
        finally:
            site.stop()


def _environment(hub: RealHub, options: dict[str, str]) -> dict[str, str]:
    """What the Hub gives to a service that it starts."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB_")
    }
    return inherited | {
        "JUPYTERHUB_SERVICE_NAME": "formgrader",
        "JUPYTERHUB_SERVICE_URL": options["url"],
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_CLIENT_ID": "service-formgrader",
        "JUPYTERHUB_API_TOKEN": options["api_token"],
        "JUPYTERHUB_API_URL": hub.api_url,
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services!service=formgrader"]',
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
