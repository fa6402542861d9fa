"""Current users who have not worked lately, read from the database."""

from services.stats.query.access import Members, WholeHub
from services.stats.query.cohort.doubt import Doubt
from services.stats.query.cohort.standing import Standing, StandingRow
from services.stats.records import Changes, Person, Poll, Session
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import BEN, EVA, X, at, day


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


async def test_after_days_without_observation(store: Store) -> None:
    """After three days away, the Hub shows who was there, but not what Ben did in his server."""
    changes = Changes()
    for minutes in (0, 5):
        time = at(11, 10 + minutes / 60)
        changes.polls[time] = Poll(time, 300, 50, whole=True, full=True, users=3, servers=1)
    changes.people[20] = Person(20, "zoe", at(-30), at(-9))
    changes.join(X, 20, at(-9))
    # The Hub shows that Eva was there in the gap; the server that Ben left running was stopped.
    changes.activity[EVA, at(9, 9)] = at(9, 9)
    changes.sessions[5] = Session(5, BEN, "gpu", None, at(7, 10.5), at(7, 11), at(10, 9))
    changes.touch(at(7))
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(11, 10))
    queries = Queries(store)
    found = await queries.standings(Members("nbgrader-x"), 3)
    assert found.unobserved == 3
    assert found.doubt == "1 user: their server was stopped while nothing was observed"
    standings = {row.name: row.standing for row in found.rows}
    assert standings == {
        "ana": Standing.DROPPED_OFF,
        "ben": Standing.UNKNOWN,
        "eva": Standing.PRESENT,
        "zoe": Standing.NOT_STARTED,
    }
    away = await queries.standings(Members("nbgrader-x"), 3, at(11, 11))
    standings = {row.name: row.standing for row in away.rows}
    assert standings == dict.fromkeys(("ana", "ben", "zoe"), Standing.UNKNOWN) | {
        "eva": Standing.PRESENT
    }


async def test_a_gap_at_imported_records_leaves_doubt(store: Store) -> None:
    """Nobody compared the Hub's times of the last imported poll and the first one of their own."""
    changes = Changes()
    for time, servers in ((at(8), None), (at(9), 0), (at(9, 0.05), 0)):
        changes.polls[time] = Poll(time, 300, 50, whole=True, full=True, users=3, servers=servers)
    changes.touch(at(7))
    await store.write(changes, leader=await store.take_leadership())
    found = await Queries(store).standings(WholeHub(), 2)
    assert {(row.name, row.doubt) for row in found.rows} == {
        ("ana", Doubt.IMPORT),
        ("eva", Doubt.IMPORT),
    }


async def test_more_days_than_are_recorded(queries: Queries) -> None:
    """Nobody can have dropped off before the records begin."""
    found = await queries.standings(Members("nbgrader-x"), 3650)
    assert {row.standing for row in found.rows} == {Standing.NOT_STARTED}
    assert found.unobserved == 1  # Thursday of the first week
