"""What the client relies on, tested with the fake Hub and with the real one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import jupyterhub
import pytest

from common.errors import HubForbidden, HubNotFound, HubRejected
from common.hub.client import PAGINATED, HubClient, StopOutcome
from common.hub.models import User
from common.hub.retry import NO_RETRY
from tests.fakes.hub import FakeHub
from tests.integration.conftest import real_hub
from tests.integration.realhub import RealHub

__all__ = ["real_hub"]

#: The JupyterHub that is installed: the real one runs it, and the fake one imitates it.
VERSION = jupyterhub.__version__
MAJOR = int(VERSION.partition(".")[0])

USER_FIELDS = {
    "admin",
    "created",
    "groups",
    "kind",
    "last_activity",
    "name",
    "pending",
    "roles",
    "server",
    "servers",
} | ({"user_info"} if MAJOR >= 6 else set())
SERVER_FIELDS = {
    *(("display_name",) if MAJOR >= 6 else ()),
    *(("full_name", "full_progress_url", "full_url") if MAJOR >= 5 else ()),
    "last_activity",
    "name",
    "pending",
    "progress_url",
    "ready",
    "started",
    "stopped",
    "url",
    "user_options",
}
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
    """A fake or real Hub, and ways to create users and servers in it."""

    hub: HubClient
    stranger: HubClient
    create: Callable[[str, list[str]], Awaitable[None]]
    #: Another client, whose token has these scopes.
    client: Callable[[list[str]], Awaitable[HubClient]]
    #: Starts a server that takes a while to start.
    start_slowly: Callable[[str], Awaitable[None]]
    #: Starts a server that will take a while to stop.
    run_until_slow_stop: Callable[[str], Awaitable[None]]
    #: Sets when a user was last active.
    active_at: Callable[[str, datetime | None], Awaitable[None]]


def fake_site(fake: FakeHub, session: aiohttp.ClientSession) -> Site:
    fake.now = lambda: datetime.now(UTC)
    fake.scopes = SCOPES
    fake.metrics_text = "process_start_time_seconds 1.7e9\n"

    async def create(name: str, groups: list[str]) -> None:
        fake.users.get(name) or fake.add_user(name, groups=groups)

    async def client(scopes: list[str]) -> HubClient:
        fake.scopes = scopes
        if "read:metrics" not in scopes:
            fake.metrics_text = None
        return HubClient(session, fake.api_url, fake.token, retry=NO_RETRY, page_size=2)

    async def start_slowly(name: str) -> None:
        fake.add_server(name, ready=False, pending="spawn")

    async def run_until_slow_stop(name: str) -> None:
        fake.stop_seconds = 0.5
        fake.add_server(name)

    async def active_at(name: str, moment: datetime | None) -> None:
        fake.users[name].last_activity = moment

    return Site(
        HubClient(session, fake.api_url, fake.token, retry=NO_RETRY, page_size=2),
        HubClient(session, fake.api_url, "wrong", retry=NO_RETRY),
        create,
        client,
        start_slowly,
        run_until_slow_stop,
        active_at,
    )


async def real_site(
    real: RealHub, session: aiohttp.ClientSession, background: set[asyncio.Task[bool]]
) -> Site:
    async def create(name: str, groups: list[str]) -> None:
        await real.create_user(name, groups=groups)

    async def client(scopes: list[str]) -> HubClient:
        token = await real.token(scopes)
        return HubClient(session, real.api_url, token, retry=NO_RETRY, page_size=2)

    async def start_slowly(name: str) -> None:
        options = {"start_seconds": 30 if MAJOR >= 5 else 3}
        background.add(asyncio.create_task(hub.start_server(name, options=options)))

    async def run_until_slow_stop(name: str) -> None:
        await hub.start_server(name, options={"stop_seconds": 0.5})

    async def active_at(name: str, moment: datetime | None) -> None:
        await real.set_last_activity(name, None, moment)

    hub = await client(SCOPES)
    stranger = HubClient(session, real.api_url, "wrong", retry=NO_RETRY)
    return Site(hub, stranger, create, client, start_slowly, run_until_slow_stop, active_at)


@pytest.fixture(params=["fake", "real"])
async def site(
    request: pytest.FixtureRequest, session: aiohttp.ClientSession
) -> AsyncIterator[Site]:
    """The fake Hub, then the real one."""
    if request.param == "fake":
        async with FakeHub(version=VERSION) as fake:
            yield fake_site(fake, session)
        return
    background: set[asyncio.Task[bool]] = set()
    yield await real_site(request.getfixturevalue("real_hub"), session, background)
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)


async def running(hub: HubClient, user: str, server: str = "") -> None:
    """Wait until the server is ready."""
    async with asyncio.timeout(30):
        while True:
            found = await hub.server(user, server)
            if found is not None and found.ready:
                return
            await asyncio.sleep(0.05)


async def gone(hub: HubClient, user: str, server: str = "") -> None:
    """Wait until the server has stopped."""
    async with asyncio.timeout(30):
        while True:
            found = (await hub.user(user)).servers.get(server)
            if found is None or not (found.ready or found.pending):
                return
            await asyncio.sleep(0.05)


async def everyone(hub: HubClient, state: str | None = None, **query: str) -> dict[str, User]:
    return {user.name: user async for page in hub.users(state=state, **query) for user in page}


async def pending(hub: HubClient, user: str, what: str) -> None:
    """Wait until the user's default server is pending with this action."""
    async with asyncio.timeout(10):
        while True:
            found = (await hub.user(user)).servers.get("")
            if found is not None and found.pending == what:
                return
            await asyncio.sleep(0.02)


async def test_the_version_needs_no_token(site: Site) -> None:
    """The Hub's version requires no token."""
    assert int((await site.stranger.info()).version.partition(".")[0]) >= 4


async def test_a_wrong_token_is_forbidden(site: Site) -> None:
    """A wrong token gets status 403, not 401."""
    with pytest.raises(HubForbidden) as raised:
        await site.stranger.whoami()
    assert raised.value.status == 403


async def test_a_missing_scope_is_forbidden(site: Site) -> None:
    """A missing scope gets status 403, like a wrong token; the token's scopes tell which it is."""
    poor = await site.client(["read:groups"])
    assert (await poor.whoami()).scopes >= {"read:groups"}
    with pytest.raises(HubForbidden):
        await everyone(poor)
    assert await poor.metrics() is None


async def test_metrics_tell_when_the_hub_started(site: Site) -> None:
    """The metrics contain the Hub's start time, from which the settling time counts."""
    hub = await site.client([*SCOPES, "read:metrics"])
    assert "process_start_time_seconds " in (await hub.metrics() or "")


async def test_an_unknown_order_is_refused(site: Site) -> None:
    """An invalid request is reported as one; JupyterHub 4.1 knows no order and ignores it."""
    if MAJOR < 5:
        await everyone(site.hub, sort="shoe-size")
        return
    with pytest.raises(HubRejected):
        await everyone(site.hub, sort="shoe-size")


async def test_the_newest_activity_comes_first_and_none_last(site: Site) -> None:
    """Users can be sorted by activity, so that the statistics read one page instead of all."""
    now = datetime.now(UTC)
    for name, moment in (
        ("sort-old", now - timedelta(days=9)),
        ("sort-never", None),
        ("sort-new", now),
    ):
        await site.create(name, [])
        await site.active_at(name, moment)
    names = list(await everyone(site.hub, sort="-last_activity", name_filter="SORT-"))
    if MAJOR < 5:  # as they were created: the order is ignored
        assert names == ["sort-old", "sort-never", "sort-new"]
        return
    assert names == ["sort-new", "sort-old", "sort-never"]


async def test_only_who_asks_for_pages_gets_pages(
    site: Site, session: aiohttp.ClientSession
) -> None:
    """Only a request that accepts the pagination media type gets pages."""
    for number in range(3):
        await site.create(f"form-{number}", [])
    url = site.hub.api_url + "/users?name_filter=form-&limit=2"
    headers = {"Authorization": f"token {site.hub._api.token}"}
    async with session.get(url, headers=headers) as answer:
        bare = await answer.json()
    async with session.get(url, headers=headers | {"Accept": PAGINATED}) as answer:
        page = await answer.json()
        assert "Date" in answer.headers
    assert [user["name"] for user in bare] == ["form-0", "form-1"]
    assert [user["name"] for user in page["items"]] == ["form-0", "form-1"]
    about = page["_pagination"]
    following = about.pop("next")
    assert about == {"offset": 0, "limit": 2, "total": 3}
    assert (following["offset"], following["limit"]) == (2, 2)
    assert "offset=2" in following["url"]


async def test_models_have_the_same_fields(site: Site, session: aiohttp.ClientSession) -> None:
    """The fake Hub's models have exactly the fields of the real one's."""
    await site.create("fields", [])
    await site.hub.start_server("fields")
    await running(site.hub, "fields")
    headers = {"Authorization": f"token {site.hub._api.token}"}
    async with session.get(site.hub.api_url + "/users/fields", headers=headers) as answer:
        model = await answer.json()
    assert set(model) == USER_FIELDS
    assert set(model["servers"][""]) == SERVER_FIELDS
    await site.hub.stop_server("fields", "")


async def test_what_a_user_chose_is_in_the_options(site: Site) -> None:
    """Without admin:server_state. The fields of a form that nobody converts are lists."""
    await site.create("chose", [])
    await site.hub.start_server("chose", options={"profile": ["gpu"], "image": ["base:1"]})
    await running(site.hub, "chose")
    server = await site.hub.server("chose", "")
    assert server is not None
    assert (server.profile, server.image) == ("gpu", "base:1")
    await site.hub.stop_server("chose", "")


async def test_a_starting_server_is_active_but_not_ready(site: Site) -> None:
    """A starting server is not listed as ready, but as active and pending."""
    await site.create("starting", [])
    await site.start_slowly("starting")
    await pending(site.hub, "starting", "spawn")
    assert "starting" in await everyone(site.hub, "active")
    assert "starting" not in await everyone(site.hub, "ready")
    assert "starting" not in await everyone(site.hub, "inactive")
    server = await site.hub.server("starting", "")
    assert server is not None
    assert (server.ready, server.pending, server.stopped) == (False, "spawn", False)
    if MAJOR < 5:  # it cannot be interrupted
        with pytest.raises(HubRejected):
            await site.hub.stop_server("starting", "")
        return
    await site.hub.stop_server("starting", "")
    await gone(site.hub, "starting")


async def test_a_second_stop_of_a_stopping_server_is_pending(site: Site) -> None:
    """A slow stop gets status 202, and the server is still listed as active."""
    await site.create("slow", [])
    await site.run_until_slow_stop("slow")
    await running(site.hub, "slow")
    first = asyncio.create_task(site.hub.stop_server("slow", ""))
    await pending(site.hub, "slow", "stop")
    assert await site.hub.stop_server("slow", "") is StopOutcome.PENDING
    assert "slow" in await everyone(site.hub, "active")
    assert await first is StopOutcome.STOPPED
    await gone(site.hub, "slow")


async def test_a_stopped_server_is_not_listed_but_can_be_read_and_stopped(site: Site) -> None:
    """The Hub can still return a stopped server, so one that exists is not necessarily running."""
    await site.create("stopped", [])
    for name in ("", "gpu"):
        await site.hub.start_server("stopped", name)
        await running(site.hub, "stopped", name)
        assert await site.hub.stop_server("stopped", name) is StopOutcome.STOPPED
        server = await site.hub.server("stopped", name)
        if MAJOR < 6:  # the user's model, which leaves out stopped servers, is all there is
            assert server is None
        else:
            assert server is not None
            assert (server.ready, server.pending, server.stopped) == (False, None, True)
        assert await site.hub.stop_server("stopped", name) is StopOutcome.STOPPED
    assert (await site.hub.user("stopped")).servers == {}
    assert await site.hub.stop_server("stopped", "unknown") is StopOutcome.GONE


async def test_a_user_is_deleted_with_a_server_that_runs(site: Site) -> None:
    """Deleting a user stops the user's servers, so they must be checked before."""
    await site.create("leaving", [])
    await site.hub.start_server("leaving")
    await running(site.hub, "leaving")
    assert await site.hub.delete_user("leaving") is True
    assert "leaving" not in await everyone(site.hub)


async def test_a_token_knows_its_scopes(site: Site) -> None:
    """``GET /user`` returns the scopes of the token."""
    assert "list:users" in (await site.hub.whoami()).scopes


async def test_everybody_is_listed_across_pages(site: Site) -> None:
    """Every user is listed once over pages of two, whatever their names."""
    for name in NAMES:
        await site.create(name, ["contract-group"])
    users = await everyone(site.hub)
    assert set(NAMES) <= set(users)
    assert users["名前"].groups == ("contract-group",)
    assert users["contract"].created is not None


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_lives_and_dies_under_any_name(site: Site, name: str) -> None:
    """A server is started, listed as ready, read by itself and stopped."""
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
    """With ``remove``, a named server is deleted when it is stopped."""
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
    """An unknown user is an error, an unknown server is None; deleting either is no error."""
    with pytest.raises(HubNotFound):
        await site.hub.user("nobody-here")
    assert await site.hub.server("nobody-here", "") is None
    assert await site.hub.stop_server("nobody-here", "") is StopOutcome.GONE
    assert await site.hub.delete_user("nobody-here") is False


async def test_a_deleted_user_is_gone(site: Site) -> None:
    """A user with a similar name is not affected."""
    await site.create("del", [])
    await site.create("del?x=1", [])
    assert await site.hub.delete_user("del?x=1")
    assert {"del", "del?x=1"} & set(await everyone(site.hub)) == {"del"}


async def test_groups_can_be_created_once(site: Site) -> None:
    """With the scope for it."""
    creator = await site.client(["admin:groups", "read:groups"])
    for name in ("contract-new", "contract/new 名前"):
        assert await creator.create_group(name)
        assert not await creator.create_group(name)
        assert (await creator.group(name)).users == ()
    poor = await site.client(["read:groups"])
    with pytest.raises(HubForbidden):
        await poor.create_group("contract-other")


async def test_groups_have_their_members(site: Site) -> None:
    """Groups are listed in pages and can be read individually."""
    await site.create("contract", ["contract-a", "contract-b", "contract-c"])
    groups = {group.name: group async for page in site.hub.groups() for group in page}
    assert {"contract-a", "contract-b", "contract-c"} <= set(groups)
    assert (await site.hub.group("contract-b")).users == ("contract",)


async def test_the_hubs_clock_is_ours(site: Site) -> None:
    """On the same machine, the Hub's date agrees with the local clock."""
    await site.hub.info()
    behind = datetime.now(UTC) - site.hub.hub_now()
    assert timedelta(seconds=-0.1) <= behind < timedelta(seconds=5)
