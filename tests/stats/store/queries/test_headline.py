"""The figures of the first screen, from SQLite and PostgreSQL."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.query.access import Audience, Members, WholeHub
from services.stats.query.glance.headline import NotStarted, Peak
from services.stats.records import Changes
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ANA, EVA, START, Y, at, day, polls

NOW = at(7, 16) + timedelta(minutes=3)


@pytest.mark.parametrize("audience", [WholeHub(), Members("nbgrader-x")], ids=["hub", "group"])
async def test_figures_of_now(queries: Queries, audience: Audience) -> None:
    """Ben works this Monday, as Ana did last Monday; Eva has never worked."""
    found = await queries.headline(audience, NOW)
    assert found is not None
    assert (found.this_week.number, found.this_week.whole) == (1, True)
    assert found.last_week is not None
    assert found.last_week.number == 1
    assert found.change == 0
    assert (found.now, found.latest.servers) == (True, 1)
    assert found.peak_today == found.peak_week == Peak(2, at(7, 10.5))
    assert found.not_started == NotStarted(1, 0, 3, day(-9))


async def test_the_number_is_that_of_the_list(queries: Queries) -> None:
    """The number of those who have not started is the length of the list that it links to."""
    for audience in (WholeHub(), Members("nbgrader-x"), Members("nbgrader-y")):
        found = await queries.headline(audience, NOW)
        assert found is not None
        listed = await queries.inactive(audience, found.not_started.since)
        assert found.not_started.number == len(listed)


async def test_activity_before_joining_does_not_count(store: Store, queries: Queries) -> None:
    """Ana, who rejoined the other course after her work, has not started there; once she works
    she has, also before the day is rolled up."""
    changes = Changes()
    changes.join(Y, ANA, at(7, 8))
    changes.join(Y, EVA, at(7, 8))
    await store.write(changes, leader=await store.take_leadership())
    # Monday morning, when she was still in the course, was a week ago: that counts.
    found = await queries.headline(Members("nbgrader-y"), NOW)
    assert found is not None
    assert found.not_started[:3] == (1, 0, 2)
    worked = Changes(activity={(EVA, at(7, 12)): at(7, 13)})
    worked.touch(at(7, 12))
    await store.write(worked, leader=await store.take_leadership())
    fresh = await Queries(store).headline(Members("nbgrader-y"), NOW)
    assert fresh is not None
    assert fresh.not_started.number == 0


async def test_joined_after_the_last_activity(store: Store) -> None:
    """Work on days before joining is no start in the group."""
    changes = Changes(groups={9: "late"})
    changes.join(9, ANA, at(7, 8))
    await store.write(changes, leader=await store.take_leadership())
    found = await Queries(store).headline(Members("late"), NOW)
    assert found is not None
    assert found.not_started[:3] == (1, 0, 1)


async def test_presence_is_not_a_start(store: Store) -> None:
    """A user who only opened the Hub's pages has not started, and is counted as present."""
    changes = Changes(activity={(EVA, at(6, 12)): at(6, 12)})
    changes.touch(at(6, 12))
    await store.write(changes, leader=await store.take_leadership())
    queries = Queries(store)
    await roll_up_until(store, at(7, 16))
    found = await queries.headline(Members("nbgrader-x"), NOW)
    assert found is not None
    assert found.not_started[:3] == (1, 1, 3)


async def test_a_new_rolled_up_day_is_noticed(store: Store, queries: Queries) -> None:
    """The remembered last days are read again after a poll, which may change earlier days."""
    before = await queries.headline(WholeHub(), NOW)
    assert before is not None
    assert before.not_started.number == 1
    changes = Changes(activity={(EVA, at(6, 12)): at(6, 13)}, polls=polls(NOW, NOW))
    changes.touch(at(6, 12))
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16))
    after = await queries.headline(WholeHub(), NOW)
    assert after is not None
    assert after.not_started.number == 0


async def test_a_stopped_recorder_says_nothing_about_now(queries: Queries) -> None:
    """A day after the last poll, the servers of now and the current week are not observed."""
    found = await queries.headline(WholeHub(), at(14, 12))
    assert found is not None
    assert not found.now
    assert found.this_week.number is None
    assert found.peak_today == Peak()
    assert found.last_week is not None
    assert (found.last_week.number, found.last_week.whole) == (1, False)
    assert found.change is None
    assert await queries.observed_until(at(14, 12)) == at(14, 12)
    assert await queries.observed_until(NOW) == at(7, 16)


async def test_no_records(tmp_path: Path) -> None:
    """Before the first poll there are no figures."""
    store = await Store.open(f"sqlite:///{tmp_path / 'new.sqlite'}", ZoneInfo("UTC"))
    assert await Queries(store).headline(WholeHub(), START) is None
    assert await Queries(store).observed_until(START) == START
    await store.close()
