"""Figures without the users who are not counted, on SQLite and PostgreSQL."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from services.stats.days import Period
from services.stats.query.access import (
    OPERATOR,
    Audience,
    FullAccess,
    Individual,
    Members,
    OutOfScope,
    Viewer,
    WholeHub,
)
from services.stats.query.uncounted import Uncounted
from services.stats.records import Changes, GroupDay
from services.stats.settings.exclusion import Exclusion
from services.stats.store.daily.forget import forget
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.excluded import keep_unmatched
from services.stats.store.latest_poll import read_latest_counts
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import START, X, at, day

ALL = Period(day(-9), day(7))
HUB, GROUP = WholeHub(), Members("nbgrader-x")


async def exclude(store: Store, *patterns: str, names: Iterable[str] = ()) -> Queries:
    """Exclude these patterns, and mark the users of these names, as a poll does."""
    leader = await store.take_leadership()
    state = await store.load_state()
    changes = Changes()
    for person in (*state.people.values(), *state.deleted.values()):
        changes.people[person.id] = person._replace(excluded=person.name in names)
    await store.write(changes, leader=leader)
    await store.keep_exclusion(Exclusion(patterns), leader=leader)
    await roll_up_until(store, at(7, 16))
    return Queries(store)


async def numbers(queries: Queries, audience: Audience) -> tuple[object, ...]:
    """Active users, sessions, active and saved hours, and new users of all days."""
    (row,) = await queries.summaries(audience, [ALL])
    return row.active_users, row.sessions, row.active_hours, row.newcomers


async def test_a_user_excluded_by_name_is_in_no_figure(store: Store, queries: Queries) -> None:
    """Ana's two sessions and hours are missing from the hub's and the group's numbers."""
    assert await numbers(queries, HUB) == (3, 5, 5, 2)
    excluding = await exclude(store, "ana", names=["ana"])
    assert await numbers(excluding, HUB) == (2, 3, 3, 2)
    assert await numbers(excluding, GROUP) == (2, 3, 3, 1)
    monday, tuesday = await excluding.days(HUB, day(0), day(1))
    assert (monday.active, monday.active_7, tuesday.active, tuesday.active_seconds) == (0, 0, 0, 0)
    assert (monday.members, monday.hours) == (1, "")  # Ben's account, made at nine
    rows = await excluding.people(HUB, day(-9), day(7))
    assert [row.name for row in rows] == ["ben", "ben", "eva"]
    assert [row.name for row in await excluding.inactive(GROUP, day(9))] == ["ben", "eva"]
    assert await numbers(await exclude(store), HUB) == (3, 5, 5, 2)


async def test_servers_that_run_at_the_same_time_include_everybody(
    store: Store, queries: Queries
) -> None:
    """Machines run the servers of staff, too: the hub's mean and peak do not change."""

    async def sizes(of: Queries, audience: Audience) -> list[tuple[float | None, int | None]]:
        rows = await of.days(audience, day(-9), day(7))
        return [(row.mean_running, row.peak) for row in rows]

    before, of_group = await sizes(queries, HUB), await sizes(queries, GROUP)
    excluding = await exclude(store, "ana", "ben", names=["ana", "ben"])
    assert await sizes(excluding, HUB) == before
    assert {one for one in await sizes(excluding, GROUP) if one[0]} == set()
    assert any(mean for mean, _ in of_group)
    servers = await excluding.servers_at(HUB, day(7), day(7))
    assert max(number or 0 for _, number in servers) == 1
    members = await excluding.servers_at(GROUP, day(7), day(7))
    assert {number for _, number in members} <= {0, None}


async def test_members_of_a_group_are_excluded_on_their_days(store: Store) -> None:
    """Ana left y on Monday: she counts from Tuesday on, and so do her last days."""
    queries = await exclude(store, "group:nbgrader-y")
    assert await numbers(queries, HUB) == (3, 4, 4, 2)
    assert await numbers(queries, GROUP) == (3, 4, 4, 1)
    assert await numbers(queries, Members("nbgrader-y")) == (0, 0, 0, 0)
    rows = await queries.days(HUB, day(0), day(7))
    assert [row.active for row in rows] == [0, 1, 0, 0, 0, 0, 0, 1]
    assert [row.active_7 for row in rows] == [0, 1, 1, 1, 1, 1, 1, 2]
    ana, *_ = await queries.people(HUB, day(-9), day(7))
    assert (ana.name, ana.active_seconds, ana.days_active, ana.last_active) == (
        *("ana", 3600, 1),
        day(1),
    )
    assert [row.name for row in await queries.people(HUB, day(-9), day(0))] == ["ben", "ben"]
    weeks = await queries.summaries(HUB, [Period(day(0), day(0)), Period(day(1), day(6))])
    assert [week.active_users for week in weeks] == [0, 1]


async def test_a_glob_excludes_groups_that_have_ended(store: Store) -> None:
    """The earlier life of a group has its name with a day; the pattern still means it."""
    await store.end_groups(at(30))
    assert await numbers(await exclude(store, "group:*-y"), HUB) == (3, 4, 4, 2)
    assert await numbers(await exclude(store, "group:nbgrader-y"), HUB) == (3, 4, 4, 2)


async def test_days_count_the_same_before_and_after_they_are_rolled_up(store: Store) -> None:
    """Live days leave out the same users as stored ones."""

    async def rows(of: Queries, audience: Audience) -> list[GroupDay]:
        found = await of.days(audience, day(-9), day(7))
        return [row._replace(peak_at=row.peak_at if row.peak else None) for row in found]

    for patterns, names in ((("ana",), ["ana"]), (("group:nbgrader-y",), [])):
        stored = await exclude(store, *patterns, names=names)
        expected = [await rows(stored, audience) for audience in (HUB, GROUP)]
        async with store.writing() as connection:
            await store.write_meta(connection, rolled_until=day(-9).isoformat())
        live = Queries(store)
        assert [await rows(live, audience) for audience in (HUB, GROUP)] == expected
        assert await numbers(live, HUB) == await numbers(stored, HUB)


async def test_excluded_users_see_their_own_page(store: Store, queries: Queries) -> None:
    """One user's figures do not depend on whether they count."""
    ana = Individual("ana", own=True)
    days, timeline = (
        await queries.days(ana, day(-9), day(7)),
        await queries.timeline(ana, day(-9), day(7)),
    )
    excluding = await exclude(store, "ana", names=["ana"])
    assert await excluding.days(ana, day(-9), day(7)) == days
    found = await excluding.timeline(ana, day(-9), day(7))
    assert (found.sessions, found.work) == (timeline.sessions, timeline.work)
    assert await excluding.is_uncounted(ana, day(-9), day(7))
    assert not await excluding.is_uncounted(Individual("ben"), day(-9), day(7))


async def test_lists_show_excluded_users_on_request(store: Store) -> None:
    """A viewer who may see everything can list them; they are marked."""
    queries = await exclude(store, "group:nbgrader-y", "eva", names=["eva"])
    audience = OPERATOR.with_uncounted(GROUP)
    rows = await queries.people(audience, day(-9), day(7))
    marked = {row.name: row.excluded for row in rows}
    assert marked == {"ana": True, "ben": False, "eva": True}
    assert next(row.active_seconds for row in rows if row.name == "ana") == 7200
    assert "eva" in [row.name for row in await queries.inactive(audience, day(9))]
    grader = Viewer.of("prof", FullAccess(), groups=["formgrade-x"])
    with pytest.raises(OutOfScope):
        grader.with_uncounted(grader.audience(group="nbgrader-x"))


async def test_the_number_of_excluded_users(store: Store) -> None:
    """It is of the audience and the days; graders get the number and no names."""
    queries = await exclude(store, "eva", "group:nbgrader-y", names=["eva"])
    assert (await queries.uncounted(HUB, day(-9), day(7))).number == 2
    assert (await queries.uncounted(HUB, day(-9), day(0))).number == 1  # before Eva's account
    found = await queries.uncounted(GROUP, day(2), day(7))
    assert found == Uncounted(1, ("eva", "group:nbgrader-y"))
    assert found.shown_to(everything=False) == Uncounted(1)
    assert (await queries.uncounted(Members("nobody's"), day(-9), day(7))).number == 0
    assert (await queries.uncounted(Individual("ana"), day(-9), day(7))).number == 0


async def test_pruned_days_keep_what_was_counted(store: Store, queries: Queries) -> None:
    """The exclusion holds from the first day with raw records, and pages can say so."""
    before = await queries.days(HUB, day(-9), day(0))
    assert await store.prune(at(1))
    excluding = await exclude(store, "ana", names=["ana"])
    assert await excluding.days(HUB, day(-9), day(0)) == before
    assert [row.active for row in await excluding.days(HUB, day(0), day(1))] == [1, 0]
    assert (await excluding.summaries(HUB, [Period(day(0), day(1))]))[0].active_users == 1
    assert (await excluding.summaries(HUB, [Period(day(1), day(1))]))[0].active_users == 0
    rows = {row.name: row for row in await excluding.people(HUB, day(0), day(1))}
    assert rows["ana"].days_active == 1
    assert (await excluding.uncounted(HUB, day(-9), day(7))).since == day(1)
    assert (await excluding.uncounted(HUB, day(1), day(7))).since is None
    nobody = await exclude(store)
    assert (await nobody.uncounted(HUB, day(-9), day(7))) == Uncounted(since=day(1))


async def test_repeating_an_exclusion_counts_nothing_again(store: Store) -> None:
    """The order of the patterns does not matter."""
    await exclude(store, "ana", "group:nbgrader-y", names=["ana"])
    leader = await store.take_leadership()
    again = Exclusion(("group:nbgrader-y", "ana"))
    assert not await store.keep_exclusion(again, leader=leader)
    assert await roll_up_until(store, at(7, 16)) == []
    assert (await store.kept_exclusion()).patterns == ("ana", "group:nbgrader-y")


async def test_metrics_leave_excluded_users_out(store: Store) -> None:
    """Active users do not include them; the hub's running servers do."""
    everybody = await read_latest_counts(store, at(7, 16), groups=5)
    await exclude(store, "ben", "group:nbgrader-y", names=["ben"])
    counts = await read_latest_counts(store, at(7, 16), groups=5)
    assert counts.running == everybody.running | {"nbgrader-x": 0}
    assert everybody.running["nbgrader-x"] == 1
    assert [everybody.active[period, ""] for period in ("24h", "7d", "30d")] == [1, 2, 3]
    # Of Ana, Tuesday counts and Monday does not; of Ben, nothing.
    assert [counts.active[period, ""] for period in ("24h", "7d", "30d")] == [0, 1, 1]
    assert counts.active["30d", "nbgrader-x"] == 1


async def test_unmatched_patterns_are_kept_for_the_pages(store: Store) -> None:
    """A pattern that matches a former user or group counts as matching."""
    exclusion = Exclusion(("bne", "group:nbgrader-z", "eva", "x*", "y*"))
    found = await keep_unmatched(store, exclusion, ["y*"])
    assert found == [
        'bne; did you mean "ben"?',
        'group:nbgrader-z; did you mean "group:nbgrader-y"?',
        "x*",
    ]
    queries = await exclude(store, *exclusion.patterns)
    assert (await queries.uncounted(HUB, day(0), day(7))).unmatched == tuple(found)
    assert await keep_unmatched(store, Exclusion(("eva",)), []) == []


async def test_erasing_an_excluded_user_changes_no_total(store: Store) -> None:
    """What was not counted is not subtracted either, also on pruned days."""
    queries = await exclude(store, "ana", names=["ana"])
    assert await store.prune(at(3))
    before = [await numbers(queries, audience) for audience in (HUB, GROUP)]
    days = await queries.days(GROUP, day(-9), day(7))
    assert await forget(store, "ana") == 1
    assert [await numbers(queries, audience) for audience in (HUB, GROUP)] == before
    assert await queries.days(GROUP, day(-9), day(7)) == days


async def test_many_excluded_users(store: Store) -> None:
    """Hundreds of members of an excluded group change nothing but their own figures."""
    leader = await store.take_leadership()
    changes = Changes(groups={9: "staff"})
    state = await store.load_state()
    ana = state.people["ana"]
    for number in range(100, 650):
        changes.people[number] = ana._replace(
            id=number, name=f"s{number}", created=START - timedelta(days=number)
        )
        changes.join(9, number, at(-9))
        changes.activity[number, at(0, 10)] = at(0, 11)
    changes.join(X, 100, at(-9))
    changes.touch(at(-9))
    await store.write(changes, leader=leader)
    queries = await exclude(store, "group:staff")
    assert await numbers(queries, HUB) == (3, 5, 5, 2)
    assert await numbers(queries, GROUP) == (3, 5, 5, 1)
    assert (await queries.uncounted(HUB, day(0), day(7))).number == 550
    assert (await queries.uncounted(GROUP, day(0), day(7))).number == 1


async def test_headline(store: Store) -> None:
    """Excluded people are neither active nor not started; the hub's servers include theirs."""
    excluding = await exclude(store, "ben", "eva", names=["ben", "eva"])
    for audience, servers in ((HUB, 1), (GROUP, 0)):
        found = await excluding.headline(audience, at(7, 16))
        assert found is not None
        assert found.this_week.number == 0
        assert found.not_started[:3] == (0, 0, 1)
        assert found.latest.servers == servers
