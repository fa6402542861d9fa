"""What each user did, read from the database."""

from datetime import timedelta

from services.stats.query.access import Members, WholeHub
from services.stats.query.cohort.distribution import Share
from services.stats.records import Changes
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ANA, EVA, at, day, polls


async def test_members_count_from_their_week_of_joining(queries: Queries, store: Store) -> None:
    """The week from 23 February is complete; the next one has a gap; this one is not over."""
    found = await queries.distribution(Members("nbgrader-x"), day(-9), day(7))
    assert (found.weeks, found.left_out, found.unobserved, found.today) == (1, 3, 1, True)
    assert found.users == [
        Share("ana", 1, 0, 2, day(1)),
        Share("ben", 0, 0, 1, day(7)),
        Share("eva", 0, 0, 0, None),
    ]


async def test_complete_weeks(store: Store) -> None:
    """With the gap filled and the week over, the active time of both weeks counts."""
    changes = Changes(polls=polls(at(3), at(4)) | polls(at(7, 16), at(14, 2)))
    changes.activity[EVA, at(12, 10)] = at(12, 10)  # a page of the Hub
    changes.touch(at(3))
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(14, 2))
    queries = Queries(store)
    found = await queries.distribution(Members("nbgrader-x"), day(-7), day(14))
    assert (found.weeks, found.left_out) == (3, 1)
    assert [(user.name, user.weeks, user.minutes_per_week) for user in found.users] == [
        ("ana", 3, 40),  # two hours in three weeks
        ("ben", 2, 60),
        ("eva", 2, 0),
    ]
    assert found.users[2].last_seen == day(12)
    hub = await queries.distribution(WholeHub(), day(0), day(13))
    assert [(user.name, user.weeks, user.active_seconds) for user in hub.users] == [
        ("ana", 2, 7200),
        ("ben", 2, 7200),
        ("eva", 2, 0),
    ]
    # On the Wednesday before, Ben had not come yet, and Ana was last seen the day before.
    earlier = await queries.distribution(Members("nbgrader-x"), day(0), day(2))
    assert [(user.name, user.last_seen) for user in earlier.users] == [
        ("ana", day(1)),
        ("ben", None),
        ("eva", None),
    ]
    assert earlier.today is False


async def test_activity_before_joining_is_not_shown(store: Store) -> None:
    """Ana's hours in group y count only until she left it; she is no member any more."""
    queries = Queries(store)
    on_monday = await queries.distribution(Members("nbgrader-y"), day(-9), day(0))
    assert [(user.name, user.days_active) for user in on_monday.users] == [("ana", 1)]
    assert (await queries.distribution(Members("nbgrader-y"), day(-9), day(7))).users == []
    changes = Changes(groups={7: "late"})
    changes.join(7, ANA, at(1) + timedelta(hours=1))
    await store.write(changes, leader=await store.take_leadership())
    late = await queries.distribution(Members("late"), day(-9), day(7))
    assert [(user.days_active, user.weeks) for user in late.users] == [(1, 0)]
