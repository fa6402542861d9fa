"""The environment of a service, as another process of its account sees it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.attacks.process.same_account import READ, attack, drop_capabilities
from tests.formgrader_proxy.program import COURSES, environment

#: Options with which a service starts and then waits for a Hub.
OPTIONS = {"cull": [], "stats": [], "formgrader_proxy": ["--port=0", "--courses=courses.toml"]}


@contextmanager
def started(command: list[str], directory: Path) -> Iterator[int]:
    """A process of a service that has printed its first line; its process id."""
    secrets = environment(
        JUPYTERHUB_API_TOKEN="0123456789abcdef",
        JUPYTERHUB_API_URL="http://127.0.0.1:9/hub/api",
        JUPYTERHUB_SERVICE_NAME="service",
        JUPYTERHUB_SERVICE_PREFIX="/services/service/",
    )
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=directory,
        env=secrets,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=drop_capabilities,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process.pid
        assert process.poll() is None
        process.terminate()
        process.communicate()


@pytest.mark.attack("process-environment")
@pytest.mark.parametrize("name", OPTIONS)
def test_a_service_hides_its_environment(name: str, tmp_path: Path) -> None:
    """And its memory, and it cannot be traced."""
    (tmp_path / "courses.toml").write_text(COURSES)
    command = ["-m", f"services.{name}", *OPTIONS[name]]
    with started(command, tmp_path) as pid:
        assert attack(READ, pid) == ""


def test_without_that_the_environment_can_be_read(tmp_path: Path) -> None:
    """The hole: any program is open to other processes of its account."""
    with started(["-c", "import time; print(flush=True); time.sleep(600)"], tmp_path) as pid:
        assert "environ" in attack(READ, pid).split()
        copy = f"print(open('/proc/{pid}/environ').read())"
        assert "JUPYTERHUB_API_TOKEN=0123456789abcdef" in attack(copy)
