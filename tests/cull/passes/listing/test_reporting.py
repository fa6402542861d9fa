"""Servers whose activity never reaches the Hub: nobody knows which of them are idle."""

import logging
from datetime import timedelta

import aiohttp
import pytest

from common.hub.models import Server
from services.cull.passes.listing.reporting import Reporting
from services.cull.policy.model import Flags, Reason
from tests.cull.culler import HOUR, make_culler, run_pass
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

OLD = START - timedelta(hours=2)


def silent(name: str = "", *, age: float = 7200, **fields: object) -> Server:
    """A server as the Hub shows it if nothing has been reported since its start."""
    started = START - timedelta(seconds=age)
    given = {"started": started, "last_activity": started, "ready": True} | fields
    return Server(name=name, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("servers", "missing"),
    [
        ([], False),
        ([silent()], True),
        ([silent(), silent(last_activity=None)], True),
        ([silent(), silent(last_activity=OLD + timedelta(seconds=4))], False),
        ([silent(age=600)], False),
        ([silent(ready=False)], False),
        ([silent(started=None)], False),
        ([silent(problems=("last_activity",))], False),
        ([silent(), silent(age=600)], True),
    ],
    ids=["none", "one", "null", "one reports", "young", "starting", "unknown", "invalid", "mixed"],
)
def test_when_reports_are_missing(servers: list[Server], missing: bool) -> None:
    """Only if all servers that must have reported by now have the time of their start."""
    reporting = Reporting()
    for server in servers:
        reporting.add(server, START)
    assert reporting.is_missing is missing


async def test_nobody_is_stopped_for_idleness(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says so once; the maximum age still counts; and later reports end it."""
    started = fake_hub.now() - timedelta(hours=2)
    for name in ("ada", "ben"):
        fake_hub.add_server(name, started=started, last_activity=started)
    old = fake_hub.now() - timedelta(days=3)
    fake_hub.add_server("cy", started=old, last_activity=old)
    flags = Flags(timeout=HOUR, max_age=48 * HOUR)
    culler = make_culler(fake_hub, session, clock, flags=flags, keep_servers=True)
    caplog.set_level(logging.ERROR, logger="cull")
    result = await culler.run_pass()
    assert fake_hub.stopped == []
    assert result.reasons[Reason.UNREPORTED] == 3
    assert (result.kept, result.reasons[Reason.IDLE]) == (3, 0)
    await culler.run_pass()
    assert fake_hub.stopped == [("cy", "")]
    assert caplog.text.count("none is stopped for being idle") == 1
    assert culler.evaluator.unreported
    reasons = {one.user: one.decision.reason for one in culler.servers()}
    assert reasons == {
        "ada": Reason.UNREPORTED,
        "ben": Reason.UNREPORTED,
        "cy": Reason.MAX_AGE,
    }

    fake_hub.users["ada"].servers[""].last_activity = fake_hub.now()
    await run_pass(culler)  # sees the report
    await run_pass(culler)
    assert fake_hub.stopped == [("cy", ""), ("ben", "")]
    assert not culler.evaluator.unreported


async def test_users_with_such_servers_are_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A user is not deleted while a server of theirs may be in use."""
    started = fake_hub.now() - timedelta(hours=2)
    fake_hub.add_user("ada", created=started, last_activity=started)
    fake_hub.add_server("ada", started=started, last_activity=started)
    culler = make_culler(fake_hub, session, clock, flags=Flags(timeout=HOUR, cull_users=True))
    await culler.run_pass()
    assert fake_hub.stopped == []
    assert "ada" in fake_hub.users
