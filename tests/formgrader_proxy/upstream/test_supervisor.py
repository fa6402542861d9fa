"""A course's own formgrader process: its start, its end, and what it may know of us."""

import asyncio
import json
import os
import pwd
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from services.formgrader_proxy.upstream.supervisor import (
    ManagedSettings,
    ManagedUpstream,
    State,
    pause_after,
)

#: A stand-in that serves nothing but the status page, and tells what it knows.
SERVER = """
import json, os, sys
from aiohttp import web
start = json.load(sys.stdin)
known = {"environ": dict(os.environ), "cwd": os.getcwd(), "uid": os.getuid(), "start": start}
print("serving", start["course_id"], flush=True)
async def status(request):
    assert request.headers["Authorization"] == "token " + start["token"]
    return web.json_response(known)
async def die(request):
    os._exit(3)
app = web.Application()
app.router.add_get(start["base_url"] + "formgrader/api/status", status)
app.router.add_get("/die", die)
web.run_app(app, path=start["socket"], print=None)
"""
BASE = "/services/formgrader/c1/"


def managed(directory: Path, script: str = SERVER, **changes: Any) -> ManagedUpstream:
    settings: dict[str, Any] = {
        "course_id": "c1",
        "directory": directory,
        "base_url": BASE,
        "command": (sys.executable, "-c", script),
    }
    return ManagedUpstream(ManagedSettings(**(settings | changes)))


def state_of(upstream: ManagedUpstream) -> State:
    return upstream.state


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def knows(upstream: ManagedUpstream) -> dict[str, Any]:
    await until(upstream.ready)
    running = upstream.ready()
    assert running is not None
    async with running.session.get(
        f"{running.origin}{BASE}formgrader/api/status",
        headers={"Authorization": f"token {running.token}"},
    ) as answer:
        known: dict[str, Any] = json.loads(await answer.read())
    return known


async def test_it_starts_at_the_first_request_and_is_gone_when_stopped(tmp_path: Path) -> None:
    """Nothing runs before somebody asks, and nothing is left after."""
    upstream = managed(tmp_path)
    assert state_of(upstream) is State.STOPPED
    assert upstream.ready() is None
    await until(upstream.ready)
    assert state_of(upstream) is State.RUNNING
    assert "serving c1" in upstream.log_tail()
    (child,) = [child for child in psutil.Process().children() if SERVER in child.cmdline()]
    await upstream.stop()
    assert state_of(upstream) is State.STOPPED
    assert not child.is_running()


async def test_it_knows_nothing_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the Hub's token nor anything else of our environment, and not its own token."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-secret")
    monkeypatch.setenv("MY_PASSWORD", "own-secret")
    upstream = managed(tmp_path, db_url="postgresql://x", environment={"NBGRADER_X": "1"})
    try:
        known = await knows(upstream)
    finally:
        await upstream.stop()
    environ = known["environ"]
    assert not [name for name in environ if name.startswith("JUPYTERHUB_")]
    assert "MY_PASSWORD" not in environ
    assert known["start"]["token"] not in environ.values()
    assert environ["NBGRADER_X"] == "1"
    assert environ["PATH"].startswith(str(Path(sys.executable).parent))
    assert known["cwd"] == str(tmp_path)
    assert known["start"]["db_url"] == "postgresql://x"


async def test_its_socket_is_in_a_private_directory(tmp_path: Path) -> None:
    """Nobody else on the machine can reach it, and it is cleared away."""
    upstream = managed(tmp_path)
    try:
        socket = Path((await knows(upstream))["start"]["socket"])
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    finally:
        await upstream.stop()
    assert not socket.parent.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as another user")
async def test_as_root_it_runs_as_another_user(tmp_path: Path) -> None:
    """With that user's id, home and private directory."""
    nobody = pwd.getpwnam("nobody")
    for part in (tmp_path, *tmp_path.parents):
        if part != Path("/") and part.stat().st_uid == 0 and str(part).startswith("/tmp/"):
            part.chmod(0o755)
    upstream = managed(tmp_path, user="nobody", command=("/bin/sh", "-c", "id -u; sleep 60"))
    upstream.ready()
    await until(lambda: upstream.log_tail())
    assert upstream.log_tail() == [str(nobody.pw_uid)]
    await upstream.stop()


async def test_it_stops_when_nobody_uses_it_and_starts_again(tmp_path: Path) -> None:
    """Idle means no request for a while and none under way."""
    upstream = managed(tmp_path, idle_seconds=0.3)
    await until(upstream.ready)
    upstream.begin()
    await asyncio.wait({asyncio.create_task(until(lambda: False, 1))})
    assert state_of(upstream) is State.RUNNING  # autograding takes long, and is no idleness
    upstream.end()
    await until(lambda: upstream.state is State.STOPPED)
    await until(upstream.ready)
    await upstream.stop()


async def test_one_that_dies_is_started_again_after_a_pause(tmp_path: Path) -> None:
    """What happened is told, and the next request after the pause starts it anew."""
    upstream = managed(tmp_path)
    await until(upstream.ready)
    running = upstream.ready()
    assert running is not None
    with pytest.raises(aiohttp.ClientError):
        await running.session.get(f"{running.origin}/die")
    await until(lambda: upstream.state is State.PAUSING)
    assert upstream.trouble in {"it ended by itself with exit code 3"}
    assert upstream.ready() is None
    assert 0 < upstream.paused_for <= 1
    await until(upstream.ready)
    assert not upstream.trouble
    await upstream.stop()


async def test_one_that_cannot_start_pauses_longer_each_time(tmp_path: Path) -> None:
    """So that a broken course does not keep the machine busy."""
    upstream = managed(tmp_path, "raise SystemExit('no such course')")
    upstream.ready()
    await until(lambda: upstream.state is State.PAUSING)
    first = upstream.paused_for
    await until(lambda: upstream.ready() is not None or upstream.state is State.STARTING)
    await until(lambda: upstream.state is State.PAUSING)
    assert upstream.paused_for > first
    assert "no such course" in upstream.log_tail()
    await upstream.stop()


async def test_a_directory_that_is_missing_is_told(tmp_path: Path) -> None:
    """No traceback, a state and a reason."""
    upstream = managed(tmp_path / "nowhere")
    upstream.ready()
    await until(lambda: upstream.state is State.PAUSING)
    assert upstream.trouble is not None
    assert "cannot be started" in upstream.trouble


async def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """After its time to start, with everything that it started."""
    upstream = managed(tmp_path, "import time; time.sleep(600)", start_seconds=0.3)
    upstream.ready()
    await until(lambda: upstream.state is State.PAUSING)
    assert upstream.trouble == "it did not answer within 0 s"
    await upstream.stop()


def test_pauses_double_up_to_a_limit() -> None:
    """1, 2, 4 ... 300 seconds."""
    assert [pause_after(deaths) for deaths in (0, 1, 2, 3, 100)] == [0, 1, 2, 4, 300]


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("sqlite:////srv/gradebook.db", "sqlite:////srv/gradebook.db"),
        ("postgresql+pg8000://db/grades", "postgresql+pg8000://db/grades"),
        ("postgresql://db/grades", "postgresql+psycopg2://db/grades"),
        ("postgres://db/grades", "postgresql+psycopg2://db/grades"),
    ],
)
def test_a_gradebooks_driver_is_the_one_that_is_here(
    url: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever SQLAlchemy would take by itself; one that is named stays."""
    from services.formgrader_proxy.upstream import server as formgrader_server

    monkeypatch.setattr(formgrader_server, "find_spec", lambda name: name == "psycopg2" or None)
    assert formgrader_server.gradebook_url(url) == taken


def test_without_a_driver_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the formgrader's log, without the URL and its password."""
    from services.formgrader_proxy.upstream import server as formgrader_server

    monkeypatch.setattr(formgrader_server, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="pip install") as refused:
        formgrader_server.gradebook_url("postgresql://me:secret@db/grades")
    assert "secret" not in str(refused.value)
