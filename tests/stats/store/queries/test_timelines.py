"""Gaps and running servers."""

import pytest

from services.stats.intervals import Interval
from services.stats.query.access import WholeHub
from services.stats.store.queries.dashboard import Queries
from tests.stats.course import at, day


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
