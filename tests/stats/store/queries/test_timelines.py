"""Gaps and running servers."""

import pytest

from services.stats.intervals import Interval
from services.stats.query.access import Individual, WholeHub
from services.stats.records import Changes, Session
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import EVA, at, day


async def test_gaps(queries: Queries) -> None:
    """The time between polls that are too far apart is a gap."""
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
async def test_gaps_at_the_ends_of_the_range(
    queries: Queries, first: int, last: int, gap: list[Interval]
) -> None:
    """A gap is found even if no poll follows it within the range."""
    assert await queries.gaps(day(first), day(last)) == gap
    servers = await queries.servers_at(WholeHub(), day(first), day(last), points=48)
    unseen = {moment for moment, number in servers if number is None}
    assert unseen >= {moment for moment, _ in servers if at(3) < moment < at(4)}


async def test_a_server_from_before_its_user_joined(store: Store) -> None:
    """Eva joined on Wednesday: when she worked before is not shown, and her servers still run."""
    changes = Changes()
    changes.sessions[100] = Session(100, EVA, "", None, at(0, 10), at(0, 11), None)
    changes.sessions[101] = Session(101, EVA, "b", None, at(1, 10), at(1, 11), at(2, 18))
    changes.touch(at(0))
    await store.write(changes, leader=await store.take_leadership())
    queries = Queries(store)
    member = Individual("eva", frozenset({"nbgrader-x"}))
    shown = (await queries.timeline(member, day(-9), day(7))).sessions
    times = [(one.started, one.last_activity, one.ended) for one in shown]
    assert times == [(at(2), at(2), None), (at(2), at(2), at(2, 18))]
    assert dict(await queries.servers_at(member, day(7), day(7), points=24))[at(7, 16)] == 1
    everything = (await queries.timeline(Individual("eva"), day(-9), day(7))).sessions
    assert [one.last_activity for one in everything] == [at(0, 11), at(1, 11)]
