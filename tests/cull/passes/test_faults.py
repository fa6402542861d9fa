"""The culler and a Hub that misbehaves.

One rule for all: no wrong stop, no pass lost that a retry would have saved, no other server
held up, no token in any output.
"""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from services.cull.passes.executor import Culler
from services.cull.passes.results import PassResult
from services.cull.policy.model import Flags
from tests.cull.passes.culler import HOUR, make_culler
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

IDLE = [f"idle{number}" for number in range(5)]
BUSY = [f"busy{number}" for number in range(5)]


@pytest.fixture(autouse=True)
def no_token_in_any_output(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Whatever goes wrong, our token stands nowhere."""
    caplog.set_level(logging.DEBUG)
    yield
    written = capfd.readouterr()
    lines = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    for text in (caplog.text, written.out, written.err, *lines):
        assert FakeHub.token not in text


@pytest.fixture
def hub(fake_hub: FakeHub) -> FakeHub:
    """A Hub with five idle and five busy servers, mixed."""
    for idle, busy in zip(IDLE, BUSY, strict=True):
        fake_hub.add_server(idle, idle=2 * HOUR)
        fake_hub.add_server(busy, idle=0)
    return fake_hub


def stopped(hub: FakeHub) -> list[str]:
    return sorted(user for user, _ in hub.stopped)


async def within(culler: Culler, seconds: float = 20.0) -> PassResult:
    async with asyncio.timeout(seconds):
        result = await culler.run_pass()
    assert not any(FakeHub.token in error for error in result.errors)
    return result


PAGE_FAULTS = [
    pytest.param({"kind": "status", "status": 500}, id="500"),
    pytest.param({"kind": "status", "status": 502}, id="502"),
    pytest.param({"kind": "status", "status": 504}, id="504"),
    pytest.param({"kind": "body", "body": '{"items": [{"name": "x"'}, id="bad-json"),
    pytest.param({"kind": "body", "body": "<html>Service worker</html>"}, id="html"),
    pytest.param({"kind": "body", "body": '{"message": "hello"}'}, id="other-json"),
    pytest.param({"kind": "body", "body": ""}, id="empty"),
    pytest.param({"kind": "cut"}, id="cut"),
    pytest.param({"kind": "hang"}, id="hang"),
    pytest.param({"kind": "reset"}, id="reset"),
    pytest.param(
        {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, id="429-retry-after"
    ),
    pytest.param(
        {"kind": "status", "status": 503, "headers": {"Retry-After": "7"}}, id="503-retry-after"
    ),
]


@pytest.mark.parametrize("fault", PAGE_FAULTS)
@pytest.mark.parametrize("page", ["state=ready&offset=4", "state=ready"], ids=["middle", "first"])
async def test_one_bad_answer_to_a_page_costs_nothing(
    hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    fault: dict[str, Any],
    page: str,
) -> None:
    """It is asked for again, and the pass is whole."""
    hub.fail(**fault, path=page)
    culler = make_culler(hub, session, clock, page_size=2, timeout_seconds=0.3)
    result = await within(culler)
    assert stopped(hub) == IDLE
    assert result.good
    if "headers" in fault:
        assert max(clock.slept) >= 7.0


@pytest.mark.parametrize("fault", PAGE_FAULTS)
async def test_a_page_that_stays_bad_costs_what_is_behind_it(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, fault: dict[str, Any]
) -> None:
    """What was read before is culled, nobody wrong is stopped, and the pass is not whole."""
    hub.fail(**fault, path="offset=4", times=100)
    culler = make_culler(hub, session, clock, page_size=2, timeout_seconds=0.2)
    result = await within(culler)
    assert stopped(hub) == IDLE[:2]
    assert not result.complete
    assert not result.good
    hub.faults.clear()
    hub.release.set()
    assert (await within(culler)).good
    assert stopped(hub) == IDLE


async def test_a_403_is_told_and_not_repeated(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Our token does not get better by asking again at once; the next pass asks again."""
    fault = hub.fail("status", path="/users?", status=403, times=100)
    culler = make_culler(hub, session, clock)
    result = await within(culler)
    assert stopped(hub) == []
    assert fault.times == 99
    assert "token" in result.errors[0]
    hub.faults.clear()
    assert (await within(culler)).good


async def test_one_broken_user_costs_that_user(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """An item that cannot be read does not take its page along."""

    class Broken:
        name, ready, active = "broken", True, True

        def model(self, **_: object) -> Any:
            return {"no": "name"}

    hub.users["broken"] = Broken()  # type: ignore[assignment]  # on purpose
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == IDLE
    assert result.complete
    assert result.failures == 1


# -- the Hub goes, and comes again


async def test_a_hub_that_is_down_at_the_start_stops_nobody(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The pass fails with a word, and when the Hub is back, it settles first."""
    api_url = hub.api_url
    culler = make_culler(hub, session, clock, settle=360)
    await hub.stop()
    result = await within(culler)
    assert not result.complete
    assert "connect" in result.errors[0]
    await hub.start()
    assert hub.api_url == api_url
    hub.now = clock.now
    result = await within(culler)
    assert result.complete
    assert stopped(hub) == []  # just up: no idleness is believed
    clock.advance(360)
    await within(culler)
    assert stopped(hub) == IDLE


async def test_a_hub_that_goes_down_in_a_pass_ends_the_pass(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """What is left is left to the next pass: nothing waits for its time-outs one by one."""
    gone: list[asyncio.Task[None]] = []

    def before(request: Any) -> None:
        if request.method == "DELETE" and not gone:
            gone.append(asyncio.create_task(hub.stop()))

    hub.before = before
    culler = make_culler(hub, session, clock, concurrency=1, settle=360)
    hub_health = culler.hub_health
    hub_health.settle = hub_health.settle.seen_up(START, 0.0, started=START - timedelta(days=1))
    result = await within(culler)
    await asyncio.gather(*gone)
    assert len(hub.stopped) <= 2
    assert result.failures == 1
    assert result.skipped >= 3
    assert culler.failing == 0  # it was not the servers' fault
    await hub.start()
    hub.now = clock.now
    hub.before = lambda request: None
    done = len(hub.stopped)
    await within(culler)
    assert len(hub.stopped) == done  # the Hub was away: it settles first
    clock.advance(360)
    await within(culler)
    assert stopped(hub) == IDLE


async def test_a_restarted_hub_settles_from_its_start(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A restart between two passes that nobody saw shows in the Hub's metrics."""
    hub.now = clock.now

    def started(at: datetime) -> str:
        return f"process_start_time_seconds {at.timestamp()}\n"

    hub.metrics_text = started(START - timedelta(days=3))
    culler = make_culler(hub, session, clock, settle=360)
    await within(culler)
    assert stopped(hub) == IDLE
    hub.add_server("late", idle=2 * HOUR)
    hub.metrics_text = started(clock.now() - timedelta(seconds=100))
    await within(culler)
    assert ("late", "") not in hub.stopped
    clock.advance(260)
    await within(culler)
    assert ("late", "") in hub.stopped


async def test_without_metrics_a_service_settles_once_after_its_start(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """When the Hub started is not known, so it may have been a moment ago."""
    hub.now = clock.now
    culler = make_culler(hub, session, clock, settle=360)
    await within(culler)
    assert stopped(hub) == []
    clock.advance(359)
    await within(culler)
    assert stopped(hub) == []
    clock.advance(1)
    await within(culler)
    assert stopped(hub) == IDLE


async def test_age_counts_while_idleness_is_not_believed(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """When a server started does not depend on reports."""
    hub.add_server("old", idle=0, age=9 * HOUR)
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    await within(make_culler(hub, session, clock, flags=flags, settle=360))
    assert stopped(hub) == ["old"]


async def test_one_broken_connection_is_no_outage(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A look at the Hub that fails once is repeated before the Hub is called down."""
    hub.metrics_text = f"process_start_time_seconds {START.timestamp() - 9000}\n"
    hub.fail("reset", path="/hub/api/health", times=1)
    await within(make_culler(hub, session, clock, settle=360))
    assert stopped(hub) == IDLE


# -- pages that are not what they seem


def page(items: list[Any], following: dict[str, Any] | None) -> str:
    return json.dumps({"items": items, "_pagination": {"next": following}})


async def test_a_looping_next_is_not_followed_for_ever(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A page that points back ends the listing; what was read is culled."""
    first = [hub.users[name].model() for name in (IDLE[0], BUSY[0])]
    following = {"offset": 0, "limit": 2, "url": hub.api_url + "/users?offset=0"}
    hub.fail("body", path="/users?", times=1000, body=page(first, following))
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == IDLE[:1]
    assert not result.complete
    assert len(hub.requests("GET", "/users?")) <= 2


async def test_a_foreign_next_gets_nothing_from_us(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The token goes to the Hub's own address and nowhere else."""
    async with FakeHub() as foreign:
        first = [hub.users[name].model() for name in (IDLE[0], BUSY[0])]
        following = {"offset": 2, "limit": 2, "url": foreign.api_url + "/users?offset=2"}
        hub.fail("body", path="/users?", times=1, body=page(first, following))
        result = await within(make_culler(hub, session, clock, page_size=2))
        assert foreign.seen == []
    assert result.complete
    assert stopped(hub) == IDLE


async def test_overlapping_pages_stop_nobody_twice(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Somebody added in front shifts the pages, so that users come twice."""

    def before(request: Any) -> None:
        if "offset=2" in request.raw_path and "aaa" not in hub.users:
            others = dict(hub.users)
            hub.users.clear()
            hub.add_server("aaa", idle=0)
            hub.users.update(others)

    hub.before = before
    result = await within(make_culler(hub, session, clock, page_size=2))
    assert stopped(hub) == IDLE
    assert result.good


async def test_shifting_pages_lose_nobody_for_longer_than_a_pass(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Somebody who goes shifts the pages the other way; who is skipped is found next time."""

    def before(request: Any) -> None:
        if "offset=2" in request.raw_path:
            hub.users.pop(BUSY[0], None)

    hub.before = before
    culler = make_culler(hub, session, clock, page_size=2)
    await within(culler)
    assert set(stopped(hub)) <= set(IDLE)
    await within(culler)
    assert stopped(hub) == IDLE


# -- stops that go wrong


@pytest.mark.parametrize("concurrency", [1, 10])
async def test_a_hanging_stop_holds_up_nobody(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, concurrency: int
) -> None:
    """The others are stopped while one DELETE gets no answer, even one at a time."""
    hub.fail("hang", method="DELETE", path=f"/users/{IDLE[0]}/", times=10)
    culler = make_culler(
        hub, session, clock, concurrency=concurrency, slot_seconds=0.05, timeout_seconds=0.5
    )
    result = await within(culler)
    assert stopped(hub) == IDLE[1:]
    assert (result.stopped, result.failures) == (4, 1)
    assert IDLE[0] in result.errors[0]
    assert len(hub.requests("DELETE", IDLE[0])) == 1  # the Hub may still be at it


async def test_a_hanging_stop_does_not_hold_up_the_service(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """As a service, the pass ends without it."""
    hub.fail("hang", method="DELETE", path=f"/users/{IDLE[0]}/", times=10)
    culler = make_culler(hub, session, clock, period=300.0, slot_seconds=0.05, timeout_seconds=30.0)
    result = await within(culler, 10.0)
    assert (result.stopped, result.failures) == (4, 0)
    await culler.close()


@pytest.mark.parametrize("status", [400, 403, 500, 502, 504])
async def test_a_failing_stop_costs_nobody_else(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, status: int
) -> None:
    """It is reported and sent once: what the Hub may have begun is not begun again."""
    hub.fail("status", method="DELETE", path=f"/users/{IDLE[2]}/", status=status, times=10)
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[2]]
    assert result.failures == 1
    assert result.complete
    assert len(hub.requests("DELETE", IDLE[2])) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_stop_that_was_refused_unbegun_is_repeated(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, status: int
) -> None:
    """The Hub says that it has not begun and when to come again."""
    hub.fail(
        "status",
        method="DELETE",
        path=f"/users/{IDLE[2]}/",
        status=status,
        headers={"Retry-After": "3"},
    )
    assert (await within(make_culler(hub, session, clock))).good
    assert stopped(hub) == IDLE
    assert max(clock.slept) >= 3.0


async def test_who_comes_back_while_the_hub_asks_us_to_wait_is_left(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """After the wait the server is read again, not stopped on what was read before."""
    headers = {"Retry-After": "20"}
    hub.fail("status", method="DELETE", path=f"/users/{IDLE[2]}/", status=503, headers=headers)

    def before(request: Any) -> None:
        if request.method == "DELETE" and IDLE[2] in request.path:
            hub.users[IDLE[2]].servers[""].last_activity = START

    hub.before = before
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[2]]
    assert (result.skipped, result.failures) == (1, 0)


async def test_a_stop_whose_answer_is_lost_is_not_repeated(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """By the time of a second DELETE the user may have started anew, and would lose that."""
    hub.fail("drop_after", method="DELETE", path=f"/users/{IDLE[0]}/")
    culler = make_culler(hub, session, clock)
    await within(culler)
    assert stopped(hub) == IDLE
    assert len(hub.requests("DELETE", IDLE[0])) == 1
    hub.add_server(IDLE[0], idle=0, age=1)
    clock.advance(HOUR)
    await within(culler)
    assert len(hub.requests("DELETE", IDLE[0])) == 1


async def test_a_reread_that_fails_stops_nothing(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A server that cannot be read again is not stopped on the listing's word."""
    hub.fail("status", path=f"/users/{IDLE[1]}/server", status=500, times=100)
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[1]]
    assert result.failures == 1


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"name": 7}', "null"])
async def test_a_reread_that_is_no_server_stops_nothing(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, body: str
) -> None:
    """Nonsense is no reason to believe the listing."""
    hub.fail("body", path=f"/users/{IDLE[1]}/server", body=body, times=100)
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == [name for name in IDLE if name != IDLE[1]]
    assert result.failures == 1


async def test_slow_stops_hold_up_nobody(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """All five are accepted with 202; each is followed to its end."""
    for name in IDLE:
        hub.users[name].servers[""].slow_stop = 4
    result = await within(make_culler(hub, session, clock, concurrency=1))
    assert (result.slow, result.stopped) == (5, 5)
    assert result.good


async def test_a_hub_that_goes_while_a_stop_is_followed_is_waited_for(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A look that fails says nothing about the server."""
    hub.users[IDLE[0]].servers[""].slow_stop = 3
    looks = 0

    def before(request: Any) -> None:
        nonlocal looks
        looks += request.method == "GET" and f"/users/{IDLE[0]}/server" in request.path
        if looks == 2:
            hub.fail("status", path=f"/users/{IDLE[0]}/server", status=503, times=3)
            looks += 1

    hub.before = before
    result = await within(make_culler(hub, session, clock))
    assert result.stopped == 5
    assert result.good


# -- times that are none, or others than they seem

OLD = START - timedelta(hours=2)


@pytest.mark.parametrize(
    ("last_activity", "goes"),
    [
        pytest.param("2026-03-02T10:00:00.000000Z", True, id="as-the-hub-writes"),
        pytest.param("2026-03-02T10:00:00", True, id="naive-is-utc-idle"),
        pytest.param("2026-03-02T11:30:00", False, id="naive-is-utc-busy"),
        pytest.param("2026-03-02T11:00:00+01:00", True, id="offset-idle"),
        pytest.param("2026-03-02T10:00:00-01:30", False, id="offset-busy"),
        pytest.param("2027-03-02T10:00:00Z", False, id="future"),
        pytest.param("9999-12-31T23:59:59-12:00", False, id="end-of-time"),
        pytest.param("0001-01-01T00:00:00+12:00", False, id="before-time"),
        pytest.param("yesterday", False, id="garbage"),
        pytest.param("", False, id="empty"),
        pytest.param(12345678, False, id="number"),
        pytest.param({"at": "10:00"}, False, id="object"),
        pytest.param(None, True, id="null-counts-from-start"),
    ],
)
async def test_odd_times_stop_nobody_wrong(
    hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    last_activity: Any,
    goes: bool,
) -> None:
    """A time is understood or its server is left; the others are culled either way."""
    hub.add_server("odd", last_activity=last_activity, started=OLD - timedelta(hours=1))
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == sorted(IDLE + (["odd"] if goes else []))
    assert result.good


@pytest.mark.parametrize("started", [None, "soon", "2030-01-01T00:00:00Z"])
async def test_null_activity_and_no_usable_start_is_left(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, started: Any
) -> None:
    """Neither time is there: nothing says that it is idle."""
    hub.add_server("odd", last_activity=None, started=started)
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    await within(make_culler(hub, session, clock, flags=flags))
    assert stopped(hub) == IDLE


@pytest.mark.parametrize(
    "field", ["last_activity", "started", "pending", "ready", "stopped", "url", "user_options"]
)
async def test_missing_fields_stop_nobody_busy(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, field: str
) -> None:
    """A model without a field is read as far as it goes."""
    hub.add_server("odd", idle=0, drop=(field,))
    result = await within(make_culler(hub, session, clock))
    assert set(stopped(hub)) - {"odd"} == set(IDLE)
    assert result.good
    if field not in {"last_activity"}:
        assert "odd" not in stopped(hub)


async def test_a_server_active_between_listing_and_stop_is_left(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """All five come back just then, and all five stay."""

    def before(request: Any) -> None:
        if "/server" in request.path:
            for name in IDLE:
                hub.users[name].servers[""].last_activity = START

    hub.before = before
    result = await within(make_culler(hub, session, clock))
    assert stopped(hub) == []
    assert (result.skipped, result.failures) == (5, 0)


async def test_a_service_that_is_cancelled_leaves_no_task(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """SIGTERM in the middle of a hanging stop: nothing of ours goes on."""
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
    ours = {task for task in asyncio.all_tasks() - before if "culler" in repr(task.get_coro())}
    assert not ours
