"""The same cases on the fake Hub and on the real one: what the client relies on is true."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from common.errors import HubForbidden, HubNotFound
from common.http import NO_RETRY
from common.hub import HubClient, StopOutcome
from common.models import User
from tests.fakes.hub import FakeHub
from tests.integration.conftest import real_hub
from tests.integration.realhub import RealHub

__all__ = ["real_hub"]

NAMES = ["contract", "q?x=1", "h#frag", "%41", "名前", "sp ace"]
SCOPES = [
    "list:users",
    "read:users",
    "read:servers",
    "servers",
    "delete:servers",
    "delete:users",
    "list:groups",
    "read:groups",
]


@dataclass
class Site:
    """A Hub of either kind, and how to make things in it."""

    hub: HubClient
    stranger: HubClient
    create: Callable[[str, list[str]], Awaitable[None]]


@pytest.fixture(params=["fake", "real"])
async def site(
    request: pytest.FixtureRequest, session: aiohttp.ClientSession
) -> AsyncIterator[Site]:
    """Each kind of Hub."""
    if request.param == "fake":
        async with FakeHub() as fake:
            fake.now = lambda: datetime.now(UTC)
            fake.scopes = SCOPES

            async def create_fake(name: str, groups: list[str]) -> None:
                fake.add_user(name, groups=groups)

            yield Site(
                HubClient(session, fake.api_url, fake.token, retry=NO_RETRY, page_size=2),
                HubClient(session, fake.api_url, "wrong", retry=NO_RETRY),
                create_fake,
            )
        return
    real: RealHub = request.getfixturevalue("real_hub")
    token = await real.token(SCOPES)

    async def create_real(name: str, groups: list[str]) -> None:
        await real.create_user(name, groups=groups)

    yield Site(
        HubClient(session, real.api_url, token, retry=NO_RETRY, page_size=2),
        HubClient(session, real.api_url, "wrong", retry=NO_RETRY),
        create_real,
    )


async def running(hub: HubClient, user: str, server: str = "") -> None:
    """Wait until the server is ready."""
    async with asyncio.timeout(30):
        while True:
            found = await hub.server(user, server)
            if found is not None and found.ready:
                return
            await asyncio.sleep(0.05)


async def gone(hub: HubClient, user: str, server: str = "") -> None:
    """Wait until the server does not run."""
    async with asyncio.timeout(30):
        while True:
            found = (await hub.user(user)).servers.get(server)
            if found is None or not (found.ready or found.pending):
                return
            await asyncio.sleep(0.05)


async def everyone(hub: HubClient, state: str | None = None) -> dict[str, User]:
    return {user.name: user async for page in hub.users(state=state) for user in page}


async def test_the_version_needs_no_token(site: Site) -> None:
    """Anybody may ask what Hub this is."""
    assert int((await site.stranger.info()).version.partition(".")[0]) >= 4


async def test_a_wrong_token_is_forbidden(site: Site) -> None:
    """403, not 401."""
    with pytest.raises(HubForbidden) as raised:
        await site.stranger.whoami()
    assert raised.value.status == 403


async def test_a_token_knows_its_scopes(site: Site) -> None:
    """What the start of a service checks."""
    assert "list:users" in (await site.hub.whoami()).scopes


async def test_everybody_is_listed_across_pages(site: Site) -> None:
    """Pages of two, odd names included, nobody twice and nobody missing."""
    for name in NAMES:
        await site.create(name, ["contract-group"])
    users = await everyone(site.hub)
    assert set(NAMES) <= set(users)
    assert users["名前"].groups == ("contract-group",)
    assert users["contract"].created is not None


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_lives_and_dies_under_any_name(site: Site, name: str) -> None:
    """Started, listed as ready, read by itself, stopped, gone."""
    await site.create(name, [])
    await site.hub.start_server(name)
    await running(site.hub, name)
    assert name in await everyone(site.hub, "ready")
    server = await site.hub.server(name, "")
    assert server is not None
    assert server.started is not None
    assert abs(server.started - site.hub.hub_now()) < timedelta(minutes=1)
    await site.hub.stop_server(name, "")
    await gone(site.hub, name)
    assert name not in await everyone(site.hub, "ready")


async def test_a_named_server_is_removed_by_its_stop(site: Site) -> None:
    """With ``remove`` the Hub forgets it."""
    await site.create("contract", [])
    await site.hub.start_server("contract", "gpu")
    await running(site.hub, "contract", "gpu")
    assert await site.hub.stop_server("contract", "gpu", remove=True) in StopOutcome
    await gone(site.hub, "contract", "gpu")

    async with asyncio.timeout(30):
        while await site.hub.server("contract", "gpu") is not None:
            await asyncio.sleep(0.05)


async def test_stopping_counts_as_the_users_activity(site: Site) -> None:
    """The Hub sets the user's last activity when a server stops: why a cull is not activity."""
    await site.create("contract", [])
    await site.hub.start_server("contract")
    await running(site.hub, "contract")
    before = site.hub.hub_now() - timedelta(seconds=2)
    await site.hub.stop_server("contract", "")
    await gone(site.hub, "contract")
    stamp = (await site.hub.user("contract")).last_activity
    assert stamp is not None
    assert stamp >= before


async def test_what_is_not_there_is_not_found(site: Site) -> None:
    """An unknown user is an error, an unknown server is None, and deleting neither is one."""
    with pytest.raises(HubNotFound):
        await site.hub.user("nobody-here")
    assert await site.hub.server("nobody-here", "") is None
    assert await site.hub.stop_server("nobody-here", "") is StopOutcome.GONE
    assert await site.hub.delete_user("nobody-here") is False


async def test_a_deleted_user_is_gone(site: Site) -> None:
    """And the one whose name it resembles is not."""
    await site.create("del", [])
    await site.create("del?x=1", [])
    assert await site.hub.delete_user("del?x=1")
    assert {"del", "del?x=1"} & set(await everyone(site.hub)) == {"del"}


async def test_groups_have_their_members(site: Site) -> None:
    """Listed page by page, and one by one."""
    await site.create("contract", ["contract-a", "contract-b", "contract-c"])
    groups = {group.name: group async for page in site.hub.groups() for group in page}
    assert {"contract-a", "contract-b", "contract-c"} <= set(groups)
    assert (await site.hub.group("contract-b")).users == ("contract",)


async def test_the_hubs_clock_is_ours(site: Site) -> None:
    """Both run on this machine, so the Date says what our clock says."""
    await site.hub.info()
    behind = datetime.now(UTC) - site.hub.hub_now()
    assert timedelta(seconds=-0.1) <= behind < timedelta(seconds=5)
