"""The process of a formgrader, without the service around it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = "/services/formgrader/course101/"
TOKEN = "secret"


@dataclass(frozen=True)
class Answer:
    """``body`` is JSON, text, or the address that the answer leads to."""

    status: int
    body: Any


@dataclass(frozen=True)
class Served:
    """A running formgrader. ``address`` ends in a slash."""

    address: str
    pid: int

    def send(self, path: str, method: str = "GET", body: Any = None) -> Answer:
        """Send a request to an address below ``formgrader/``. :raises OSError: no answer"""
        request = urllib.request.Request(  # noqa: S310 # http
            f"{self.address}formgrader/{path}",
            headers={"Authorization": f"token {TOKEN}"},
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with _OPENER.open(request, timeout=1_800) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers["Location"] or error.read().decode())
        try:
            return Answer(status, json.loads(text))
        except ValueError:
            return Answer(status, text.decode())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """The page is not requested."""


_OPENER = urllib.request.build_opener(_NoRedirects)


@contextmanager
def formgrader_process(course: Path, url: str | None, log: Path) -> Iterator[Served]:
    """The process that this service starts in a course's directory.

    ``url`` is its gradebook's; None is the one that the course's configuration sets.
    """
    port = free_port()
    start = {
        "course_id": "course101",
        "base_url": BASE,
        "address": "127.0.0.1",
        "port": port,
        "token": TOKEN,
        "db_url": url,
        "parent": os.getpid(),
    }
    command = [sys.executable, "-I", "-m", "services.formgrader_proxy.upstream.server"]
    with running(command, course, port, log, stdin=json.dumps(start)) as served:
        yield served


@contextmanager
def running(
    command: list[str], course: Path, port: int, log: Path, *, stdin: str = ""
) -> Iterator[Served]:
    """A server that listens on this port, from when it answers. :raises RuntimeError: it ended"""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=course,
            env=os.environ | {"HOME": str(log.parent), "PATH": programs},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(stdin.encode())
    served = Served(f"http://127.0.0.1:{port}{BASE}", process.pid)
    try:
        _wait(served, process, log)
        yield served
    finally:
        process.kill()  # it has nothing to save
        process.wait(20)


def free_port() -> int:
    """A port on which nothing listens now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


def _wait(served: Served, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            if served.send("api/status").status == 200:
                return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.1)
