"""The table of users, and users who are inactive."""

from datetime import date

from services.stats.query.access import Members, WholeHub
from services.stats.query.people import PersonRow
from services.stats.records import Changes, Person, Session
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.cohort.sums import Sums, sums_by_stretch, total_sums
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ANA, BEN, EVA, OLD_BEN, at, day, polls


async def test_people(queries: Queries) -> None:
    """The table has a row for every user of the audience, including inactive ones."""
    assert await queries.people(Members("nbgrader-x"), day(0), day(7)) == [
        PersonRow("ana", False, 7200, 10800, 2, 2, day(1), day(1)),
        PersonRow("ben", False, 7200, 14400, 2, 1, day(7), day(7)),
        PersonRow("eva", False, 0, 0, 0, 0, None),
    ]
    everybody = await queries.people(WholeHub(), day(-9), day(7))
    assert [(row.name, row.deleted, row.active_seconds) for row in everybody] == [
        ("ana", False, 7200),
        ("ben", False, 7200),
        ("ben", True, 3600),
        ("eva", False, 0),
    ]
    later = await queries.people(WholeHub(), day(0), day(1))
    assert [(row.name, row.deleted) for row in later] == [("ana", False), ("ben", False)]
    before = await queries.people(WholeHub(), day(-9), day(-1))
    assert [(row.name, row.deleted) for row in before] == [("ana", False), ("ben", True)]


async def test_present_and_not_seen_working(store: Store) -> None:
    """Someone who only opened a page of the Hub is inactive; the list says that they were there."""
    changes = Changes(polls=polls(at(7, 16.25), at(7, 16.25)))
    changes.activity[EVA, at(6, 9)] = at(6, 9)
    changes.touch(at(6, 9))
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16.25))
    queries = Queries(store)
    (eva,) = [
        row for row in await queries.inactive(Members("nbgrader-x"), day(0)) if row.name == "eva"
    ]
    assert (eva.last_active, eva.last_present, eva.days_active) == (None, day(6), 0)
    (hub,) = await queries.days(WholeHub(), day(6), day(6))
    assert hub.active == 0


async def test_enrolled_but_inactive(queries: Queries) -> None:
    """Current members without activity since the date are listed."""
    rows = await queries.inactive(Members("nbgrader-x"), day(2))
    assert [(row.name, row.last_active) for row in rows] == [("ana", day(1)), ("eva", None)]
    assert [row.name for row in await queries.inactive(Members("nbgrader-x"), day(1))] == ["eva"]
    assert await queries.inactive(Members("nbgrader-y"), day(7)) == []


async def test_stretches_of_days(queries: Queries, store: Store) -> None:
    """Sums over stretches are cut where a membership begins or ends; the live day is included."""
    async with queries._select(Members("nbgrader-x"), day(-9), day(7)) as selection:
        found = await sums_by_stretch(selection, [day(1)])
        total = await total_sums(selection)
    assert {key: sums.active_seconds for key, sums in found.items() if sums.days_active} == {
        (ANA, day(-1)): 3600,
        (ANA, day(1)): 3600,
        (BEN, day(2)): 7200,
        (OLD_BEN, day(-9)): 3600,
    }
    assert total[ANA] == Sums(7200, 10800, 2, 2, day(1), day(1), day(0))
    async with queries._select(Members("nbgrader-x"), day(-9), day(7)) as selection:
        by_day = await sums_by_stretch(selection, [day(n) for n in range(-9, 8)])
        assert sum(sums.active_seconds for sums in by_day.values()) == 18000


async def test_with_many_stretches_each_day_is_one(store: Store) -> None:
    """Members who join on more than a hundred days are counted by day."""
    changes = Changes(groups={9: "many"})
    for number in range(150):
        changes.people[100 + number] = Person(100 + number, f"u{number}", at(-30), at(-9))
        changes.join(9, 100 + number, at(-140 + number))
        changes.activity[100 + number, at(0, 9)] = at(0, 10)
        changes.sessions[100 + number] = Session(
            100 + number, 100 + number, "", None, at(0, 9), at(0, 10), at(0, 11)
        )
    changes.polls = polls(at(-140), at(-140))
    changes.touch(at(0))
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16))
    rows = await Queries(store).people(Members("many"), date.min, date.max)
    joined_in_time = [row for row in rows if row.active_seconds == 3600]
    assert (len(rows), len(joined_in_time)) == (148, 141)
