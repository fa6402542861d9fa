"""The culler with the real Hub: it stops the right servers and no others."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from services.declare.service_types import CULL
from tests.integration.conftest import MakeHub, needs_proxy
from tests.integration.realhub import HubAnswerError, RealHub, user_path
from tests.paths import ROOT

# Each unusual name with the name that it becomes if it is not quoted.
UNUSUAL_NAMES = {"q?x=1": "q", "h#frag": "h", "%41": "a", "名前": "名", "sp ace": "sp"}


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub for these tests only."""
    needs_proxy()
    with RealHub(tmp_path_factory.mktemp("cull-hub")) as hub:
        yield hub


@pytest.fixture
async def hub(one_hub: RealHub) -> RealHub:
    """That hub, with no servers running and no users but its administrator."""
    for user in await one_hub.api("GET", "/users"):
        for server in user["servers"]:
            await one_hub.stop_server(user["name"], server)
        if user["name"] != one_hub.admin:
            await one_hub.delete_user(user["name"])
    return one_hub


async def culler(hub: RealHub, *flags: str, **options: bool) -> asyncio.subprocess.Process:
    """Start ``python -m services.cull`` with the scopes that declare() gives for `options`."""
    token = await hub.token(list(CULL.scopes(options)))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cull", *flags),
        cwd=hub.directory,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "JUPYTERHUB_API_TOKEN": token,
            "JUPYTERHUB_API_URL": hub.api_url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def cull_once(hub: RealHub, *flags: str, **options: bool) -> str:
    """Make a pass that must succeed, and return its output."""
    process = await culler(hub, "--once", *flags, **options)
    async with asyncio.timeout(60):
        written, _ = await process.communicate()
    assert process.returncode == 0, written.decode()
    return written.decode()


async def run_server(
    hub: RealHub, user: str, server: str = "", *, idle: timedelta | None = None
) -> None:
    """Start a server that was last active `idle` ago, or just now."""
    await hub.create_user(user)
    await hub.start_server(user, server)
    if idle is not None:
        await hub.set_last_activity(user, server, datetime.now(UTC) - idle)


async def running(hub: RealHub, *users: str) -> set[str]:
    """The servers of these users that run, as user/server."""
    return {f"{user}/{server}" for user in users for server in await hub.servers(user)}


async def test_an_idle_server_is_stopped(hub: RealHub) -> None:
    """After one pass the idle server is stopped and the busy one is running."""
    await run_server(hub, "ida", idle=timedelta(hours=2))
    await run_server(hub, "bea", idle=timedelta(minutes=50))
    await cull_once(hub, "--timeout=3600")
    assert await running(hub, "ida", "bea") == {"bea/"}


@pytest.mark.parametrize(("unusual", "other"), UNUSUAL_NAMES.items(), ids=UNUSUAL_NAMES.values())
async def test_an_unusual_name_affects_no_other_user(
    hub: RealHub, unusual: str, other: str
) -> None:
    """The idle server with the unusual name is stopped, not the busy one of a similar name."""
    await run_server(hub, unusual, idle=timedelta(hours=2))
    await run_server(hub, other)
    await cull_once(hub, "--timeout=3600")
    assert await running(hub, unusual, other) == {f"{other}/"}


async def test_named_servers(hub: RealHub) -> None:
    """Each named server is decided on its own, and only removed if the flag says so."""
    await run_server(hub, "nina")
    await run_server(hub, "nina", "idle", idle=timedelta(hours=2))
    await run_server(hub, "nina", "busy")
    await cull_once(hub, "--timeout=3600")
    assert await running(hub, "nina") == {"nina/", "nina/busy"}
    assert "idle" in await known_servers(hub, "nina")

    await run_server(hub, "nina", "idle", idle=timedelta(hours=2))
    await cull_once(hub, "--timeout=3600", "--remove-named-servers")
    assert await running(hub, "nina") == {"nina/", "nina/busy"}
    assert "idle" not in await known_servers(hub, "nina")


async def known_servers(hub: RealHub, user: str) -> set[str]:
    """A user's servers, including stopped ones."""
    found = await hub.api("GET", user_path(user) + "?include_stopped_servers=1")
    return set(found["servers"])


async def test_cull_users(hub: RealHub) -> None:
    """Idle users are deleted by their exact names; busy users and administrators are not."""
    long_ago = datetime.now(UTC) - timedelta(days=3)
    for name in (*UNUSUAL_NAMES, *UNUSUAL_NAMES.values(), "idle-admin"):
        await hub.create_user(name, admin=name == "idle-admin")
        busy = name in UNUSUAL_NAMES.values()
        await hub.set_last_activity(name, None, datetime.now(UTC) if busy else long_ago)
    await run_server(hub, "working")
    await hub.set_last_activity("working", None, long_ago)
    await cull_once(hub, "--timeout=3600", "--cull-users", cull_users=True)
    left = {user["name"] for user in await hub.api("GET", "/users")}
    assert left - {hub.admin} == {*UNUSUAL_NAMES.values(), "working", "idle-admin"}


async def test_dry_run_stops_nothing(hub: RealHub) -> None:
    """A dry run lists the idle server and does not stop it."""
    await run_server(hub, "dora", idle=timedelta(hours=2))
    written = await cull_once(hub, "--timeout=3600", "--dry-run")
    assert "dora" in written
    assert await running(hub, "dora") == {"dora/"}


async def test_no_token_in_any_output(hub: RealHub) -> None:
    """The error about a refused token does not show the token."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cull", "--once", "--timeout=5", "--debug"),
        cwd=hub.directory,
        env={
            "PYTHONPATH": str(ROOT),
            "JUPYTERHUB_API_TOKEN": "made-up-token",
            "JUPYTERHUB_API_URL": hub.api_url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        written, _ = await process.communicate()
    assert process.returncode == 1
    assert b"made-up-token" not in written


@asynccontextmanager
async def keeps_working(hub: RealHub, user: str) -> AsyncIterator[None]:
    """Report activity of the user's server continuously while the Hub is available."""

    async def report() -> None:
        while True:
            with suppress(aiohttp.ClientError, HubAnswerError):
                await hub.report_activity(user, "", datetime.now(UTC))
            await asyncio.sleep(0.2)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def outage(hub: RealHub, seconds: float) -> None:
    """Stop the Hub for longer than `seconds`, and start it again."""
    gone = asyncio.get_running_loop().time()
    await asyncio.to_thread(hub.kill)
    while asyncio.get_running_loop().time() < gone + seconds:
        await asyncio.sleep(0.1)
    await asyncio.to_thread(hub.start)


async def idle_goes_after_the_outage(hub: RealHub) -> None:
    """After an outage longer than the timeout, only the idle server is stopped."""
    await run_server(hub, "wanda")
    async with keeps_working(hub, "wanda"):
        await run_server(hub, "ivo")
        await outage(hub, 5)
        assert await running(hub, "wanda", "ivo") == {"wanda/", "ivo/"}

        async def only_wanda() -> bool:
            return await running(hub, "wanda", "ivo") == {"wanda/"}

        await hub.until("the idle server stopped", only_wanda, seconds=60)


TIMES = {"timeout": 4, "cull_every": 1, "settle": 8}


async def test_a_declared_culler_survives_a_hub_restart(make_hub: MakeHub) -> None:
    """Managed by the Hub with its own role, it does not stop active servers."""
    hub = make_hub(extra_config=f"from services.declare import declare\ndeclare(c, cull={TIMES})\n")
    async with hub.login("someone") as session:
        async with session.get(hub.url + "services/cull/health") as health:
            assert health.status == 200
        async with session.get(hub.url + "services/cull/") as page:
            assert page.status == 200
            assert "someone" in await page.text()
    await idle_goes_after_the_outage(hub)
    assert "is missing" not in hub.log()


async def test_a_hub_configured_for_jupyterhub_idle_culler(make_hub: MakeHub) -> None:
    """The configuration of its README works with this module: no pages, idle servers stop."""
    name = "jupyterhub-idle-culler-service"
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    flags = ["--timeout=3600", "--cull-every=1", "--settle=0"]
    hub = make_hub(
        services=[{"name": name, "command": [sys.executable, "-m", "services.cull", *flags]}],
        roles=[{"name": "jupyterhub-idle-culler-role", "scopes": scopes, "services": [name]}],
    )
    for user in ("idle", "busy"):
        await hub.create_user(user)
        await hub.start_server(user)
    await hub.set_last_activity("idle", "", datetime.now(UTC) - timedelta(hours=2))

    async def gone() -> bool:
        return await hub.servers("idle") == {}

    await hub.until("the idle one stopped", gone)
    assert await hub.servers("busy")
    assert "Pages at" not in hub.log()
    assert "is missing" not in hub.log()


async def test_an_external_culler_survives_a_hub_restart(make_hub: MakeHub) -> None:
    """An external culler waits while the Hub is unavailable and does not stop active servers."""
    hub = make_hub()
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in TIMES.items()]
    process = await culler(hub, *flags)
    try:
        await idle_goes_after_the_outage(hub)
    finally:
        process.terminate()
        written, _ = await process.communicate()
    assert process.returncode == 0, written.decode()
