"""A formgrader process that misbehaves on request, for the tests of its supervision.

It adopts the socket that it inherits, as the real one does, and serves requests one at a time.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from services.formgrader_proxy.upstream.endpoint import RequestFailed, Upstream
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import Supervisor

BASE = "/services/formgrader/c1/"
#: It executes what is posted to ``/do``; the response is what the code stores in ``answer``.
SERVER = """
import asyncio, ctypes, json, os, signal, socket, subprocess, sys, threading, time
from aiohttp import web
start = json.load(sys.stdin)
listener = socket.socket(fileno=start["listener"])
listener.set_inheritable(False)
async def status(request):
    assert request.headers["Authorization"] == "token " + start["token"]
    return web.json_response({"status": True})
async def do(request):
    names = dict(globals(), answer="")
    exec(await request.text(), names)
    return web.json_response(names["answer"])
app = web.Application()
app.router.add_get(start["base_url"] + "formgrader/api/status", status)
app.router.add_post("/do", do)
web.run_app(app, sock=listener, print=None)
"""
#: Starts a process that detaches itself completely, keeps the log open and ignores signals.
#: ``answer`` is its process id.
DETACH = """
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        listener.close()
        os.write(writer, str(os.getpid()).encode())
        time.sleep(600)
    os._exit(0)
os.wait()
answer = int(os.read(reader, 100))
"""


@asynccontextmanager
async def supervised(
    directory: Path, script: str = SERVER, **options: Any
) -> AsyncIterator[Supervisor]:
    """A supervisor of this script, with options of :class:`Supervisor`. Stopped at the end."""
    settings = LaunchSettings("c1", directory, BASE, command=(sys.executable, "-c", script))
    supervisor = Supervisor(settings, **options)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


@asynccontextmanager
async def running(directory: Path, **options: Any) -> AsyncIterator[Supervisor]:
    """A supervisor whose formgrader runs."""
    async with supervised(directory, **options) as supervisor:
        await until(supervisor.ready)
        yield supervisor


class Ready(Protocol):
    """A supervisor, or a course's formgrader."""

    def ready(self) -> Upstream | None: ...


async def do(formgrader: Ready, code: str, *, seconds: float = 60) -> Any:
    """Execute code in the formgrader; its answer. None if it does not respond within this time."""
    upstream = formgrader.ready()
    assert upstream is not None
    return await do_in(upstream, code, seconds=seconds)


async def do_in(upstream: Upstream, code: str, *, seconds: float = 60) -> Any:
    """As :func:`do`, in this process."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with upstream.session.post(
            "http://localhost/do", data=code, timeout=timeout
        ) as response:
            assert response.status == 200
            return await response.json()
    except (TimeoutError, RequestFailed) as error:
        if TimeoutError not in {type(error), type(error.__cause__)}:
            raise
        return None


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
