"""Supervising a course's own formgrader process: starting, restarting and stopping it."""

import asyncio
import itertools
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import State, Supervisor, restart_delay

#: A stand-in that serves only the status page, and a page on which it dies.
SERVER = """
import json, os, socket, sys
from aiohttp import web
start = json.load(sys.stdin)
print("serving", start["course_id"], "in", os.environ["JUPYTER_RUNTIME_DIR"], flush=True)
async def status(request):
    assert request.headers["Authorization"] == "token " + start["token"]
    return web.json_response({"status": True})
async def die(request):
    os._exit(3)
app = web.Application()
app.router.add_get(start["base_url"] + "formgrader/api/status", status)
app.router.add_get("/die", die)
web.run_app(app, sock=socket.socket(fileno=start["listener"]), print=None)
"""
BASE = "/services/formgrader/c1/"


def supervised(directory: Path, script: str = SERVER, **options: Any) -> Supervisor:
    """A supervisor of this script, with options of :class:`Supervisor`."""
    settings = LaunchSettings("c1", directory, BASE, command=(sys.executable, "-c", script))
    return Supervisor(settings, **options)


def state_of(supervisor: Supervisor) -> State:
    return supervisor.state


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_is_started_on_demand_and_ended_when_stopped(tmp_path: Path) -> None:
    """No process runs before the first request or after the end."""
    supervisor = supervised(tmp_path)
    assert state_of(supervisor) is State.STOPPED
    assert supervisor.ready() is None
    await until(supervisor.ready)
    assert state_of(supervisor) is State.RUNNING
    assert supervisor.log_tail()[0].startswith("serving c1 in ")
    (child,) = [
        child for child in psutil.Process().children(recursive=True) if SERVER in child.cmdline()
    ]
    await supervisor.stop()
    assert state_of(supervisor) is State.STOPPED
    assert not child.is_running()


async def test_it_stops_when_idle_and_starts_again(tmp_path: Path) -> None:
    """Idle means no request for a while, and none that is still being handled."""
    supervisor = supervised(tmp_path, idle_seconds=0.3)
    await until(supervisor.ready)
    with supervisor.in_use():
        with pytest.raises(TimeoutError):  # three times the idle timeout
            await until(lambda: supervisor.state is not State.RUNNING, 1)
        assert state_of(supervisor) is State.RUNNING  # autograding takes long
    await until(lambda: supervisor.state is State.STOPPED)
    await until(supervisor.ready)
    await supervisor.stop()


async def test_a_start_that_takes_longer_than_the_idle_timeout(tmp_path: Path) -> None:
    """The request that started it reaches it; it does not stop as soon as it runs."""
    slow = "import time\ntime.sleep(1.5)\n" + SERVER
    supervisor = supervised(tmp_path, slow, idle_seconds=1)
    assert supervisor.ready() is None
    await until(lambda: supervisor.state is State.RUNNING)
    with pytest.raises(TimeoutError):  # half of the idle timeout
        await until(lambda: supervisor.state is not State.RUNNING, 0.5)
    await supervisor.stop()


async def test_after_an_exit_it_is_started_again_with_a_delay(tmp_path: Path) -> None:
    """The reason is reported, and the first request after the delay starts it again."""
    supervisor = supervised(tmp_path)
    await until(supervisor.ready)
    running = supervisor.ready()
    assert running is not None
    with pytest.raises(aiohttp.ClientError):
        await running.session.get(f"{running.origin}/die")
    await until(lambda: supervisor.state is State.PAUSING)
    assert supervisor.trouble in {"it exited with code 3"}
    assert supervisor.ready() is None
    assert 0 < supervisor.paused_for <= 1
    await until(supervisor.ready)
    assert not supervisor.trouble
    await supervisor.stop()


async def test_the_delay_grows_with_each_failure(tmp_path: Path) -> None:
    """A broken course does not keep the machine busy."""
    supervisor = supervised(tmp_path, "raise SystemExit('no such course')")
    supervisor.ready()
    await until(lambda: supervisor.state is State.PAUSING)
    first = supervisor.paused_for
    await until(lambda: supervisor.ready() is not None or supervisor.state is State.STARTING)
    await until(lambda: supervisor.state is State.PAUSING)
    assert supervisor.paused_for > first
    assert "no such course" in supervisor.log_tail()
    await supervisor.stop()


async def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    """As a state and a reason, not as an exception."""
    supervisor = supervised(tmp_path / "nowhere")
    supervisor.ready()
    await until(lambda: supervisor.state is State.PAUSING)
    assert supervisor.finding is not None
    assert f"{tmp_path}/nowhere does not exist" in str(supervisor.trouble)


async def test_it_is_given_up_if_it_never_responds(tmp_path: Path) -> None:
    """After the time limit for a start."""
    supervisor = supervised(tmp_path, "import time; time.sleep(600)", start_seconds=0.3)
    supervisor.ready()
    await until(lambda: supervisor.state is State.PAUSING)
    assert supervisor.trouble == "it did not respond within 0 s"
    await supervisor.stop()


def test_delays_double_up_to_a_limit() -> None:
    """1, 2, 4 ... 300 seconds."""
    assert [restart_delay(failures) for failures in (0, 1, 2, 3, 100)] == [0, 1, 2, 4, 300]


async def test_its_runtime_files_are_in_a_private_directory(tmp_path: Path) -> None:
    """No other account can reach them, and the directory is removed at the end."""
    supervisor = supervised(tmp_path)
    try:
        await until(supervisor.ready)
        private = Path(supervisor.log_tail()[0].partition(" in ")[2]).parent
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert list(private.iterdir()) == []
    finally:
        await supervisor.stop()
    assert not private.exists()


async def test_its_states_are_reported_in_order(tmp_path: Path) -> None:
    """Each change with the state before it, so that metrics can count them."""
    states: list[tuple[State, State]] = []
    supervisor = supervised(tmp_path, on_state=lambda old, new: states.append((old, new)))
    await until(supervisor.ready)
    await supervisor.stop()
    order = [State.STOPPED, State.STARTING, State.RUNNING, State.STOPPING, State.STOPPED]
    assert states == list(itertools.pairwise(order))
