"""The worker pool: concurrency, slots, rate, retries, back-off and the end of a pass."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from services.cull.passes.pool import ATTEMPTS, MAX_RETRY_SECONDS
from tests.cull.culler import (
    HOUR,
    IDLE,
    make_culler,
    run_pass,
    stopped,
)
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


async def test_the_longest_idle_server_is_stopped_first(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Candidates are stopped in order of their last activity."""
    for name, hours in (("c", 3), ("a", 9), ("b", 5), ("d", 2)):
        fake_hub.add_server(name, idle=hours * HOUR, age=20 * HOUR)
    await make_culler(fake_hub, session, clock, concurrency=1).run_pass()
    assert [user for user, _ in fake_hub.stopped] == ["a", "b", "c", "d"]


async def test_concurrency_is_used_and_not_exceeded(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """With a concurrency of 10, ten stops are in flight at once, and no eleventh."""
    for number in range(30):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)
    fake_hub.stop_seconds = 0.05
    await make_culler(fake_hub, session, clock, concurrency=10).run_pass()
    assert len(fake_hub.stopped) == 30
    assert fake_hub.most_stopping == 10


@pytest.mark.parametrize("concurrency", [1, 10])
async def test_a_hanging_stop_does_not_delay_the_others(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, concurrency: int
) -> None:
    """The others are stopped while one DELETE gets no response, even with a concurrency of 1."""
    hub.fail("hang", method="DELETE", path=f"/users/{IDLE[0]}/", times=10)
    culler = make_culler(
        hub, session, clock, concurrency=concurrency, slot_seconds=0.05, timeout_seconds=0.5
    )
    result = await run_pass(culler)
    assert stopped(hub) == IDLE[1:]
    assert (result.stopped, result.failures) == (4, 1)
    assert IDLE[0] in result.errors[0]
    assert len(hub.requests("DELETE", IDLE[0])) == 1  # the Hub may still be working on it


async def test_a_hanging_stop_does_not_delay_the_end_of_a_pass(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """As a service, the pass ends without it."""
    hub.fail("hang", method="DELETE", path=f"/users/{IDLE[0]}/", times=10)
    culler = make_culler(hub, session, clock, period=300.0, slot_seconds=0.5, timeout_seconds=30.0)
    result = await run_pass(culler, 10.0)
    assert (result.stopped, result.failures) == (4, 0)
    await culler.close()


async def test_slow_stops_do_not_delay_the_others(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """All five stops are accepted with 202, and each is followed to its end."""
    for name in IDLE:
        hub.users[name].servers[""].slow_stop = 4
    result = await run_pass(make_culler(hub, session, clock, concurrency=1))
    assert (result.slow, result.stopped) == (5, 5)
    assert result.good


async def test_slow_stops_take_no_slot_and_outlive_the_pass(
    fake_hub: FakeHub, session: aiohttp.ClientSession
) -> None:
    """As a service, a pass ends while the Hub is still stopping; no second stop is sent."""
    for number in range(5):
        fake_hub.add_server(f"slow{number}", idle=3 * HOUR, age=9 * HOUR, slow_stop=2)
    fake_hub.add_server("quick", idle=2 * HOUR)
    clock = FakeClock()
    culler = make_culler(fake_hub, session, clock, concurrency=1, period=300.0)
    async with asyncio.timeout(10):
        first = await culler.run_pass()
        assert (first.slow, first.stopped) == (5, 1)
        second = await culler.run_pass()
    assert (second.slow, second.stopped, second.failures) == (0, 0, 0)
    assert len(fake_hub.requests("DELETE")) == 6
    async with asyncio.timeout(10):
        finishing = asyncio.create_task(culler.finish())
        while not finishing.done():
            clock.advance(10.0)
            await asyncio.sleep(0.005)
    assert not any(user.active for user in fake_hub.users.values())


@pytest.mark.parametrize("status", [400, 403, 500, 502, 504])
async def test_a_failing_stop_affects_one_server(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, status: int
) -> None:
    """It is reported and sent once: a stop that the Hub may have begun is not repeated."""
    hub.fail("status", method="DELETE", path=f"/users/{IDLE[2]}/", status=status, times=10)
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[2]]
    assert result.failures == 1
    assert result.complete
    assert len(hub.requests("DELETE", IDLE[2])) == 1


async def test_a_failing_stop_backs_off(fake_hub: FakeHub, session: aiohttp.ClientSession) -> None:
    """Each failure doubles the pause; the other servers are stopped all the same."""
    fake_hub.add_server("ada", idle=3 * HOUR, age=9 * HOUR)
    fake_hub.add_server("ben", idle=2 * HOUR)
    fake_hub.fail("status", method="DELETE", path="/users/ada/", status=500, times=100)
    clock = FakeClock()
    culler = make_culler(fake_hub, session, clock, period=60.0, first_backoff=50.0)
    tried = []
    for minute in range(20):
        before = len(fake_hub.requests("DELETE", "/users/ada/"))
        result = await culler.run_pass()
        if len(fake_hub.requests("DELETE", "/users/ada/")) > before:
            tried.append(minute)
        assert result.stopped == (1 if minute == 0 else 0)
        clock.advance(60.0)
    assert tried == [0, 1, 3, 7, 14]
    fake_hub.faults.clear()
    clock.advance(HOUR)
    assert (await culler.run_pass()).stopped == 1
    assert culler.failing == 0


@pytest.mark.parametrize("status", [429, 503])
async def test_a_stop_that_the_hub_has_not_begun_is_retried(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, status: int
) -> None:
    """With 429 and 503 the Hub says that it has not begun and when to retry."""
    hub.fail(
        "status",
        method="DELETE",
        path=f"/users/{IDLE[2]}/",
        status=status,
        headers={"Retry-After": "3"},
    )
    assert (await run_pass(make_culler(hub, session, clock))).good
    assert stopped(hub) == IDLE
    assert max(clock.slept) >= 3.0


async def test_a_retry_begins_with_a_new_reread(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A user who comes back during Retry-After keeps their server."""
    headers = {"Retry-After": "20"}
    hub.fail("status", method="DELETE", path=f"/users/{IDLE[2]}/", status=503, headers=headers)

    def before(request: Any) -> None:
        if request.method == "DELETE" and IDLE[2] in request.path:
            hub.users[IDLE[2]].servers[""].last_activity = START

    hub.before = before
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[2]]
    assert (result.skipped, result.failures) == (1, 0)


async def test_a_stop_whose_response_is_lost_is_not_repeated(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A second DELETE could stop a server that the user has started in the meantime."""
    hub.fail("drop_after", method="DELETE", path=f"/users/{IDLE[0]}/")
    culler = make_culler(hub, session, clock)
    await run_pass(culler)
    assert stopped(hub) == IDLE
    assert len(hub.requests("DELETE", IDLE[0])) == 1
    hub.add_server(IDLE[0], idle=0, age=1)
    clock.advance(HOUR)
    await run_pass(culler)
    assert len(hub.requests("DELETE", IDLE[0])) == 1


async def test_the_rate_limit_spreads_the_stops(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """With 10 stops a minute, 25 take two minutes; skipped servers use no permit."""
    for number in range(30):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)

    def before(request: Any) -> None:
        if request.method == "GET" and ("/users/" in request.path or "sort" in request.query):
            for number in range(5):
                fake_hub.users[f"user{number:02}"].servers[""].last_activity = START

    fake_hub.before = before
    culler = make_culler(fake_hub, session, clock, max_stops_per_minute=10, concurrency=1)
    result = await culler.run_pass()
    assert result.stopped == 25
    assert 120.0 <= clock.monotonic() < 180.0


async def test_a_pass_stops_nothing_after_its_period(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Its listing is outdated by then; the next pass finds the remaining servers."""
    for number in range(30):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)
    culler = make_culler(fake_hub, session, clock, max_stops_per_minute=10, period=100.0)
    result = await culler.run_pass()
    assert (result.stopped, result.skipped) == (20, 10)
    assert clock.monotonic() < 100.0
    assert result.good


async def test_a_hub_that_goes_down_ends_the_pass(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The remaining servers are postponed instead of timing out one by one."""
    gone: list[asyncio.Task[None]] = []

    def before(request: Any) -> None:
        if request.method == "DELETE" and not gone:
            gone.append(asyncio.create_task(hub.stop()))

    hub.before = before
    culler = make_culler(hub, session, clock, concurrency=1, settle=360)
    hub_health = culler.hub_health
    hub_health.settle = hub_health.settle.seen_up(START, 0.0, started=START - timedelta(days=1))
    result = await run_pass(culler)
    await asyncio.gather(*gone)
    assert len(hub.stopped) <= 2
    assert result.failures == 1
    assert result.skipped >= 3
    assert culler.failing == 0  # the failure was the Hub's, not the servers'
    await hub.start()
    hub.now = clock.now
    hub.before = lambda request: None
    done = len(hub.stopped)
    await run_pass(culler)
    assert len(hub.stopped) == done  # the Hub was down, so it settles first
    clock.advance(360)
    await run_pass(culler)
    assert stopped(hub) == IDLE


async def test_an_abandoned_pass_starts_no_further_stop(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """On SIGTERM the stops under way are finished, and the rest is postponed."""
    for number in range(20):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)
    culler = make_culler(fake_hub, session, clock, concurrency=2)

    def before(request: Any) -> None:
        if request.method == "DELETE":
            culler.abandon()

    fake_hub.before = before
    result = await culler.run_pass()
    assert 1 <= len(fake_hub.stopped) <= 3
    assert result.stopped == len(fake_hub.stopped)
    assert result.skipped == 20 - result.stopped


async def test_a_cancelled_pass_leaves_no_task(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """SIGTERM during a hanging stop cancels everything that is under way."""
    hub.fail("hang", method="DELETE", times=10)
    before = asyncio.all_tasks()
    culler = make_culler(hub, session, clock, period=300.0, timeout_seconds=30.0)
    passing = asyncio.create_task(culler.run_pass())
    async with asyncio.timeout(10):
        while not hub.requests("DELETE"):
            await asyncio.sleep(0.005)
        passing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await passing
    left = asyncio.all_tasks() - before
    assert not [task for task in left if "/services/cull/" in repr(task)]


async def test_the_time_in_a_slot_starts_with_its_target(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Targets that are stopped one after the other do not share the time limit of a slot."""
    hub.stop_seconds = 0.2
    await run_pass(make_culler(hub, session, clock, concurrency=1, slot_seconds=0.8))
    assert stopped(hub) == IDLE
    assert hub.most_stopping == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_stop_is_attempted_three_times(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, status: int
) -> None:
    """A Hub that keeps refusing one stop costs that server only, with a bounded wait."""
    path = f"/users/{IDLE[2]}/"
    headers = {"Retry-After": "3600"}
    hub.fail("status", method="DELETE", path=path, status=status, headers=headers, times=100)
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[2]]
    assert result.failures == 1
    assert len(hub.requests("DELETE", IDLE[2])) == ATTEMPTS
    assert clock.monotonic() <= ATTEMPTS * MAX_RETRY_SECONDS


async def test_an_internal_error_affects_one_target(
    hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug, or an arbiter that raises at the stop, is logged with its traceback."""
    hub.users["idle3"].servers[""].user_options = {"profile": "gpu"}
    asked: list[str] = []

    def arbiter(*, server: dict[str, Any], inactive: timedelta, **_: object) -> bool:
        profile = server["user_options"].get("profile")
        if profile in asked:  # at the stop
            raise ZeroDivisionError("by arbiter")
        asked.extend(filter(None, [profile]))
        return inactive > timedelta(hours=1)

    culler = make_culler(hub, session, clock, arbiter=arbiter)
    result = await run_pass(culler)
    assert stopped(hub) == [name for name in IDLE if name != "idle3"]
    assert result.errors == ("idle3/: ZeroDivisionError: by arbiter",)
    assert culler.failing == 1
    [record] = [record for record in caplog.records if "could not be stopped" in record.msg]
    assert record.exc_info
