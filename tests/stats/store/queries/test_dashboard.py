"""Summaries, groups and empty answers."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By, Period, periods
from services.stats.query.access import OPERATOR, FullAccess, Individual, Members, Viewer, WholeHub
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import at, day


async def test_whole_hub_by_week(queries: Queries) -> None:
    """Each week has its users, sessions, hours and observed share, including today."""
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


async def test_gap_is_not_zero(queries: Queries) -> None:
    """A day that was not observed has no numbers; one without activity has zeros."""
    quiet, gap = await queries.summaries(
        WholeHub(), [Period(day(2), day(2)), Period(day(3), day(3))]
    )
    assert (quiet.active_users, quiet.sessions, quiet.observed_percent) == (0, 0, 100)
    assert gap.active_users is gap.sessions is gap.server_hours is gap.peak_servers is None
    assert gap.observed_percent == 0


async def test_groups_by_viewer(queries: Queries) -> None:
    """The operator sees all groups with their current size, an instructor only their own."""
    assert await queries.groups(OPERATOR) == [("nbgrader-x", 3), ("nbgrader-y", 0)]
    teacher = Viewer.of("tea", FullAccess(), groups=["formgrade-y"])
    assert [row.name for row in await queries.groups(teacher)] == ["nbgrader-y"]
    assert await queries.groups(Viewer.of("ana", FullAccess())) == []


async def test_empty_database(tmp_path: Path) -> None:
    """Before the first poll every query returns an empty result."""
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
