"""Whole passes against the fake Hub."""

import asyncio
from datetime import datetime

import aiohttp
import pytest

from services.cull.passes.listing.survey import Survey
from services.cull.passes.results import Outcome
from services.cull.policy.model import Action, Flags, Reason
from tests.cull.culler import HOUR, IDLE, FakeStore, RecordingObserver, make_culler, run_pass
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


async def test_idle_servers_are_stopped_and_busy_ones_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """One pass stops the servers that have been idle for the timeout, and no others."""
    fake_hub.add_server("idle", idle=HOUR)
    fake_hub.add_server("busy", idle=HOUR - 1)
    fake_hub.add_server("named", "lab", idle=2 * HOUR)
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert sorted(fake_hub.stopped) == [("idle", ""), ("named", "lab")]
    assert (result.seen, result.stopped, result.kept, result.failures) == (3, 2, 1, 0)
    assert result.good


async def test_servers_are_those_of_the_last_complete_listing(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """An incomplete listing does not empty the administrator's table."""
    fake_hub.add_server("ada", idle=60, user_options={"profile": "small"})
    fake_hub.users["ada"].groups = ["course"]
    culler = make_culler(fake_hub, session, clock, keep_servers=True)
    await culler.run_pass()
    fake_hub.fail("status", path="/users?", times=10)
    await culler.run_pass()
    [server] = culler.servers()
    assert (server.user, server.groups, server.admin, server.server.profile) == (
        "ada",
        ("course",),
        False,
        "small",
    )
    assert server.decision.reason is Reason.ACTIVE
    assert culler.as_of == START
    assert [result.complete for result in culler.history] == [True, False]


async def test_the_observer_receives_every_result(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Each result comes with its reason and outcome, for the metrics."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("old", idle=0, age=9 * HOUR)
    seen = RecordingObserver()
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    await make_culler(fake_hub, session, clock, flags=flags, observer=seen).run_pass()
    assert sorted((done.user, done.reason, done.outcome) for done in seen.all) == [
        ("ada", Reason.IDLE, Outcome.DONE),
        ("old", Reason.MAX_AGE, Outcome.DONE),
    ]
    assert {done.action for done in seen.all} == {Action.STOP}


async def test_a_dry_run_stops_nothing(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Each pass hands over its survey and the Hub's time, and sends only GET requests."""
    shown: list[tuple[list[str], datetime]] = []

    def dry_run(survey: Survey, now: datetime) -> None:
        shown.append(([candidate.user.name for candidate in survey.ordered()], now))

    culler = make_culler(hub, session, clock, dry_run=dry_run)
    result = await run_pass(culler)
    assert shown == [(IDLE, START)]
    assert {seen.method for seen in hub.seen} == {"GET"}
    assert (result.seen, result.stopped, result.skipped) == (10, 0, 0)


async def test_a_pass_that_raises_still_stores_its_audit_lines(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A cancelled pass has stopped servers, and the audit log has their lines."""
    store = FakeStore()
    hub.fail("hang", method="DELETE", path=f"/users/{IDLE[4]}/", times=10)
    culler = make_culler(hub, session, clock, store=store, concurrency=1, timeout_seconds=30.0)
    passing = asyncio.create_task(culler.run_pass())
    async with asyncio.timeout(10):
        while not hub.requests("DELETE", IDLE[4]):
            await asyncio.sleep(0.005)
        passing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await passing
    assert [event.name for event in store.events] == IDLE[:4]


async def test_the_history_is_bounded(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The last 50 passes are kept, newest last."""
    culler = make_culler(fake_hub, session, clock)
    for _ in range(52):
        await culler.run_pass()
    fake_hub.add_server("ada", idle=0)
    await culler.run_pass()
    assert [result.seen for result in culler.history] == [0] * 49 + [1]
