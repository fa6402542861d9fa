"""Raw records of a selection."""

import pytest

from services.stats.intervals import Interval
from services.stats.query.access import Audience, Individual, Members
from services.stats.records import Session
from services.stats.store.queries.dashboard import Queries
from services.stats.store.queries.sessions import ByDay, activity_of, sessions_of
from tests.stats.course import ANA, BEN, at, day


@pytest.mark.parametrize(
    ("audience", "first", "last", "sessions"),
    [
        pytest.param(Individual("ana"), -9, 7, [2, 3], id="user"),
        pytest.param(Individual("ana"), 2, 7, [3], id="over midnight"),
        pytest.param(Individual("ana"), 3, 7, [], id="after it ended"),
        pytest.param(Individual("ben"), 7, 7, [4, 5], id="running"),
        pytest.param(Individual("nobody"), -9, 7, [], id="unknown user"),
        pytest.param(Members("nbgrader-x"), -9, 7, [1, 2, 3, 4, 5], id="group"),
        pytest.param(Members("nbgrader-y"), -9, 7, [2, 3], id="former member"),
    ],
)
async def test_sessions_that_overlap_the_days(
    queries: Queries, audience: Audience, first: int, last: int, sessions: list[int]
) -> None:
    """Sessions that ran on one of the days are found, in order of their start."""
    async with queries._select(audience, day(first), day(last)) as selection:
        assert [session.id for session in await sessions_of(selection)] == sessions


@pytest.mark.parametrize(
    ("user_id", "first", "last", "activity"),
    [
        pytest.param(ANA, 0, 0, [Interval(at(0, 10), at(0, 11))], id="one day"),
        pytest.param(ANA, 3, 7, [], id="none"),
        pytest.param(
            BEN, 7, 7, [Interval(at(7, 10), at(7, 12)), Interval(at(7, 15), at(7, 15))], id="visit"
        ),
    ],
)
async def test_activity_of_the_days(
    queries: Queries, user_id: int, first: int, last: int, activity: list[Interval]
) -> None:
    """Activity that may reach into the days is found; a visit has no duration."""
    async with queries._select(Individual("ana"), day(first), day(last)) as selection:
        assert await activity_of(selection, user_id) == activity


def test_a_day_of_years_is_counted_from_few_records() -> None:
    """Otherwise anybody could keep the service busy for minutes with a long range of days."""
    sessions = [Session(i, ANA, "", None, at(i, 9), at(i, 10), at(i, 11)) for i in range(2000)]
    sessions.insert(1, Session(2000, ANA, "long", None, at(0, 9), at(5), at(5, 2)))
    activity = [Interval(at(i, 9), at(i, 10)) for i in range(2000)]
    records = ByDay(sessions, activity)
    counted = [records.of(Interval(at(i), at(i + 1))) for i in range(2000)]
    assert all(len(own) <= 3 and len(worked) <= 2 for own, worked in counted)
    assert [session.id for session in counted[4][0]] == [2000, 3, 4]
    assert [session.id for session in counted[7][0]] == [6, 7]  # the 6th's end may have saved time
    assert counted[7][1] == [Interval(at(7, 9), at(7, 10))]
