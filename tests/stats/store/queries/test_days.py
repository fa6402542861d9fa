"""Daily rows of the hub and of groups, stored and live."""

import asyncio
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By, Period, periods
from services.stats.query.access import Individual, Members, WholeHub
from services.stats.records import Changes, Person, Session
from services.stats.store.daily.forget import forget
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import (
    EVA,
    at,
    day,
    polls,
)


async def test_group_counts_its_members_at_the_time(queries: Queries) -> None:
    """Activity before joining or after leaving does not count for the group."""
    (x,) = await queries.summaries(Members("nbgrader-x"), [Period(day(-9), day(7))])
    assert (x.active_users, x.sessions, x.active_hours) == (3, 5, 5)
    (y,) = await queries.summaries(Members("nbgrader-y"), [Period(day(-9), day(7))])
    assert (y.active_users, y.sessions, y.active_hours) == (1, 1, 1)
    assert await queries.summaries(Members("nobody's"), [Period(day(0), day(1))])


async def test_weeks_of_a_group_count_days_of_membership(queries: Queries) -> None:
    """Ana worked in y until Monday noon and in x all the time; the earlier Ben left x with it."""
    (x,) = await queries.days(Members("nbgrader-x"), day(5), day(5))
    (y,) = await queries.days(Members("nbgrader-y"), day(5), day(5))
    assert (x.active_7, x.active_30) == (1, 2)  # Ana; and the earlier Ben, who has left
    assert (y.active_7, y.active_30) == (1, 1)
    (y,) = await queries.days(Members("nbgrader-y"), day(7), day(7))
    assert (y.active_7, y.active_30) == (0, 1)  # on Tuesday she was not a member any more


async def test_today_follows_each_poll(store: Store) -> None:
    """Today's numbers change with each poll and when a user is forgotten."""
    queries = Queries(store)
    today = [Period(day(7), day(7))]
    (before,) = await queries.summaries(WholeHub(), today)
    changes = Changes(polls=polls(at(7, 16.25), at(7, 16.25)))
    changes.activity[EVA, at(7, 16)] = at(7, 16.25)
    changes.touch(at(7, 16))
    await store.write(changes, leader=await store.take_leadership())
    (after,) = await queries.summaries(WholeHub(), today)
    assert (before.active_users, after.active_users) == (1, 2)
    await forget(store, "eva")
    (without,) = await queries.summaries(WholeHub(), today)
    assert without.active_users == 1


async def test_pruned_days_keep_their_numbers(store: Store) -> None:
    """The numbers of a day stay the same when its raw records are deleted."""
    queries = Queries(store)
    audiences = (WholeHub(), Members("nbgrader-x"))
    weeks = periods(day(-7), day(6), By.WEEK)
    before = [await queries.summaries(audience, weeks) for audience in audiences]
    assert await store.prune(at(6))
    assert [await queries.summaries(audience, weeks) for audience in audiences] == before


async def test_a_user_keeps_what_was_rolled_up_of_pruned_days(store: Store) -> None:
    """Their totals are answered from the daily rows; what those do not hold becomes unknown."""
    queries = Queries(store)
    weeks = periods(day(-7), day(6), By.WEEK)
    before = await queries.summaries(Individual("ana"), weeks)
    assert any(week.sessions for week in before)
    assert await store.prune(at(6))
    after = await queries.summaries(Individual("ana"), weeks)
    for old, new in zip(before, after, strict=True):
        for field in ("active_users", "active_hours", "idle_hours", "sessions", "daily_active"):
            assert getattr(new, field) == getattr(old, field)
    pruned = [week for week in after if week.last < day(6) and week.active_users is not None]
    assert pruned
    assert all(
        week.server_hours is week.saved_hours is week.peak_servers is None for week in pruned
    )


@pytest.mark.parametrize(
    ("day_of_change", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)],
    ids=["spring", "autumn"],
)
async def test_clock_change(tmp_path: Path, day_of_change: date, hours: int) -> None:
    """A server that runs all day has run for 23 or 25 hours."""
    zone = ZoneInfo("Europe/Berlin")
    store = await Store.open(f"sqlite:///{tmp_path / 'dst.sqlite'}", zone)
    noon = datetime(day_of_change.year, day_of_change.month, day_of_change.day, 12, tzinfo=UTC)
    first, last = noon - timedelta(days=2), noon + timedelta(days=2)
    changes = Changes(people={1: Person(1, "ana", None, first)})
    changes.sessions[1] = Session(1, 1, "", None, first, last)
    changes.activity[1, first] = first + timedelta(hours=1)
    changes.polls = polls(first, last)
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, last)
    queries = Queries(store)
    (row,) = await queries.summaries(WholeHub(), [Period(day_of_change, day_of_change)])
    assert row.server_hours == hours
    assert row.observed_percent == 100
    assert row.mean_servers == 1
    await store.close()


async def test_another_time_zone_has_other_days(store: Store) -> None:
    """After a change of --timezone, days are rolled up again in that zone."""
    east = Store(store.database, ZoneInfo("Asia/Tokyo"))
    await roll_up_until(east, at(7, 16))
    (row,) = await Queries(east).summaries(WholeHub(), [Period(day(2), day(2))])
    assert (row.active_users, row.active_hours) == (1, 1)  # 22:00 UTC is 7:00 next day


async def test_today_is_counted_once(store: Store) -> None:
    """Concurrent queries share one count, groups included."""
    queries = Queries(store)
    await queries.count_today()
    counted = queries._live._days
    assert [one.records.day for one in counted] == [day(7)]
    x, y, hub = Members("nbgrader-x"), Members("nbgrader-y"), WholeHub()
    answers = await asyncio.gather(*(queries.days(who, day(7), day(7)) for who in (x, y, hub, x)))
    assert [[row.active for row in rows] for rows in answers] == [[1], [0], [1], [1]]
    assert [rows[0].members for rows in answers] == [3, 0, 3, 3]
    assert queries._live._days is counted


async def test_what_stopped_a_users_server_is_a_fact_of_that_day(store: Store) -> None:
    """A server of another day, of which nobody knows who stopped it, does not change it."""
    changes = Changes()
    for number, culled in ((0, None), (3, True)):
        start = at(number, 10)
        changes.sessions[100 + number] = Session(
            100 + number, EVA, "", None, start, start, at(number, 12), None, culled
        )
    changes.touch(at(0))
    await store.write(changes, leader=await store.take_leadership())
    rows = await Queries(store).days(Individual("eva"), day(0), day(6))
    assert [row.audited for row in rows] == [False, False, None, True, True, None, None]


async def test_what_servers_did_before_their_user_joined_is_not_in_a_groups_figures(
    store: Store,
) -> None:
    """Eva joins on Wednesday; one server stops on Tuesday, one of Monday stops on Wednesday."""
    changes = Changes(profiles={1: "gpu"})
    changes.sessions[100] = Session(100, EVA, "", None, at(1, 16), at(1, 17), at(1, 20))
    changes.sessions[101] = Session(101, EVA, "b", 1, at(0, 10), at(0, 11), at(2, 18))
    changes.touch(at(0))
    await store.write(changes, leader=await store.take_leadership())
    queries = Queries(store)
    member = Individual("eva", frozenset({"nbgrader-x"}))

    async def check() -> None:
        (everything,) = await queries.days(Individual("eva"), day(2), day(2))
        assert everything.lengths == '{"3360":1}'
        assert everything.after_seconds == 55 * 3600
        assert everything.saved_seconds == (20 + 6) * 3600  # until Wednesday at 20, and from 18
        (before,) = await queries.days(Members("nbgrader-y"), day(2), day(2))
        assert before.lengths == "{}"
        for audience in (Members("nbgrader-x"), member):
            (shown,) = await queries.days(audience, day(2), day(2))
            found = Counter(json.loads(shown.lengths))
            assert found["1080"] == 1, audience
            assert "3360" not in found
            if audience is member:
                assert shown.after_seconds == 18 * 3600
                assert shown.saved_seconds == 6 * 3600
            use = await queries.server_use(audience, day(2), day(2))
            (gpu,) = (row for row in use.days if row.profile_id == 1 and row.ended)
            assert gpu.ended_seconds == 18 * 3600

    await check()  # the days are to be rolled up again, and counted for this question
    await roll_up_until(store, at(7, 16))
    await check()
