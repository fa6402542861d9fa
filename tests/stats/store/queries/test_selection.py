"""Which users and days each audience may see."""

from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.query.access import FullAccess, Individual, Viewer
from services.stats.records import Changes, Session
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store
from tests.stats.course import ANA, BEN, at, day


async def test_who_has_a_name_now_does_not_see_who_had_it(queries: Queries) -> None:
    """Ben sees his own days and nothing of the Ben before him."""
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
    """Days before and after the membership are not shown, by no question."""
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


async def test_session_beyond_a_membership_is_cut(store: Store) -> None:
    """Of a server that ran on after its user left the course only the days before are shown."""
    changes = Changes()
    changes.sessions[6] = Session(6, ANA, "long", None, at(-1, 20), at(1, 3), at(2, 6))
    changes.activity[ANA, at(1, 2)] = at(1, 3)
    changes.touch(at(-1))
    await store.write(changes, leader=await store.take_lead())
    queries = Queries(store)
    ana = Viewer.of("tea", FullAccess(), groups=["formgrade-y"]).audience(user="ana")
    assert isinstance(ana, Individual)
    timeline = await queries.timeline(ana, day(-9), day(7))
    (cut,) = [session for session in timeline.sessions if session.server == "long"]
    assert (cut.started, cut.last_activity, cut.ended) == (at(-1, 20), at(1), at(1))
    assert timeline.work == [Interval(at(0, 10), at(0, 11))]
