"""Polls of a hub with a culler, whose audit log decides what its stops saved."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.hub.models import User
from services.stats.days import Period
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import WholeHub
from services.stats.query.periods import Summary
from services.stats.record.culler_audit.decisions import CullDecisions
from services.stats.record.culler_audit.reader import AuditReader
from services.stats.record.recorder import Recorder
from services.stats.store.daily.forget import forget
from services.stats.store.queries.dashboard import Queries
from tests.fakes.clock import START
from tests.stats.record.scenarios.recorders import Scenario

DAY = START.date()


@dataclass
class FakeCuller:
    """The culler's audit log as its API returns it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    complete: tuple[datetime | None, datetime | None] = (None, None)
    status: int = 200
    requests: list[str] = field(default_factory=list)
    page: int = 1000

    def stopped(self, at: datetime, name: str, server: str = "", **fields: object) -> None:
        """Add an event."""
        event = {"id": len(self.events) + 1, "at": at.isoformat(), "action": "stop", "name": name}
        self.events.append(event | {"server": server, "outcome": "done"} | fields)

    async def audit(self, request: web.Request) -> web.Response:
        """GET api/audit"""
        self.requests.append(request.query_string)
        before = int(request.query.get("before", 10**9))
        events = [one for one in reversed(self.events) if one["id"] < before][: self.page]
        since, until = (time and time.isoformat() for time in self.complete)
        body = {
            "events": events,
            "next_before": events[-1]["id"] if len(events) == self.page else None,
            "complete_since": since,
            "complete_until": until,
        }
        return web.json_response(body, status=self.status)


@pytest.fixture
async def culler(scenario: Scenario) -> AsyncIterator[tuple[FakeCuller, Recorder]]:
    """A culler, and a recorder that reads its log."""
    fake = FakeCuller()
    app = web.Application()
    app.router.add_get("/services/cull/api/audit", fake.audit)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/services/cull/"))
        recorder = await scenario.recorder()
        reader = AuditReader(session, url, "token", clock=scenario.clock)
        recorder.culls = CullDecisions(reader)
        assert await recorder.acquire_leadership()
        yield fake, recorder


async def idle_until_stopped(scenario: Scenario, recorder: Recorder, name: str = "ana") -> datetime:
    """A server that is idle for an hour, and stopped between two polls. Returns when."""
    await recorder.poll()
    scenario.start(name)
    for _ in range(12):
        scenario.pass_minutes(5)
        await recorder.poll()
    scenario.pass_minutes(3)
    scenario.stop(name)
    stopped = scenario.clock.now()
    scenario.pass_minutes(2)
    await recorder.poll()
    return stopped


async def later(scenario: Scenario, recorder: Recorder) -> Summary:
    """The day, an hour later."""
    for _ in range(12):
        scenario.pass_minutes(5)
        result = await recorder.poll()
        assert result.poll
        assert (result.poll.whole, result.error) == (True, "")
    (found,) = await Queries(recorder.store).summaries(WholeHub(), [Period(DAY, DAY)])
    return found


async def test_a_stop_by_the_culler_saves(
    scenario: Scenario, culler: tuple[FakeCuller, Recorder]
) -> None:
    """The audit log has the stop; the log is read only while there is something to decide."""
    fake, recorder = culler
    stopped = await idle_until_stopped(scenario, recorder)
    fake.stopped(stopped, "ana")
    found = await later(scenario, recorder)
    assert found.saved_audited is True
    assert found.saved_hours == pytest.approx(62 / 60, abs=0.02)
    assert len(fake.requests) == 2


async def test_a_stop_by_the_user_saves_nothing(
    scenario: Scenario, culler: tuple[FakeCuller, Recorder]
) -> None:
    """The log covers the time and does not have it: the user came back to stop the server."""
    fake, recorder = culler
    await idle_until_stopped(scenario, recorder)
    fake.complete = (START, scenario.clock.now())
    found = await later(scenario, recorder)
    assert (found.saved_hours, found.saved_audited) == (0, True)


@pytest.mark.parametrize("status", [200, 403, 404, 500])
async def test_a_log_that_says_nothing(
    scenario: Scenario,
    culler: tuple[FakeCuller, Recorder],
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The estimate is as without a culler, is called so, and one line says why."""
    caplog.set_level(logging.INFO)
    fake, recorder = culler
    fake.status = status
    await idle_until_stopped(scenario, recorder)
    found = await later(scenario, recorder)
    assert found.saved_audited is False
    assert found.saved_hours == pytest.approx(62 / 60, abs=0.02)
    lines = [one for one in caplog.messages if "audit log cannot be read" in one]
    assert len(lines) == (status != 200)


async def test_a_restart_continues_with_what_is_undecided(
    scenario: Scenario, culler: tuple[FakeCuller, Recorder]
) -> None:
    """A recorder that starts later reads the log for the sessions in the database."""
    fake, recorder = culler
    stopped = await idle_until_stopped(scenario, recorder)
    culls = recorder.culls
    await recorder.close()
    again = await scenario.recorder()
    again.culls = culls
    assert await again.acquire_leadership()
    fake.stopped(stopped, "ana")
    assert (await later(scenario, again)).saved_audited is True


async def test_many_events(scenario: Scenario, culler: tuple[FakeCuller, Recorder]) -> None:
    """The log is read back to the end of the session, page by page."""
    fake, recorder = culler
    stopped = await idle_until_stopped(scenario, recorder)
    fake.page = 4
    fake.stopped(stopped, "ana", action="remove")
    for _ in range(10):
        fake.stopped(scenario.clock.now(), "ben")
    assert (await later(scenario, recorder)).saved_audited is True
    assert "before=" in fake.requests[-1]


async def test_more_events_than_are_read(
    scenario: Scenario, culler: tuple[FakeCuller, Recorder]
) -> None:
    """What was not read is not covered, so it does not show that the culler did nothing."""
    fake, recorder = culler
    stopped = await idle_until_stopped(scenario, recorder)
    fake.page = 1
    fake.stopped(stopped, "ana")
    for _ in range(10):
        fake.stopped(scenario.clock.now(), "ben")
    fake.complete = (START, scenario.clock.now())
    assert (await later(scenario, recorder)).saved_audited is False


async def test_a_forgotten_user(scenario: Scenario, culler: tuple[FakeCuller, Recorder]) -> None:
    """A session that waits for its decision is erased with its user, and does not come back."""
    fake, recorder = culler
    stopped = await idle_until_stopped(scenario, recorder)
    await forget(recorder.store, "ana")
    await recorder.poll()
    fake.stopped(stopped, "ana")
    assert (await later(scenario, recorder)).saved_hours == 0


async def test_pseudonyms(scenario: Scenario, culler: tuple[FakeCuller, Recorder]) -> None:
    """The log has the names, the database has pseudonyms."""
    fake, recorder = culler
    pseudonyms = Pseudonyms(b"k" * 32)

    def rename(user: User) -> User:
        return pseudonyms.user(user)

    assert recorder.culls is not None
    recorder.culls._rename = recorder.poller._rename = rename
    stopped = await idle_until_stopped(scenario, recorder)
    fake.stopped(stopped, "ana")
    assert (await later(scenario, recorder)).saved_audited is True
