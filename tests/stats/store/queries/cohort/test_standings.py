"""Current users who have not worked lately, read from the database."""

from services.stats.query.access import Members, WholeHub
from services.stats.query.cohort.standing import Standing, StandingRow
from services.stats.records import Changes, Person, Poll
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import EVA, X, at, day


async def test_who_dropped_off(queries: Queries) -> None:
    """Ana worked on Monday and Tuesday before, and every day since was observed in part."""
    found = await queries.standings(Members("nbgrader-x"), 3)
    assert (found.since, found.unobserved) == (day(4), 0)
    assert found.rows == [
        StandingRow("ana", Standing.DROPPED_OFF, day(1), day(1), 2, 7200, day(0)),
        StandingRow("eva", Standing.NOT_STARTED, None, None, 0, 0, None),
    ]
    assert [row.name for row in (await queries.standings(Members("nbgrader-x"), 6)).rows] == ["eva"]
    assert [row.name for row in (await queries.standings(WholeHub(), 3)).rows] == ["ana", "eva"]
    assert (await queries.standings(Members("nbgrader-y"), 3)).rows == []  # Ana has left


async def test_days_without_observation_leave_doubt(store: Store) -> None:
    """After three days away, it is not known who of those that worked before has dropped off."""
    changes = Changes()
    for minutes in (0, 5):
        time = at(11, 10 + minutes / 60)
        changes.polls[time] = Poll(time, 300, 50, whole=True, full=True, users=3, servers=1)
    changes.people[20] = Person(20, "zoe", at(-30), at(-9))
    changes.join(X, 20, at(-9))
    # The Hub shows that Eva was there in the gap.
    changes.activity[EVA, at(9, 9)] = at(9, 9)
    changes.touch(at(8))
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(11, 10))
    found = await Queries(store).standings(Members("nbgrader-x"), 7)
    assert found.doubt == "nothing was observed on 3 of the last 7 days"
    standings = {row.name: row.standing for row in found.rows}
    assert standings == {
        "ana": Standing.UNKNOWN,
        "eva": Standing.PRESENT,
        "zoe": Standing.NOT_STARTED,
    }


async def test_more_days_than_are_recorded(queries: Queries) -> None:
    """Nobody can have dropped off before the records begin."""
    found = await queries.standings(Members("nbgrader-x"), 3650)
    assert {row.standing for row in found.rows} == {Standing.NOT_STARTED}
    assert found.unobserved == 1  # Thursday of the first week
