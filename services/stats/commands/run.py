"""What the subcommands do with an open store. Each returns what is to be told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from common.errors import ConfigError
from services.stats.commands import export
from services.stats.commands import report_formats as reports
from services.stats.commands.demo_data import Semester, last_days, semester_changes
from services.stats.commands.export import ExportFormat, What
from services.stats.commands.import_activity import Imported, read_changes
from services.stats.commands.report_formats import Format
from services.stats.days import By, bounds, day_of, midnight, periods
from services.stats.intervals import Interval
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import OPERATOR
from services.stats.query.periods import by_day
from services.stats.query.question import Range, one_of, parse_day
from services.stats.record.leader import lock_for
from services.stats.store.daily_rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store, StoreError


async def report(store: Store, options: Mapping[str, str], pseudonyms: Pseudonyms | None) -> str:
    """The report by periods, or who is not active with ``--inactive-since``."""
    problems: list[str] = []
    asked = Range.parse(options, problems)
    by = By(one_of("--by", options.get("by", "day"), list(By), problems))
    form = Format(one_of("--format", options.get("format", "table"), list(Format), problems))
    inactive = options.get("inactive-since", "")
    inactive_since = parse_day("--inactive-since", inactive, problems) if inactive else None
    if problems:
        raise ConfigError(problems)
    queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
    audience = OPERATOR.audience(group=options.get("group", ""), user=options.get("user", ""))
    if inactive_since is not None:
        return reports.people(await queries.inactive(audience, inactive_since), form)
    span = await queries.span()
    first, last = asked.days(span.last_day if span else _today(store))
    if span and asked.since is None:
        first = max(first, span.first_day)
    if by is By.DAY and span and first <= last:
        days = await queries.days(audience, first, last)
        rows = by_day(days, first, last, span.last_poll, store.zone)
    else:
        rows = await queries.summaries(audience, periods(first, last, by))
    return reports.summaries(rows, form, store.zone)


async def export_tables(store: Store, directory: Path, options: Mapping[str, str]) -> str:
    """Write the tables into files of the directory."""
    problems: list[str] = []
    asked = Range.parse(options, problems)
    form = ExportFormat(
        one_of("--format", options.get("format", "csv"), list(ExportFormat), problems)
    )
    wanted = [What(one_of("--what", w, list(What), problems)) for w in _words(options)] or What
    if problems:
        raise ConfigError(problems)
    first, last = asked.days(_today(store))
    if asked.since is None:
        first = date(1970, 1, 2)
    window = Interval(midnight(first, store.zone), bounds(last, store.zone).end)
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    told = []
    for what in wanted:
        path = directory / f"{what}.{form if form is not ExportFormat.JSON else 'jsonl'}"
        number = 0
        with export.writer(form, what, path) as write:
            async for rows in export.read(store, what, window):
                write(rows)
                number += len(rows)
        told.append(f"{path}: {number} rows")
    return "\n".join(told) + "\n"


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for word in options.get("what", "").split(",") if word]


def _today(store: Store) -> date:
    return day_of(datetime.now(UTC), store.zone)


@asynccontextmanager
async def leading(store: Store) -> AsyncIterator[int]:
    """Our number as the one who writes. Raises StoreError while a recorder is at work."""
    lock = lock_for(store.engine)
    if not await lock.acquire():
        raise StoreError(
            "a recorder is at work on this database: stop the service for as long as this takes"
        )
    try:
        yield await store.take_lead()
    finally:
        await lock.release()


async def import_activity(store: Store, path: Path, pseudonyms: Pseudonyms | None) -> str:
    """Take over a file of log_jupyterhub_activity."""
    outcome = Imported()
    async with leading(store) as leader:
        state = await store.load_state()
        until = await store.first_poll()
        newest = state.last_poll
        for changes in read_changes(path, state, outcome, pseudonyms, until):
            await store.write(changes, leader=leader)
            newest = max([*changes.polls, *([newest] if newest else [])], default=None)
        if newest is not None:
            await roll_up_until(store, newest)
    lines = [f"{outcome.polls} polls of {outcome.people} users, one every {outcome.interval} s"]
    if outcome.later:
        lines.append(f"{outcome.later} polls left out: that time is recorded already")
    if outcome.skipped:
        lines.append(f"{outcome.skipped} rows left out: no usable time or name")
    return "\n".join(lines) + "\n"


async def demo_data(store: Store, options: Mapping[str, str]) -> str:
    """Write a semester that never was."""
    problems: list[str] = []
    number = options.get("days", "120")
    if not number.isdecimal() or not 1 <= int(number) <= 1000:
        problems.append(f"--days: {number!r} is not a number from 1 to 1000.")
        raise ConfigError(problems)
    if await Queries(store).span() is not None:
        return "There are records in this database already: nothing was made up.\n"
    semester = Semester(last_days(datetime.now(UTC), int(number)), days=int(number))
    async with leading(store) as leader:
        await store.mark_made_up()
        newest = semester.start
        for changes in semester_changes(semester):
            await store.write(changes, leader=leader)
            newest = max([newest, *changes.polls])
        await roll_up_until(store, newest + timedelta(hours=2))
    return f"A semester of {number} days was made up. Everybody in it is called made-up-...\n"
