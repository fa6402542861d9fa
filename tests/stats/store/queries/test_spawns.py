"""Spawns in the database: of the whole hub, and of nobody else."""

import pytest

from services.stats.days import Period
from services.stats.query.access import Individual, Members, WholeHub
from services.stats.records import Changes, SpawnCounters, Spawns
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import at, day

MONDAY, TUESDAY, TODAY = (Period(day(n), day(n)) for n in (0, 1, 7))


@pytest.fixture
async def counted(store: Store) -> Queries:
    """Twenty starts on Monday; the counters were read from Sunday to Tuesday noon."""
    changes = Changes()
    for outcome, number in (("success", 20), ("failure", 1)):
        key = (at(0, 10), at(0, 11), outcome)
        changes.spawns[key] = Spawns(*key, number, 30.5, {1.0: number - 1, float("inf"): 1})
    totals = {"success": (400, 300.0, {1.0: 400})}
    changes.spawn_counters[at(-1)] = SpawnCounters(at(-1), at(1, 12), at(-20), totals)
    await store.write(changes, leader=await store.take_leadership())
    return Queries(store)


async def test_of_days_and_of_a_period(counted: Queries) -> None:
    """A day without readings is unknown, and so is a period with too few of them."""
    found = await counted.spawns(WholeHub(), [MONDAY, TUESDAY, TODAY])
    assert found is not None
    assert [row.starts for row in found] == [20, None, None]
    assert found[0].failures == 1
    assert (found[0].median_seconds, found[0].p99_seconds) == (1.0, None)
    week = await counted.spawns(WholeHub(), [Period(day(-1), day(0))])
    assert week is not None
    assert week[0].starts == 20


async def test_nobody_else(counted: Queries) -> None:
    """The Hub does not count whose servers started."""
    for audience in (Members("nbgrader-x"), Individual("ana"), Members("no such group")):
        assert await counted.spawns(audience, [MONDAY]) is None


async def test_starts_in_summaries(counted: Queries) -> None:
    """The starts of a summary are those of the Hub; for everybody else they are unknown."""
    (hub,) = await counted.summaries(WholeHub(), [MONDAY])
    assert hub.starts == 20
    for audience in (Members("nbgrader-x"), Individual("ana")):
        (row,) = await counted.summaries(audience, [MONDAY])
        assert (row.starts, row.sessions) == (None, 1)
        rows = await counted.days(audience, day(0), day(0))
        assert {one.starts for one in rows} == {None}


async def test_resolution(counted: Queries) -> None:
    """The time between polls, also for a day without any."""
    assert await counted.resolution(day(0), day(1)) == 300
    assert await counted.resolution(day(3), day(3)) == 300
    assert (await counted.counters_read()) == at(1, 12)


async def test_state_comes_back(counted: Queries) -> None:
    """A recorder that starts again continues the counters, and the hour."""
    state = await counted.store.load_state()
    assert state.spawn_counters is not None
    assert state.spawn_counters.totals == {"success": (400, 300.0, {1.0: 400})}
    assert state.spawns == {}
