"""Servers by profile and image, and those that run now, on SQLite and PostgreSQL."""

from datetime import timedelta

import pytest

from services.stats.query.access import Audience, FullAccess, Individual, Members, Viewer, WholeHub
from services.stats.query.servers.choices import Dimension, Use, by
from services.stats.records import Changes, Session
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ANA, BEN, EVA, X, at, day

GPU = Use("gpu", 1, 1, 2.0, 50.0, 120, 0)
OTHER = Use(None, 4, 3, 12.6, 43.7, 142, 1)


async def profiles(
    queries: Queries, audience: Audience, first: int = -9, last: int = 7
) -> list[Use]:
    use = await queries.server_use(audience, day(first), day(last))
    return by(Dimension.PROFILE, use)


async def test_profiles_of_the_hub(queries: Queries) -> None:
    """Counted by hand: rolled-up days, and the current one with a running server."""
    assert await profiles(queries, WholeHub()) == [OTHER, GPU]
    assert await profiles(queries, WholeHub(), 0, 0) == [
        GPU,
        Use(None, 0, 0, 0.0, None, None, 1),
    ]


async def test_profiles_add_up_to_the_hub(queries: Queries) -> None:
    """Sessions and server hours are those of the overview."""
    rows = await profiles(queries, WholeHub())
    days = await queries.days(WholeHub(), day(-9), day(7))
    assert sum(row.sessions for row in rows) == sum(one.sessions or 0 for one in days)
    hours = sum(one.server_seconds or 0 for one in days) / 3600
    assert sum(row.server_hours for row in rows) == pytest.approx(hours, abs=0.02)


async def test_members_count_on_days_of_membership(queries: Queries, store: Store) -> None:
    """Ana was in y until Monday noon: her server of Tuesday is not shown."""
    assert await profiles(queries, Members("nbgrader-y")) == [Use("gpu", 1, 1, 2.0, 50.0, 120, 0)]
    assert await profiles(queries, Members("nbgrader-y"), 1, 7) == []
    # Ben joined x on Tuesday, and Ana was in it from the start.
    assert await profiles(queries, Members("nbgrader-x")) == [OTHER, GPU]
    assert await profiles(queries, Members("nobody's")) == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ana", [Use(None, 1, 1, 3.0, 33.3, 180, 0), Use("gpu", 1, 1, 2.0, 50.0, 120, 0)]),
        ("ben", [Use(None, 2, 1, 7.6, 46.1, 126, 1)]),
        ("eva", []),
        ("nobody", []),
    ],
)
async def test_profiles_of_a_user(queries: Queries, name: str, wanted: list[Use]) -> None:
    """Only the servers of the account that has the name now."""
    assert await profiles(queries, Individual(name, own=True)) == wanted


async def test_instructor_sees_a_student_only_while_in_the_course(queries: Queries) -> None:
    """The instructor of y sees what Ana did on Monday."""
    teacher = Viewer.of("tea", FullAccess(), groups=["formgrade-y"])
    assert await profiles(queries, teacher.audience(user="ana")) == [
        Use("gpu", 1, 1, 2.0, 50.0, 120, 0)
    ]
    assert await profiles(queries, teacher.audience(user="ben")) == []
    assert await queries.running(teacher.audience(user="ben")) == []


async def test_images(queries: Queries, store: Store) -> None:
    """A changed record of a rolled-up day is counted at once, and once."""
    changes = Changes(images={1: "base:1"})
    changes.sessions[2] = Session(2, ANA, "", 1, at(0, 10), at(0, 11), at(0, 12), image_id=1)
    changes.touch(at(0, 10))
    await store.write(changes, leader=await store.take_leadership())
    for _ in range(2):
        use = await Queries(store).server_use(WholeHub(), day(-9), day(7))
        rows = {row.name: (row.sessions, row.server_hours) for row in by(Dimension.IMAGE, use)}
        assert rows == {"base:1": (1, 2.0), None: (4, 12.6)}
        assert by(Dimension.PROFILE, use) == [OTHER, GPU]
        await roll_up_until(store, at(7, 16))


async def test_pruned_days_keep_their_totals(queries: Queries, store: Store) -> None:
    """Sessions and hours remain; how many users there were is not known any more."""
    await store.prune(at(4))
    rows = await profiles(queries, WholeHub())
    assert rows == [OTHER._replace(users=None), GPU._replace(users=None)]
    use = await queries.server_use(WholeHub(), day(-9), day(7))
    assert (use.known_from, use.users_from) == (None, day(4))
    own = await queries.server_use(Individual("ana", own=True), day(-9), day(7))
    assert own.known_from == day(4)
    assert by(Dimension.PROFILE, own) == []


async def test_days_pruned_by_an_earlier_release_are_unknown(
    queries: Queries, store: Store
) -> None:
    """They have no rows by profile; the answer says from which day on there are any."""
    async with store.writing() as connection:
        await store.write_meta(connection, profiles_from=day(1))
    use = await queries.server_use(WholeHub(), day(-9), day(7))
    assert use.known_from == day(1)
    assert (await queries.server_use(WholeHub(), day(1), day(7))).known_from is None


async def test_running_servers(queries: Queries) -> None:
    """Ben's server runs since half past ten; the last poll was at four o'clock."""
    (server,) = await queries.running(WholeHub())
    assert (server.user, server.server, server.profile) == ("ben", "gpu", None)
    assert (server.started, server.last_activity) == (at(7, 10.5), at(7, 11))
    assert server.age == timedelta(hours=5.5)
    assert await queries.running(Members("nbgrader-x")) == [server]
    assert await queries.running(Individual("ben", own=True)) == [server]
    for nobody in (Members("nbgrader-y"), Members("nobody's"), Individual("ana", own=True)):
        assert await queries.running(nobody) == []


async def test_nothing_is_shown_of_the_time_before_joining(queries: Queries, store: Store) -> None:
    """A server that ran before its user joined the group has run since that day."""
    changes = Changes()
    changes.sessions[9] = Session(9, EVA, "old", None, at(5), at(5, 1), None)
    changes.join(99, EVA, at(7, 9))
    changes.groups[99] = "nbgrader-late"
    changes.touch(at(5))
    await store.write(changes, leader=await store.take_leadership())
    (server,) = await queries.running(Members("nbgrader-late"))
    assert (server.started, server.last_activity) == (at(7), None)
    assert server.age == timedelta(hours=16)
    (known,) = [one for one in await queries.running(Members("nbgrader-x")) if one.server == "old"]
    assert (known.started, known.last_activity) == (at(5), at(5, 1))
    rows = await profiles(queries, Members("nbgrader-late"))
    assert rows == [Use(None, 0, 1, 16.0, 0.0, None, 1)]


async def test_former_members_do_not_count(queries: Queries, store: Store) -> None:
    """A user who left is not among the running servers of the group any more."""
    changes = Changes()
    changes.left[X, BEN, at(1)] = at(6, 23)
    await store.write(changes, leader=await store.take_leadership())
    assert await queries.running(Members("nbgrader-x")) == []
    use = await queries.server_use(Members("nbgrader-x"), day(7), day(7))
    assert (use.users, use.running) == ({}, {})


async def test_forecast_of_hub_and_group(queries: Queries) -> None:
    """Two Mondays are enough; of Thursdays, only one was observed."""
    span = await queries.span()
    assert span is not None
    group = Members("nbgrader-x")
    for audience, upper in ((WholeHub(), 1), (group, 1), (Members("nbgrader-y"), 1)):
        rows = {row.day: row for row in await queries.expected(audience, span)}
        assert rows[day(14)] == (day(14), 0.5, upper, 2, None)
        assert rows[day(10)] == (day(10), None, None, 1, None)
        assert rows[day(0)].actual == 1
        assert rows[day(3)].actual is None  # not observed
        assert rows[day(7)].actual is None  # not over
    rows = {row.day: row for row in await queries.expected(Members("nbgrader-y"), span)}
    assert rows[day(1)].actual == 0  # Ana has left
