"""Running servers and active users as of the latest poll."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from services.stats.query.access import WholeHub
from services.stats.query.servers.forecast import Expected
from services.stats.records import Changes, Person, Poll, Session
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.latest_poll import read_latest_counts
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import at, course, day

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
POLL = Poll(NOW, 300, 250, whole=True, full=False, users=4, servers=1, active=1)


async def test_latest_counts(tmp_path: Path) -> None:
    """Running servers and active users, by period, for the largest groups only."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    long_ago = NOW - timedelta(days=90)
    changes = Changes(groups={1: "big", 2: "small"}, polls={NOW: POLL})
    changes.newcomers = [Person(i, f"user{i}", None, long_ago) for i in (1, 2, 3, 4)]
    changes.joined = {(1, long_ago): [1, 2, 3], (2, long_ago): [4]}
    changes.sessions[1] = Session(1, 1, "", None, NOW - timedelta(hours=1), NOW)
    for user_id, days, hours in ((1, 0, 1), (2, 3, 0), (3, 20, 0), (4, 0, 26), (4, 40, 0)):
        start = NOW - timedelta(days=days, hours=hours)
        length = timedelta(hours=3) if user_id == 4 else timedelta(minutes=30)
        changes.activity[user_id, start] = start + length
    await store.write(changes, leader=await store.take_leadership())
    counts = await read_latest_counts(store, NOW, groups=1, per_user=True)
    assert counts.running == {"": 1, "big": 1}
    assert {period: counts.active[period, ""] for period in ("24h", "7d", "30d")} == {
        "24h": 2,
        "7d": 3,
        "30d": 4,
    }
    assert counts.active["30d", "big"] == 3
    assert not any(group == "small" for _, group in counts.active)
    assert counts.running_by_user == {"user1": 1}
    await store.close()


async def test_the_peak_to_expect_tomorrow(tmp_path: Path) -> None:
    """From the same weekday of past weeks, as on the page about servers."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    await store.write(course(), leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16))
    sunday = await read_latest_counts(store, at(13, 12))
    assert sunday.tomorrow == Expected(day(14), 0.5, 1, 2, None)
    queries = Queries(store)
    span = await queries.span()
    assert span is not None
    assert sunday.tomorrow in await queries.expected(WholeHub(), span)
    wednesday = await read_latest_counts(store, at(9, 12))
    assert wednesday.tomorrow == Expected(day(10), None, None, 1, None)
    await store.close()
