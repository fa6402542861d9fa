"""``demo-data``: fill an empty database with an invented semester."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from common.errors import ConfigError
from services.stats.commands.exclusive import exclusive_writer
from services.stats.commands.semester import Semester, last_days, semester_changes
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store

MAX_DAYS = 1000


async def demo_data(store: Store, options: Mapping[str, str]) -> str:
    """Write the semester; returns what to print. A database with records stays as it is.

    Raises ConfigError if ``days`` is invalid, StoreError while the service is recording.
    """
    days = options.get("days", "120")
    if not days.isdecimal() or not 1 <= int(days) <= MAX_DAYS:
        raise ConfigError([f"--days: {days!r} is invalid; write a number from 1 to {MAX_DAYS}."])
    if await Queries(store).span() is not None:
        return "This database already has records. No demo data was written.\n"
    semester = Semester(last_days(datetime.now(UTC), int(days)), days=int(days))
    async with exclusive_writer(store) as leader:
        await store.mark_made_up()
        newest = semester.start
        for changes in semester_changes(semester):
            await store.write(changes, leader=leader)
            newest = max([newest, *changes.polls])
        await roll_up_until(store, newest + timedelta(hours=2))
    return f"Wrote {days} days of demo data. All its users are named made-up-...\n"
