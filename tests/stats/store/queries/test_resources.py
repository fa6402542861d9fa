"""What is known of users' names, server time and memberships, for the page about resources."""

from datetime import date

from services.stats.query.access import OPERATOR, FullAccess, Members, Viewer, WholeHub
from services.stats.query.resources.names import KnownUser
from services.stats.records import Changes, Session
from services.stats.store.daily.forget import forget
from services.stats.store.queries.dashboard import Queries
from services.stats.store.queries.resources import ResourceRecords
from services.stats.store.store import Store
from tests.stats.course import ANA, BEN, EVA, OLD_BEN, at, day


async def test_hub(queries: Queries) -> None:
    """Every account with the days of its life, and how long its servers ran on each day."""
    found = await queries.resources(WholeHub(), OPERATOR, day(-9), day(7))
    assert sorted(found.users) == [
        KnownUser(ANA, "ana", day(-9), date.max),
        KnownUser(BEN, "ben", day(0), date.max, frozenset({"gpu"})),
        KnownUser(EVA, "eva", day(2), date.max),
        KnownUser(OLD_BEN, "ben", day(-9), day(-1)),
    ]
    assert found.deleted == {OLD_BEN}
    hours = {key: seconds / 3600 for key, seconds in found.server_seconds.items()}
    assert hours == {
        (OLD_BEN, day(-8)): 2,
        (ANA, day(0)): 2,
        (ANA, day(1)): 2,  # until midnight
        (ANA, day(2)): 1,
        (BEN, day(7)): 2.1 + 5.5,  # the second server runs until the last poll
    }
    assert found.windows is None
    assert found.groups["nbgrader-y"] == {ANA: [(day(-9), day(0))]}


async def test_one_day(queries: Queries) -> None:
    """Only the time on the selected days counts, and memberships that reach into them."""
    found = await queries.resources(WholeHub(), OPERATOR, day(2), day(2))
    assert found.server_seconds == {(ANA, day(2)): 3600}
    assert found.groups.keys() == {"nbgrader-x"}


async def test_grader(queries: Queries) -> None:
    """A grader gets the members of their own courses only; names of all users stay inside."""
    grader = Viewer.of("tea", FullAccess(), groups=["formgrade-y"])
    found = await queries.resources(grader.audience(group="nbgrader-y"), grader, day(-9), day(7))
    assert found.windows == {ANA: [(day(-9), day(0))]}
    assert found.groups == {"nbgrader-y": {ANA: [(day(-9), day(0))]}}
    assert len(found.users) == 4


async def test_unknown_group(queries: Queries) -> None:
    """Nothing may be shown of a group that does not exist."""
    found = await queries.resources(Members("nothing"), OPERATOR, day(-9), day(7))
    assert found.windows == {}


async def test_no_records(queries: Queries) -> None:
    """Days without records have none."""
    found = await queries.resources(WholeHub(), OPERATOR, day(-99), day(-98))
    assert found == ResourceRecords()


async def test_forgotten_users_are_gone(store: Store, queries: Queries) -> None:
    """Nothing is left of a forgotten user, so that their server is nobody's."""
    await forget(store, "ana")
    found = await queries.resources(WholeHub(), OPERATOR, day(-9), day(7))
    assert "ana" not in {user.name for user in found.users}
    assert all(user != ANA for user, _ in found.server_seconds)


async def test_session_over_many_days(store: Store, queries: Queries) -> None:
    """A server that ran for days, before the first of them, counts on each."""
    changes = Changes()
    changes.sessions[9] = Session(9, EVA, "", None, at(2, 12), at(3), at(5, 6))
    await store.write(changes, leader=await store.take_leadership())
    found = await queries.resources(WholeHub(), OPERATOR, day(3), day(7))
    hours = {d: s / 3600 for (user, d), s in found.server_seconds.items() if user == EVA}
    assert hours == {day(3): 24, day(4): 24, day(5): 6}
