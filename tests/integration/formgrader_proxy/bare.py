"""nbgrader's formgrader as its documentation has it: a Jupyter server, without a proxy."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.formgrader_proxy.site import TOKEN
from tests.integration.processes import free_port


@contextmanager
def bare_formgrader(course: Path, base_url: str, *options: str) -> Iterator[str]:
    """Serve the course at ``base_url``, which ends in a slash; yields the origin.

    Its token is :data:`~tests.formgrader_proxy.site.TOKEN`, so it can be an external formgrader
    (``url``) of a course.
    """
    (course / "home").mkdir(exist_ok=True)
    port = free_port()
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={course}"),
            *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.base_url={base_url}"),
            "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
            f"--CourseDirectory.root={course}",
            *options,
        ],
        cwd=course,
        env=os.environ | {"HOME": str(course / "home"), "PATH": programs},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    origin = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_serves(f"{origin}{base_url}formgrader/api/status?token={TOKEN}")
        yield origin
    finally:
        process.kill()  # it has nothing to save
        process.wait(20)


def _wait_until_it_serves(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310  # http
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
