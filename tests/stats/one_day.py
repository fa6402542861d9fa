"""The raw records of one day, to be rolled up."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.stats.intervals import Interval
from services.stats.records import GroupDay, Session
from services.stats.store.daily.rollup import DayRecords, roll_up

DAY = date(2026, 3, 2)


START = datetime(2026, 3, 2, tzinfo=UTC)


WINDOW = Interval(START, START + timedelta(days=1))


ALL_DAY = [Interval(START - timedelta(days=2), START + timedelta(days=1))]


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def session(
    user_id: int, started: float, last: float, ended: float | None, server: str = ""
) -> Session:
    end = None if ended is None else at(ended)
    return Session(0, user_id, server, None, at(started), at(last), end)


BASE = DayRecords(
    day=DAY,
    window=WINDOW,
    zone=ZoneInfo("UTC"),
    sessions=[session(1, 10, 11, 12)],
    activity=[(1, Interval(at(10), at(11)))],
    seen=ALL_DAY,
    people=3,
    members={7: {1, 2}, 8: {3}},
)


def hub(records: DayRecords) -> GroupDay:
    return roll_up(records)[1][0]
