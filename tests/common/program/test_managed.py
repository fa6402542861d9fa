"""A managed service with a problem stays up, says why, and starts when the problem is solved."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.common.config.conftest import TOKEN, hub_environment
from tests.common.program.test_parent import MANAGED
from tests.integration.processes import free_port

PREFIX = "/services/made/"
SERVICE = """
import sys
from pathlib import Path
from traitlets import Unicode
from common.config.application import ServiceApp
from common.errors import ConfigError
from common.program import managed
from common.program.launch import launch
from common.web.server import Bind, serve
from aiohttp import web

managed.CHECK_SECONDS = managed.AGAIN_SECONDS = 0.1

class Made(ServiceApp):
    name = "made"
    title = "Made for tests"
    rules = Unicode().tag(config=True)
    list = Unicode().tag(config=True)
    aliases = {**ServiceApp.aliases, "rules": "Made.rules", "list": "Made.list"}

    def own_problems(self):
        text = Path(self.rules).read_text()
        if text == "unreadable":
            raise RuntimeError("a bug with a hunter2 in it")
        return [] if text in ("good", "refused", "crash") else [f"--rules: {text!r} is no rule."]

    def file_problems(self):
        text = Path(self.list).read_text() if self.list else "good"
        if text == "a bug":
            raise RuntimeError("hunter2")
        return [] if text == "good" else [f"--list: {text!r} is no list."]

    @property
    def keeps_files(self):
        return True

    async def main(self):
        text = Path(self.rules).read_text()
        kept = self.list and Path(self.list + ".kept").exists()
        if not kept and (problems := self.file_problems()):
            raise ConfigError(problems)
        if text == "refused":
            raise ConfigError(["the database has a newer schema"])
        if text == "crash":
            raise RuntimeError("a bug")
        app = web.Application()
        app.router.add_get("/{path:.*}", lambda request: web.Response(text="works"))
        async with serve(app, Bind(self.ip, self.port)):
            await self.stopping.wait()
        return 0

launch(Made)
"""


class Made:
    """The running service."""

    def __init__(self, process: subprocess.Popen[str], port: int, rules: Path) -> None:
        self.process, self.port, self.rules = process, port, rules

    def get(self, path: str = "ready", *, html: bool = False) -> tuple[int, str]:
        """Status and text; redirects are not followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            headers = {"Accept": "text/html"} if html else {}
            connection.request("GET", PREFIX + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def until(self, wanted: Callable[[], bool]) -> None:
        """Wait until something is true; connections may be refused meanwhile."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            assert self.process.poll() is None
            try:
                if wanted():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        pytest.fail("that did not happen")


@contextmanager
def made(tmp_path: Path, text: str, *flags: str) -> Iterator[Made]:
    """The service, started as the Hub starts it, with these rules."""
    (tmp_path / "made.py").write_text(SERVICE)
    rules = tmp_path / "rules"
    rules.write_text(text)
    port = free_port()
    environment = {
        **MANAGED,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
    }
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "made.py"), f"--rules={rules}", *flags],
        env=hub_environment(**environment),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Made(process, port, rules)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(10)


def test_wrong_settings(tmp_path: Path) -> None:
    """503 with the reason on every page and at ready, until the file is corrected."""
    with made(tmp_path, f"<b>{TOKEN}") as service:
        service.until(lambda: service.get()[0] == 503)
        status, body = service.get()
        reasons = json.loads(body)["reasons"]["service"]
        assert "is no rule" in reasons
        status, page = service.get("anything", html=True)
        assert (status, "is no rule" in page, "&lt;b&gt;" in page) == (503, True, True)
        assert service.get("health")[0] == 200
        assert TOKEN not in body + page
        service.rules.write_text("bad too")
        service.until(lambda: "bad too" in service.get()[1])
        service.rules.write_text("good")
        service.until(lambda: service.get("")[1] == "works")
        service.process.terminate()
        assert service.process.wait(10) == 0
        assert service.process.stderr is not None
        assert "Traceback" not in service.process.stderr.read()


def test_the_hub_finds_it_listening(tmp_path: Path) -> None:
    """The Hub's first request is no browser's and must not get a 5xx, with which it would exit."""
    with made(tmp_path, "bad") as service:
        service.until(lambda: service.get()[0] == 503)
        assert service.get("")[0] == 302


@pytest.mark.parametrize(
    ("text", "reason"), [("refused", "newer schema"), ("crash", "stopped because of an error")]
)
def test_a_service_that_fails_is_started_again(tmp_path: Path, text: str, reason: str) -> None:
    """What only the start can show is tried again from time to time."""
    with made(tmp_path, text) as service:
        service.until(lambda: reason in service.get()[1])
        service.rules.write_text("good")
        service.until(lambda: service.get("")[1] == "works")


def test_an_invalid_file_without_a_kept_text(tmp_path: Path) -> None:
    """503 with the reason; corrected within seconds, logged once, and only when it changes."""
    file = tmp_path / "list"
    file.write_text("wrong")
    with made(tmp_path, "good", f"--list={file}") as service:
        service.until(lambda: "'wrong' is no list" in service.get()[1])
        file.write_text("wrong too")
        service.until(lambda: "'wrong too' is no list" in service.get()[1])
        file.write_text("a bug")
        service.until(lambda: "internal error while reading" in service.get()[1])
        assert "hunter2" not in service.get()[1]
        file.write_text("good")
        service.until(lambda: service.get("")[1] == "works")
        service.process.terminate()
        assert service.process.stderr is not None
        assert service.process.stderr.read().count("cannot work") == 3


def test_an_invalid_file_with_a_kept_text(tmp_path: Path) -> None:
    """Other mistakes are reported together with it; without them, the service works."""
    file = tmp_path / "list"
    file.write_text("wrong")
    (tmp_path / "list.kept").touch()
    with made(tmp_path, "bad", f"--list={file}") as service:
        service.until(lambda: "'wrong' is no list" in service.get()[1])
        assert "'bad' is no rule" in service.get()[1]
        service.rules.write_text("good")
        service.until(lambda: service.get("")[1] == "works")


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    """A bug in reading the settings ends neither the service nor the Hub."""
    with made(tmp_path, "unreadable") as service:
        service.until(lambda: "internal error while reading" in service.get()[1])
        assert "hunter2" not in service.get()[1]
        service.rules.write_text("bad")
        service.until(lambda: "is no rule" in service.get()[1])
        service.rules.write_text("unreadable")
        service.until(lambda: "internal error while reading" in service.get()[1])
        service.rules.write_text("good")
        service.until(lambda: service.get("")[1] == "works")


def test_unknown_flags(tmp_path: Path) -> None:
    """A typing error in the declaration does not end the service, either."""
    with made(tmp_path, "good", "--timout=5") as service:
        service.until(lambda: "Unknown option --timout" in service.get()[1])


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    """The reason is at the address at which the Hub expects the service, and else would exit."""
    with made(tmp_path, "good", "--ip=192.0.2.1") as service:
        service.until(lambda: "stopped because of an error" in service.get()[1])


def test_without_a_hub_it_ends(tmp_path: Path, program: list[str]) -> None:
    """A service that somebody started by hand reports its problems and exits."""
    run = subprocess.run(
        [*program, "--timout=5"],
        env={**hub_environment(), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 1
    assert "Unknown option --timout" in run.stderr
