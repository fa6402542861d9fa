"""What the database answers: small hubs with numbers that can be counted by hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By, Period, periods
from services.stats.intervals import Interval
from services.stats.query.access import OPERATOR, FullAccess, Individual, Members, Viewer, WholeHub
from services.stats.query.people import PersonRow
from services.stats.records import Changes, Person, Poll, Session
from services.stats.store.daily_rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

MONDAY = date(2026, 3, 2)
START = datetime(2026, 3, 2, tzinfo=UTC)
ANA, BEN, EVA, OLD_BEN = 1, 2, 3, 4
X, Y = 1, 2


def at(day: int, hour: float = 0) -> datetime:
    """A time, by days since Monday and hours."""
    return START + timedelta(days=day, hours=hour)


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def polls(first: datetime, last: datetime, servers: int = 0) -> dict[datetime, Poll]:
    """A whole poll every five minutes, the ends included."""
    times = [
        first + timedelta(minutes=5 * n) for n in range((last - first) // timedelta(minutes=5) + 1)
    ]
    return {
        time: Poll(time, 300, 50, whole=True, full=False, users=3, servers=servers, active=0)
        for time in times
    }


def course() -> Changes:
    """Two weeks. Ana works on Monday and Tuesday, Ben on Monday of the second week.

    An earlier Ben, deleted on Sunday before, worked on the Sunday before that. Eva is
    enrolled from Wednesday and never comes. Ana is in group y until Monday noon.
    """
    made = at(-30)
    changes = Changes(groups={X: "nbgrader-x", Y: "nbgrader-y"}, profiles={1: "gpu"})
    changes.people = {
        ANA: Person(ANA, "ana", made, at(-9)),
        BEN: Person(BEN, "ben", at(0, 9), at(0, 9)),
        EVA: Person(EVA, "eva", at(2, 1), at(2, 9)),
        OLD_BEN: Person(OLD_BEN, "ben", made, at(-9), deleted=at(-1)),
    }
    changes.joined = {(X, at(-9)): [ANA], (X, at(1)): [BEN], (X, at(2, 9)): [EVA]}
    changes.left = {(Y, ANA, at(-9)): at(0, 12), (X, OLD_BEN, at(-9)): at(-1)}
    changes.activity = {
        (ANA, at(0, 10)): at(0, 11),
        (ANA, at(1, 22)): at(1, 23),
        (BEN, at(7, 10)): at(7, 12),
        (BEN, at(7, 15)): at(7, 15),
        (OLD_BEN, at(-8, 10)): at(-8, 11),
    }
    changes.sessions = {
        1: Session(1, OLD_BEN, "", None, at(-8, 10), at(-8, 11), at(-8, 12)),
        2: Session(2, ANA, "", 1, at(0, 10), at(0, 11), at(0, 12)),
        3: Session(3, ANA, "", None, at(1, 22), at(1, 23), at(2, 1)),
        4: Session(4, BEN, "", None, at(7, 10), at(7, 12), at(7, 12.1)),
        5: Session(5, BEN, "gpu", None, at(7, 10.5), at(7, 11), None),
    }
    changes.polls = polls(at(-9), at(3, 0)) | polls(at(4, 0), at(7, 16), servers=1)
    changes.touch(at(-9))
    return changes


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """The course, with every day that is over rolled up."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'stats.sqlite'}"
    else:
        url = str(request.getfixturevalue("postgres_url"))
    store = await Store.open(url, ZoneInfo("UTC"))
    await store.write(course(), leader=await store.take_lead())
    await roll_up_until(store, at(7, 16))
    yield store
    await store.close()


@pytest.fixture
def queries(store: Store) -> Queries:
    return Queries(store)


async def test_whole_hub_by_week(queries: Queries) -> None:
    """Users, sessions, hours and the share observed, for each week; the open day counts."""
    before, first, second = await queries.summaries(WholeHub(), periods(day(-7), day(13), By.WEEK))
    assert (before.active_users, before.sessions) == (0, 0)
    assert (first.active_users, first.sessions) == (1, 2)
    assert (first.active_hours, first.idle_hours, first.server_hours) == (2, 3, 5)
    assert first.observed_percent == pytest.approx(100 * 6 / 7, abs=0.1)
    assert (first.median_minutes, first.p90_minutes, first.p99_minutes) == (120, 180, 180)
    assert first.newcomers == 2
    assert first.after_hours == 3
    assert (second.first, second.last) == (day(7), day(13))
    assert (second.active_users, second.sessions, second.peak_servers) == (1, 2, 2)
    assert second.peak_at == at(7, 10.5)
    assert second.active_hours == 2
    assert second.server_hours == pytest.approx(2.1 + 5.5)
    assert second.idle_hours == pytest.approx(4)
    assert (second.weekly_active, second.monthly_active) == (2, 3)


async def test_a_gap_is_not_zero(queries: Queries) -> None:
    """A day on which nobody looked has no numbers; one without activity has zeros."""
    quiet, gap = await queries.summaries(
        WholeHub(), [Period(day(2), day(2)), Period(day(3), day(3))]
    )
    assert (quiet.active_users, quiet.sessions, quiet.observed_percent) == (0, 0, 100)
    assert gap.active_users is gap.sessions is gap.server_hours is gap.peak_servers is None
    assert gap.observed_percent == 0


async def test_gaps(queries: Queries) -> None:
    """The time between polls too far apart is a gap."""
    assert await queries.gaps(day(0), day(13)) == [Interval(at(3), at(4))]
    servers = dict(await queries.servers_at(WholeHub(), day(3), day(4), points=48))
    assert servers[at(3, 12)] is None
    assert servers[at(4, 12)] == 1


@pytest.mark.parametrize(
    ("first", "last", "gap"),
    [
        pytest.param(3, 3, [Interval(at(3), at(4))], id="nothing but the gap"),
        pytest.param(2, 3, [Interval(at(3), at(4))], id="until its end"),
        pytest.param(3, 4, [Interval(at(3), at(4))], id="from its start"),
        pytest.param(4, 7, [], id="after it"),
        pytest.param(-9, 2, [], id="before it"),
    ],
)
async def test_gaps_at_the_ends_of_what_is_asked(
    queries: Queries, first: int, last: int, gap: list[Interval]
) -> None:
    """A gap is one also where no poll comes after it among the days asked for."""
    assert await queries.gaps(day(first), day(last)) == gap
    servers = await queries.servers_at(WholeHub(), day(first), day(last), points=48)
    unseen = {moment for moment, number in servers if number is None}
    assert unseen >= {moment for moment, _ in servers if at(3) < moment < at(4)}


async def test_group_counts_its_members_of_the_day(queries: Queries) -> None:
    """Before joining and after leaving, a member's activity is not the group's."""
    (x,) = await queries.summaries(Members("nbgrader-x"), [Period(day(-9), day(7))])
    assert (x.active_users, x.sessions, x.active_hours) == (3, 5, 5)
    (y,) = await queries.summaries(Members("nbgrader-y"), [Period(day(-9), day(7))])
    assert (y.active_users, y.sessions, y.active_hours) == (1, 1, 1)
    assert await queries.summaries(Members("nobody's"), [Period(day(0), day(1))])


async def test_people(queries: Queries) -> None:
    """The table of users has a line for everybody there, also who did nothing."""
    assert await queries.people(Members("nbgrader-x"), day(0), day(7)) == [
        PersonRow("ana", False, 7200, 10800, 2, 2, day(1)),
        PersonRow("ben", False, 7200, 14400, 2, 1, day(7)),
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


async def test_enrolled_but_inactive(queries: Queries) -> None:
    """An instructor's first question: who is in the group and has not come since a date."""
    rows = await queries.inactive(Members("nbgrader-x"), day(2))
    assert [(row.name, row.last_active) for row in rows] == [("ana", day(1)), ("eva", None)]
    assert [row.name for row in await queries.inactive(Members("nbgrader-x"), day(1))] == ["eva"]
    assert await queries.inactive(Members("nbgrader-y"), day(7)) == []


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


async def test_groups_that_can_be_chosen(queries: Queries) -> None:
    """An operator sees all groups with their size now, an instructor only the own courses."""
    assert await queries.groups(OPERATOR) == [("nbgrader-x", 3), ("nbgrader-y", 0)]
    teacher = Viewer.of("tea", FullAccess(), groups=["formgrade-y"])
    assert [row.name for row in await queries.groups(teacher)] == ["nbgrader-y"]
    assert await queries.groups(Viewer.of("ana", FullAccess())) == []


async def test_today_follows_each_poll(store: Store) -> None:
    """The day that is not over counts anew after each poll, and without who is forgotten."""
    queries = Queries(store)
    today = [Period(day(7), day(7))]
    (before,) = await queries.summaries(WholeHub(), today)
    changes = Changes(polls=polls(at(7, 16.25), at(7, 16.25)))
    changes.activity[EVA, at(7, 16)] = at(7, 16.25)
    changes.touch(at(7, 16))
    await store.write(changes, leader=await store.take_lead())
    (after,) = await queries.summaries(WholeHub(), today)
    assert (before.active_users, after.active_users) == (1, 2)
    await store.forget("eva")
    (without,) = await queries.summaries(WholeHub(), today)
    assert without.active_users == 1


async def test_pruned_days_answer_the_same(store: Store) -> None:
    """The numbers of a day stay when its raw records go."""
    queries = Queries(store)
    audiences = (WholeHub(), Members("nbgrader-x"))
    weeks = periods(day(-7), day(6), By.WEEK)
    before = [await queries.summaries(audience, weeks) for audience in audiences]
    assert await store.prune(at(6))
    assert [await queries.summaries(audience, weeks) for audience in audiences] == before


async def test_empty_database(tmp_path: Path) -> None:
    """Before the first poll every question has an empty answer."""
    store = await Store.open(f"sqlite:///{tmp_path / 'new.sqlite'}", ZoneInfo("UTC"))
    queries = Queries(store)
    assert await queries.span() is None
    for audience in (WholeHub(), Members("x"), Individual("ana")):
        assert await queries.days(audience, day(0), day(1)) == []
        assert await queries.people(audience, day(0), day(1)) == []
        assert await queries.inactive(audience, day(0)) == []
        (row,) = await queries.summaries(audience, [Period(day(0), day(1))])
        assert row.active_users is None
    assert await queries.gaps(day(0), day(1)) == []
    await store.close()


@pytest.mark.parametrize(
    ("day_of_change", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)],
    ids=["spring", "autumn"],
)
async def test_day_on_which_clocks_change(tmp_path: Path, day_of_change: date, hours: int) -> None:
    """A server that runs through such a day has run 23 or 25 hours."""
    zone = ZoneInfo("Europe/Berlin")
    store = await Store.open(f"sqlite:///{tmp_path / 'dst.sqlite'}", zone)
    noon = datetime(day_of_change.year, day_of_change.month, day_of_change.day, 12, tzinfo=UTC)
    first, last = noon - timedelta(days=2), noon + timedelta(days=2)
    changes = Changes(people={1: Person(1, "ana", None, first)})
    changes.sessions[1] = Session(1, 1, "", None, first, last)
    changes.activity[1, first] = first + timedelta(hours=1)
    changes.polls = polls(first, last)
    await store.write(changes, leader=await store.take_lead())
    await roll_up_until(store, last)
    queries = Queries(store)
    (row,) = await queries.summaries(WholeHub(), [Period(day_of_change, day_of_change)])
    assert row.server_hours == hours
    assert row.observed_percent == 100
    assert row.mean_servers == 1
    await store.close()


async def test_another_time_zone_counts_its_own_days(store: Store) -> None:
    """With another --timezone the days are counted anew in that zone."""
    east = Store(store.engine, ZoneInfo("Asia/Tokyo"))
    await roll_up_until(east, at(7, 16))
    (row,) = await Queries(east).summaries(WholeHub(), [Period(day(2), day(2))])
    assert (row.active_users, row.active_hours) == (1, 1)  # 22:00 UTC is 7:00 next day


async def test_today_is_counted_once_for_all_who_ask(store: Store) -> None:
    """Who asks meanwhile waits for the same count; a group is told out of it."""
    queries = Queries(store)
    await queries.count_today()
    counted = queries._live._days
    assert [one.records.day for one in counted] == [day(7)]
    x, y, hub = Members("nbgrader-x"), Members("nbgrader-y"), WholeHub()
    answers = await asyncio.gather(*(queries.days(who, day(7), day(7)) for who in (x, y, hub, x)))
    assert [[row.active for row in rows] for rows in answers] == [[1], [0], [1], [1]]
    assert [rows[0].members for rows in answers] == [3, 0, 3, 3]
    assert queries._live._days is counted
