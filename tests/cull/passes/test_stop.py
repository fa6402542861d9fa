"""Stopping servers and deleting users: re-read, decide again, act, follow slow stops."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from services.cull.policy.model import Flags, Policy, Protections
from tests.cull.culler import HOUR, IDLE, FakeStore, add_idle_user, make_culler, run_pass, stopped
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


def change_at_reread(fake_hub: FakeHub, **fields: Any) -> None:
    """Change the server of ada between the listing and the re-read."""

    def before(request: Any) -> None:
        if request.method == "GET" and "/users/ada" in request.path:
            server = fake_hub.users["ada"].servers[""]
            for name, value in fields.items():
                setattr(server, name, value)

    fake_hub.before = before


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"last_activity": START}, id="active"),
        pytest.param({"pending": "stop"}, id="stopping"),
        pytest.param({"pending": "spawn", "ready": False}, id="starting"),
        pytest.param({"started": START - timedelta(seconds=HOUR * 1.5)}, id="newer"),
        pytest.param({"ready": False}, id="stopped"),
    ],
)
@pytest.mark.parametrize("cull_users", [False, True])
async def test_a_server_that_changed_since_the_listing_is_skipped(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    fields: dict[str, Any],
    cull_users: bool,
) -> None:
    """A server that is no longer the listed idle one is not stopped."""
    fake_hub.add_server("ada", idle=2 * HOUR, age=3 * HOUR)
    change_at_reread(fake_hub, **fields)
    flags = Flags(timeout=HOUR, cull_users=cull_users)
    result = await make_culler(fake_hub, session, clock, flags=flags).run_pass()
    assert fake_hub.stopped == []
    assert fake_hub.deleted_users == []
    assert (result.stopped, result.deleted, result.failures) == (0, 0, 0)
    assert result.skipped >= 1


async def test_a_server_that_is_gone_is_skipped(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A server stopped by something else needs no action and is not an error."""
    fake_hub.add_server("ada", idle=2 * HOUR)

    def before(request: Any) -> None:
        if "/users/ada" in request.path:
            fake_hub.users["ada"].servers.clear()

    fake_hub.before = before
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.good
    assert result.skipped == 1


async def test_servers_active_between_listing_and_stop_are_skipped(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """All five users come back at that moment, and all five servers keep running."""

    def before(request: Any) -> None:
        if "/server" in request.path:
            for name in IDLE:
                hub.users[name].servers[""].last_activity = START

    hub.before = before
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == []
    assert (result.skipped, result.failures) == (5, 0)


async def test_a_hold_made_during_the_pass_is_respected(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Extensions and holds are read again for each stop, not once for each pass."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ben", idle=2 * HOUR)
    store = FakeStore()

    def before(request: Any) -> None:
        if "/users/ada/server" in request.path:
            until = START + timedelta(hours=1)
            store.held = Protections(extensions={("ada", ""): until})

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, store=store).run_pass()
    assert fake_hub.stopped == [("ben", "")]


async def test_a_policy_changed_during_the_pass_applies(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The decision at the stop uses the policy in force at that moment."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    policies = [Policy.from_flags(Flags(timeout=HOUR))]

    def before(request: Any) -> None:
        if "/users/ada" in request.path:
            policies.append(Policy.from_flags(Flags(timeout=3 * HOUR)))

    fake_hub.before = before
    culler = make_culler(fake_hub, session, clock, policy=lambda: policies[-1])
    await culler.run_pass()
    assert fake_hub.stopped == []


async def test_named_servers_are_removed_with_the_flag(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """--remove-named-servers removes named servers; default servers are only stopped."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ada", "lab", idle=2 * HOUR)
    flags = Flags(timeout=HOUR, remove_named_servers=True)
    result = await make_culler(fake_hub, session, clock, flags=flags).run_pass()
    assert fake_hub.removed == [("ada", "lab")]
    assert (result.stopped, result.removed) == (1, 1)


async def test_a_server_that_cannot_be_reread_is_not_stopped(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The listing alone is not enough to stop a server."""
    hub.fail("status", path=f"/users/{IDLE[1]}/server", status=500, times=100)
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[1]]
    assert result.failures == 1


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"name": 7}', "null"])
async def test_an_invalid_reread_stops_nothing(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, body: str
) -> None:
    """An invalid response is not a reason to trust the listing."""
    hub.fail("body", path=f"/users/{IDLE[1]}/server", body=body, times=100)
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[1]]
    assert result.failures == 1


async def test_a_slow_stop_is_followed_until_done(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """After a 202 the server is polled until it is gone; only then is it counted as stopped."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=3)
    store = FakeStore()
    result = await make_culler(fake_hub, session, clock, store=store).run_pass()
    assert not fake_hub.users["ada"].active
    assert (result.slow, result.stopped, result.failures) == (1, 1, 0)
    assert [event.outcome for event in store.events] == ["done"]


async def test_a_slow_stop_becomes_overdue(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """After the deadline the stop is reported as a failure and retried later."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=10_000)
    store = FakeStore()
    culler = make_culler(fake_hub, session, clock, store=store)
    result = await culler.run_pass()
    assert result.failures == 1
    assert "more than 300 s" in result.errors[0]
    assert [event.outcome for event in store.events] == ["overdue"]
    assert culler.failing == 1


async def test_a_slow_stop_that_the_hub_gives_up_is_a_failure(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The server is ready again as before, so the stop has failed."""
    server = fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=5)
    reads = 0

    def before(request: Any) -> None:
        nonlocal reads
        reads += request.method == "GET" and "/users/ada" in request.path
        if reads == 3:
            server.ready, server.pending = True, None

    fake_hub.before = before
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.failures == 1
    assert "gave up" in result.errors[0]


async def test_a_failed_poll_does_not_end_the_following(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A failed request says nothing about the server."""
    hub.users[IDLE[0]].servers[""].slow_stop = 3
    looks = 0

    def before(request: Any) -> None:
        nonlocal looks
        looks += request.method == "GET" and f"/users/{IDLE[0]}/server" in request.path
        if looks == 2:
            hub.fail("status", path=f"/users/{IDLE[0]}/server", status=503, times=3)
            looks += 1

    hub.before = before
    result = await run_pass(make_culler(hub, session, clock))
    assert result.stopped == 5
    assert result.good


async def test_jupyterhub_5_is_supported(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    """JupyterHub 5 has no endpoint for one server: the user is read instead."""
    async with FakeHub(version="5.4.0") as fake_hub:
        fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=2)
        fake_hub.add_server("ben", idle=2 * HOUR)
        result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.stopped == 2


# -- users, with --cull-users


def user_flags(**fields: Any) -> Flags:
    return Flags(timeout=HOUR, cull_users=True, **fields)


async def test_idle_users_are_deleted(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Idle users are deleted; active users and administrators are kept."""
    add_idle_user(fake_hub, "idle")
    add_idle_user(fake_hub, "q?x=1")
    add_idle_user(fake_hub, "busy", idle=60)
    add_idle_user(fake_hub, "q", idle=60)
    add_idle_user(fake_hub, "boss", admin=True)
    result = await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert sorted(fake_hub.deleted_users) == ["idle", "q?x=1"]
    assert result.deleted == 2


async def test_administrators_are_deleted_with_the_flag(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """--cull-admin-users includes administrators."""
    add_idle_user(fake_hub, "boss", admin=True)
    flags = user_flags(cull_admin_users=True)
    await make_culler(fake_hub, session, clock, flags=flags).run_pass()
    assert fake_hub.deleted_users == ["boss"]


async def test_a_user_active_without_a_server_is_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A page view between the listing and the re-read counts as activity."""
    add_idle_user(fake_hub, "ada")

    def before(request: Any) -> None:
        if request.path.endswith("/users/ada"):
            fake_hub.users["ada"].last_activity = START

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.deleted_users == []


async def test_a_user_who_started_a_server_is_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A server started between the listing and the re-read keeps the user."""
    add_idle_user(fake_hub, "ada")

    def before(request: Any) -> None:
        if request.path.endswith("/users/ada") and not fake_hub.users["ada"].servers:
            last = fake_hub.users["ada"].last_activity
            fake_hub.add_server("ada", idle=0, ready=False, pending="spawn")
            fake_hub.users["ada"].last_activity = last

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.deleted_users == []
    assert fake_hub.stopped == []


async def test_a_user_with_a_busy_server_is_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The idle server is stopped, but the busy one keeps the user."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ada", "lab", idle=0)
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.stopped == [("ada", "")]
    assert fake_hub.deleted_users == []


async def test_a_held_user_is_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A hold on a user prevents their deletion."""
    add_idle_user(fake_hub, "ada")
    until = START + timedelta(hours=1)
    store = FakeStore(Protections(user_holds={"ada": until}))
    await make_culler(fake_hub, session, clock, flags=user_flags(), store=store).run_pass()
    assert fake_hub.deleted_users == []
