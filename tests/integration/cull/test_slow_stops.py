"""Slow stops with the real Hub, and how a stop by the culler affects the user's activity."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp

from services.declare.service_types import CULL
from tests.integration.conftest import MakeHub
from tests.integration.realhub import RealHub, user_path
from tests.paths import ROOT

LONG_AGO = timedelta(hours=2)


@asynccontextmanager
async def culler(hub: RealHub, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``python -m services.cull`` with the scopes for --cull-users."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cull", "--timeout=3600", "--cull-users", *flags),
        cwd=hub.directory,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "JUPYTERHUB_API_TOKEN": await hub.token(list(CULL.scopes({"cull_users": True}))),
            "JUPYTERHUB_API_URL": hub.api_url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(10):
                await process.wait()


async def once(hub: RealHub, *flags: str) -> str:
    """Make a pass that must succeed, and return its output."""
    async with culler(hub, "--once", *flags) as process, asyncio.timeout(60):
        written, _ = await process.communicate()
    assert process.returncode == 0, written.decode()
    return written.decode()


async def idle(hub: RealHub, user: str) -> None:
    """Create a user who has been idle for a long time, with an idle server."""
    await hub.create_user(user)
    await hub.start_server(user)
    then = datetime.now(UTC) - LONG_AGO
    await hub.set_last_activity(user, "", then)
    await hub.set_last_activity(user, None, then)


async def there(hub: RealHub, user: str) -> bool:
    users = await hub.api("GET", "/users")
    return any(one["name"] == user for one in users)


async def test_a_user_is_deleted_in_the_pass_that_stops_their_server(make_hub: MakeHub) -> None:
    """The Hub counts the culler's stop as activity, and the culler ignores that."""
    hub = make_hub()
    await idle(hub, "ada")
    await hub.create_user("ben")
    written = await once(hub)
    assert "1 stopped" in written
    assert not await there(hub, "ada")
    assert await there(hub, "ben")


async def test_after_a_slow_stop_the_user_is_deleted(make_hub: MakeHub) -> None:
    """After a 202, the stop is followed to its end, and a later pass deletes the user."""
    hub = make_hub(spawner="nothing", stop_seconds=3, tornado_settings={"slow_stop_timeout": 0.5})
    await idle(hub, "ada")
    async with culler(hub, "--settle=0", "--cull-every=2") as process:
        written = b""
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while await there(hub, "ada"):
                written += await process.stdout.read(4096)
            process.terminate()
            written += await process.stdout.read()
    text = written.decode()
    assert "slow to stop" in text
    assert text.index("slow to stop") < text.index("stop server ada/")


async def test_a_user_who_stops_their_own_server_is_active(make_hub: MakeHub) -> None:
    """Unlike a stop by the culler, the user's own stop counts as activity."""
    hub = make_hub()
    await idle(hub, "ada")
    async with aiohttp.ClientSession() as session:
        url = hub.api_url + user_path("ada", "")
        headers = {"Authorization": f"token {hub.admin_token}"}
        async with session.delete(url, headers=headers) as answer:
            assert answer.status in {202, 204}
    await once(hub)
    assert await there(hub, "ada")
