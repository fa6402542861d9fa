"""Which users and days each audience may see."""

import pytest

from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.query.access import FullAccess, Individual, Members, Viewer, WholeHub
from services.stats.records import Changes, Session
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ANA, BEN, at, day


async def test_reused_name_does_not_show_the_earlier_user(queries: Queries) -> None:
    """Ben sees his own days and none of the deleted Ben's."""
    ben = Viewer.of("ben", FullAccess()).audience(user="ben")
    assert isinstance(ben, Individual)
    (row,) = await queries.summaries(ben, [Period(day(-9), day(7))])
    assert (row.active_users, row.sessions, row.active_hours) == (1, 2, 2)
    timeline = await queries.timeline(ben, day(-9), day(7))
    assert timeline.person
    assert timeline.person.id == BEN
    assert [session.id for session in timeline.sessions] == [4, 5]
    assert timeline.gaps == [Interval(at(3), at(4))]


async def test_instructor_sees_a_student_only_while_in_the_course(queries: Queries) -> None:
    """No query shows days before or after the membership."""
    teacher = Viewer.of("tea", FullAccess(), groups=["formgrade-y"])
    ana = teacher.audience(user="ana")
    assert isinstance(ana, Individual)
    timeline = await queries.timeline(ana, day(-9), day(7))
    assert [session.id for session in timeline.sessions] == [2]
    assert timeline.work == [Interval(at(0, 10), at(0, 11))]
    days = await queries.days(ana, day(-9), day(7))
    assert {row.day for row in days if row.active or row.server_seconds} == {day(0)}
    (person,) = await queries.people(ana, day(-9), day(7))
    assert (person.active_seconds, person.last_active) == (3600, day(0))
    for stranger in ("ben", "eva", "nobody"):
        other = teacher.audience(user=stranger)
        assert isinstance(other, Individual)
        assert (await queries.timeline(other, day(-9), day(7))).person is None
        assert await queries.days(other, day(-9), day(7)) == []
        assert await queries.people(other, day(-9), day(7)) == []
        assert await queries.inactive(other, day(7)) == []
        assert {n for _, n in await queries.servers_at(other, day(0), day(7))} <= {0, None}


async def test_session_is_cut_at_the_end_of_a_membership(store: Store) -> None:
    """A session that outlasts the membership is shown up to its end."""
    changes = Changes()
    changes.sessions[6] = Session(6, ANA, "long", None, at(-1, 20), at(1, 3), at(2, 6))
    changes.activity[ANA, at(1, 2)] = at(1, 3)
    changes.touch(at(-1))
    await store.write(changes, leader=await store.take_leadership())
    queries = Queries(store)
    ana = Viewer.of("tea", FullAccess(), groups=["formgrade-y"]).audience(user="ana")
    assert isinstance(ana, Individual)
    timeline = await queries.timeline(ana, day(-9), day(7))
    (cut,) = [session for session in timeline.sessions if session.server == "long"]
    assert (cut.started, cut.last_activity, cut.ended) == (at(-1, 20), at(1), at(1))
    assert timeline.work == [Interval(at(0, 10), at(0, 11))]


@pytest.mark.parametrize(
    ("first", "last", "days", "empty"),
    [
        pytest.param(-100, 100, (-9, 7), False, id="wider than the records"),
        pytest.param(1, 2, (1, 2), False, id="within"),
        pytest.param(8, 20, (8, 7), True, id="after the last day"),
        pytest.param(-30, -20, (-9, -20), True, id="before the first day"),
    ],
)
async def test_days_are_limited_to_the_records(
    queries: Queries, first: int, last: int, days: tuple[int, int], empty: bool
) -> None:
    """A selection covers only days with records, and may be empty."""
    async with queries._select(WholeHub(), day(first), day(last)) as selection:
        assert (selection.first, selection.last) == tuple(map(day, days))
        assert selection.empty is empty


async def test_visible_parts_of_an_interval(queries: Queries) -> None:
    """Ana was in group y until Monday: only that part of an interval may be shown."""
    async with queries._select(Members("nbgrader-y"), day(-9), day(7)) as selection:
        assert selection.visible(ANA, day(0))
        assert not selection.visible(ANA, day(1))
        assert not selection.visible(BEN, day(0))
        run = Interval(at(0, 20), at(2, 4))
        assert selection.visible_parts(ANA, run) == [Interval(at(0, 20), at(1))]
        assert selection.visible_parts(BEN, run) == []
