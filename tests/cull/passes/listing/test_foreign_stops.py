"""Idle servers that something else stops: a second culler, and what looks similar but is none."""

import logging
from collections.abc import Iterable
from datetime import timedelta

import aiohttp
import pytest

from common.hub.models import Server
from services.cull.passes.executor import Culler
from services.cull.passes.listing.foreign_stops import DAY, ForeignStops, in_words
from services.cull.policy.model import Flags
from tests.cull.culler import HOUR, make_culler, run_pass
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

NAMES = ["ada", "ben", "cy", "dan"]
TEXT = "idle servers were stopped by something else"


def server(idle: float = 900, name: str = "", **fields: object) -> Server:
    """A running server that has been idle for this many seconds."""
    active = START - timedelta(seconds=idle)
    given = {"started": START - timedelta(days=1), "last_activity": active, "ready": True} | fields
    return Server(name=name, **given)  # type: ignore[arg-type]


def listing(
    foreign: ForeignStops,
    servers: Iterable[tuple[str, Server]],
    *,
    own: Iterable[tuple[str, str]] = (),
    comparable: bool = True,
) -> int:
    """One complete listing; how many servers it says something else has stopped."""
    foreign.begin()
    for user, one in servers:
        foreign.add(user, one, START)
    return foreign.end(own, START, comparable=comparable)


@pytest.mark.parametrize(
    ("before", "after", "stopped"),
    [
        ([(name, server()) for name in NAMES], [], 4),
        ([(name, server()) for name in NAMES], [("ada", server())], 3),
        ([(name, server()) for name in NAMES], [(name, server()) for name in NAMES[:2]], 0),
        ([(name, server(300)) for name in NAMES], [], 0),
        ([("ada", server(name=name)) for name in NAMES], [], 0),
        ([(name, server(pending="stop")) for name in NAMES], [], 0),
        ([(name, server(ready=False)) for name in NAMES], [], 0),
        ([(name, server(problems=("last_activity",))) for name in NAMES], [], 0),
        ([(name, server()) for name in NAMES], [(n, server(pending="x")) for n in NAMES], 0),
        (
            [(f"{name}{idle}", server(idle)) for name in NAMES for idle in (1, 900)],
            [],
            0,
        ),
        (
            [(f"{name}{idle}", server(idle)) for name in NAMES for idle in (1, 900)],
            [(f"{name}1", server(1)) for name in NAMES[1:]],
            4,
        ),
    ],
    ids=[
        *("all", "three", "two", "not idle", "of one user", "stopping", "starting", "unknown"),
        *("not gone", "also servers in use", "and one in use"),
    ],
)
def test_what_counts(
    before: list[tuple[str, Server]], after: list[tuple[str, Server]], stopped: int
) -> None:
    """At least three users' idle servers, and more of them than of servers in use."""
    foreign = ForeignStops()
    assert listing(foreign, before) == 0
    assert listing(foreign, after) == stopped
    assert foreign.total == stopped
    assert listing(foreign, after) == 0


def test_what_does_not_count() -> None:
    """Own stops, another start of the Hub, and what an incomplete listing did not find."""
    everyone = [(name, server()) for name in NAMES]
    foreign = ForeignStops()
    listing(foreign, everyone, own=[("ada", ""), ("ben", "")])
    assert listing(foreign, []) == 0
    listing(foreign, everyone)
    assert listing(foreign, [], comparable=False) == 0
    assert listing(foreign, everyone) == 0
    foreign.begin()
    foreign.forget()
    assert listing(foreign, []) == 0


def test_a_warning_a_day() -> None:
    """The page shows what was stopped in the last 24 hours."""
    foreign = ForeignStops()
    for _ in range(2):
        listing(foreign, [(name, server()) for name in NAMES])
        listing(foreign, [])
    assert [foreign.should_warn(START + step * DAY / 2) for step in range(4)] == [
        *(True, False, True, False)
    ]
    assert (foreign.today(START), foreign.today(START + DAY)) == (8, 0)
    assert in_words(8).startswith("8 idle servers were stopped by something else.")


@pytest.fixture
def culler(fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock) -> Culler:
    """A culler with a timeout of an hour, and four servers that have been idle for half of it."""
    for name in NAMES:
        fake_hub.add_server(name, idle=HOUR / 2)
    return make_culler(fake_hub, session, clock, flags=Flags(timeout=HOUR))


def stop_all(hub: FakeHub) -> None:
    """Stop every server as another client of the Hub would."""
    for name in NAMES:
        hub.users[name].servers.clear()


async def test_another_culler_is_reported_once(
    fake_hub: FakeHub, culler: Culler, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning a day, whatever the number of stops."""
    caplog.set_level(logging.WARNING, logger="cull")
    await run_pass(culler)
    for _ in range(2):
        stop_all(fake_hub)
        await run_pass(culler)
        for name in NAMES:
            fake_hub.add_server(name, idle=HOUR / 2)
        await run_pass(culler)
    assert culler.foreign_stops.total == 8
    assert caplog.text.count(f"4 {TEXT}") == 1


async def test_own_stops_are_not_reported(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Also if the culler stops all servers in one pass."""
    for name in NAMES:
        fake_hub.add_server(name, idle=2 * HOUR)
    culler = make_culler(fake_hub, session, clock, flags=Flags(timeout=HOUR))
    await run_pass(culler)
    await run_pass(culler)
    assert len(fake_hub.stopped) == 4
    assert culler.foreign_stops.total == 0


async def test_an_outage_is_not_reported(fake_hub: FakeHub, culler: Culler) -> None:
    """Servers that are gone after it have stopped with the Hub, or with what it runs on."""
    await run_pass(culler)
    culler.hub_health.mark_down("test")
    await culler.hub_health.check()
    stop_all(fake_hub)
    await run_pass(culler)
    assert culler.foreign_stops.total == 0


async def test_an_incomplete_listing_is_not_reported(fake_hub: FakeHub, culler: Culler) -> None:
    """What it did not find may run."""
    await run_pass(culler)
    fake_hub.fail("status", method="GET", path="/users", status=403)
    assert not (await run_pass(culler)).complete
    fake_hub.faults.clear()
    stop_all(fake_hub)
    assert (await run_pass(culler)).complete
    assert culler.foreign_stops.total == 0
