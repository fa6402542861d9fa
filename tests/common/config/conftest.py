"""Two services for tests of the configuration: one in this process, one as a program."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets import Bool, Int, List, Unicode

from common.config.application import ServiceApp
from common.program import launch

TOKEN = "s3cret-token-of-the-service"
GOOD = {
    "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
    "JUPYTERHUB_API_TOKEN": TOKEN,
}

PROGRAM = """
import asyncio, sys, time
from traitlets import Unicode
from common.config.application import ServiceApp
from common.program.launch import launch
from common.errors import ConfigError, HubUnavailable
from common.config.command import Command

class Made(ServiceApp):
    name = "made"
    description = "A service for tests."
    mode = Unicode("wait").tag(config=True)
    aliases = {**ServiceApp.aliases, "mode": "Made.mode"}
    commands = {
        "check": Command("Check a file.", "check", ("FILE",)),
        "explain": Command(
            "Explain.", "explain", ("USER", "WHEN?"), {"by": "How."}, {"all": "All."}, True
        ),
    }

    def check(self, words, given):
        print("check", words, given, self.mode)
        return 3

    async def explain(self, words, given):
        print("explain", words, given)
        return 0

    async def main(self):
        print("ready", flush=True)
        if self.mode == "fail":
            raise RuntimeError("a bug")
        if self.mode == "hub":
            raise HubUnavailable("no answer", method="GET", url="http://x/y?z=1")
        if self.mode == "config":
            raise ConfigError(["one thing", "another thing"])
        if self.mode == "port":
            raise OSError(98, "Address already in use")
        if self.mode == "return":
            return 1
        if self.mode == "hang":
            await asyncio.Event().wait()
        while self.mode == "busy":
            time.sleep(0.01)
        if self.mode == "stubborn":
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
        await self.stopping.wait()
        print("closed", flush=True)
        return 0

if len(sys.argv) > 1 and sys.argv[1] == "quick":
    import common.program.shutdown
    common.program.shutdown.FINISH_SECONDS = 0.2
    common.program.shutdown.CANCEL_SECONDS = 0.2
    sys.argv.pop(1)
launch(Made)
"""


class IdleCuller(ServiceApp):
    """A service like the culler, whose ``main`` records its settings in ``seen``."""

    name = "cull"
    description = "Stops idle servers."
    examples = "python -m services.cull --timeout=3600"
    main_options = ("timeout", "cull-users", "url")
    timeout = Int(600, min=0, help="Seconds of idleness.").tag(config=True)
    cull_users = Bool(False, help="Also delete users.").tag(config=True)
    names = List(Unicode(), help="Names.").tag(config=True)
    db_url = Unicode(help="Database.").tag(config=True)
    aliases = {  # noqa: RUF012 - traitlets' own shape
        **ServiceApp.aliases,
        "timeout": "IdleCuller.timeout",
        "cull-users": "IdleCuller.cull_users",
    }
    seen: "dict[str, Any]" = {}  # noqa: RUF012 - shared on purpose

    async def main(self) -> int:
        for name in self.trait_names(config=True):
            self.seen[name] = getattr(self, name)
        self.seen["app"] = self
        return 0


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo the configuration of logging by the programs that run in this process."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment with a Hub, and an empty directory."""
    for name in list(os.environ):
        if name.startswith("JUPYTERHUB_"):
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    IdleCuller.seen.clear()


def run(*argv: str) -> int:
    """Run the service to its end."""
    return launch.run(IdleCuller, list(argv))


def problems(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a service with invalid settings; its error output."""
    assert run(*argv) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "s3cret" not in said.err
    return said.err


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    path = tmp_path / "made.py"
    path.write_text(PROGRAM)
    return [sys.executable, str(path)]


def hub_environment(**more: str) -> dict[str, str]:
    """The environment of a managed service whose Hub is down."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB_")}
    return clean | {
        "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        **more,
    }


def done(program: list[str], *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the program until it exits."""
    return subprocess.run(
        [*program, *argv],
        env=hub_environment(**more),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
