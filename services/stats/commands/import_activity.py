"""``import-activity``: import a file of minrk/log_jupyterhub_activity.

Its only table is ``activity(date, user, active)`` with a row for each user and poll: the time of
the poll (UTC, without an offset), and whether the user had a server and was active since the
previous poll. The import turns that into people, intervals of activity and polls. The file has
no servers, so the imported days have no sessions.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median_low

from common.clock import as_utc
from common.errors import ConfigError
from services.stats.commands.exclusive import exclusive_writer
from services.stats.intervals import Interval, add_to
from services.stats.pseudonyms import Pseudonyms
from services.stats.record.observed import storable, whole_second
from services.stats.recorder_state import State
from services.stats.records import LONGEST, Changes, Person, Poll
from services.stats.settings.exclusion import NOBODY, Exclusion
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.store import Store

BATCH = 100_000
"""Approximate number of records written in one transaction."""

DEFAULT_INTERVAL = 600
"""Seconds between polls of log_jupyterhub_activity, unless the file shows otherwise."""

Row = tuple[object, object, object]
"""Date, user and whether they were active; unchecked."""


@dataclass
class ImportResult:
    """Counts for the summary that the command prints."""

    polls: int = 0
    people: int = 0
    invalid_rows: int = 0
    """Rows without a valid time or name, which are skipped."""
    recorded_polls: int = 0
    """Polls skipped because this service was already recording at that time."""
    interval: int = DEFAULT_INTERVAL
    """Seconds between polls in the file."""

    def summary(self) -> str:
        """The counts as text, one per line."""
        lines = [
            f"Imported {self.polls:,} polls of {self.people:,} users, one every {self.interval} s."
        ]
        if self.recorded_polls:
            lines.append(
                f"Skipped {self.recorded_polls:,} polls: that time has already been recorded."
            )
        if self.invalid_rows:
            lines.append(f"Skipped {self.invalid_rows:,} rows without a valid time or name.")
        return "\n".join(lines) + "\n"


def check_file(path: Path) -> None:
    """Raise ConfigError unless the file is a database of log_jupyterhub_activity."""
    with _rows_of(path) as connection:
        connection.execute("SELECT date, user, active FROM activity LIMIT 1")


@contextmanager
def _rows_of(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file read-only; errors while it is read become ConfigErrors that name it."""
    if not path.is_file():
        raise ConfigError([f"{path}: no such file"])
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            yield opened
    except sqlite3.DatabaseError as exc:
        raise ConfigError([f"{path} is not a database of log_jupyterhub_activity: {exc}"]) from exc


async def import_activity(store: Store, path: Path, pseudonyms: Pseudonyms | None) -> str:
    """Import the file; returns what to print.

    Importing a file again changes nothing. Raises ConfigError if it is no such file, and
    StoreError while the service is recording.
    """
    async with exclusive_writer(store) as leader:
        state = await store.load_state()
        reader = ActivityFile(path, state, pseudonyms, until=await store.first_poll())
        reader.exclusion = await store.kept_exclusion()
        newest = state.last_poll
        for changes in reader.changes():
            await store.write(changes, leader=leader)
            newest = max([*changes.polls, *([newest] if newest else [])], default=None)
        if newest is not None:
            await roll_up_until(store, newest)
    return reader.result.summary()


@dataclass
class ActivityFile:
    """Reads a file as changes on top of ``state``, up to the first poll of this service."""

    path: Path
    state: State
    pseudonyms: Pseudonyms | None
    until: datetime | None
    result: ImportResult = field(default_factory=ImportResult)
    exclusion: Exclusion = NOBODY
    """Who is not counted, as the database keeps it."""
    _people: dict[str, int] = field(default_factory=dict, init=False)
    _new_people: int = field(default=0, init=False)
    _recent: dict[int, list[Interval]] = field(default_factory=dict, init=False)

    def changes(self) -> Iterator[Changes]:
        """The changes in batches; ``result`` counts along. Raises ConfigError."""
        with _rows_of(self.path) as connection:
            dates = connection.execute("SELECT DISTINCT date FROM activity")
            self.result.interval = _interval([date for (date,) in dates])
            rows = connection.execute("SELECT date, user, active FROM activity ORDER BY date")
            yield from self._batches(rows)

    def _batches(self, rows: Iterator[Row]) -> Iterator[Changes]:
        changes = Changes()
        for date, group in groupby(rows, key=lambda row: row[0]):
            polled = list(group)
            time = _parse_time(date)
            if time is None:
                self.result.invalid_rows += len(polled)
            elif self.until is not None and time >= self.until:
                self.result.recorded_polls += 1
            else:
                self._add_poll(changes, time, polled)
            if len(changes) > BATCH:
                yield changes
                changes = Changes()
        self.result.people = len(self._people)
        yield changes

    def _add_poll(self, changes: Changes, time: datetime, rows: list[Row]) -> None:
        interval = self.result.interval
        active = 0
        for _, name, is_active in rows:
            if not isinstance(name, str) or not name:
                self.result.invalid_rows += 1
                continue
            user_id = self._identify(changes, name, time)
            if is_active:
                active += 1
                start = time - timedelta(seconds=interval)
                self._add_activity(changes, user_id, Interval(start, time))
        changes.polls[time] = Poll(
            time, interval, 0, whole=True, full=True, users=len(rows), active=active
        )
        self.result.polls += 1

    def _identify(self, changes: Changes, name: str, time: datetime) -> int:
        """The id of the person of this name, who may be new."""
        globs = self.exclusion.globs_for(name)
        name = storable(self.pseudonyms.name(name) if self.pseudonyms else name)
        excluded = bool(globs) or name in self.exclusion.names
        user_id = self._people.get(name)
        if user_id is not None:
            return user_id
        known = self.state.people.get(name)
        person = known or Person(
            self.state.next_person + self._new_people, name, None, time, excluded=excluded
        )
        if time < person.first_seen or known is None:
            changes.people[person.id] = person._replace(first_seen=time)
        self._new_people += known is None
        self._people[name] = person.id
        return person.id

    def _add_activity(self, changes: Changes, user_id: int, interval: Interval) -> None:
        known, added, removed = add_to(self._recent.get(user_id, []), interval, LONGEST)
        self._recent[user_id] = known[-2:]
        for part in removed:
            changes.activity[user_id, part.start] = None
        for part in added:
            changes.activity[user_id, part.start] = part.end
        changes.touch(interval.start)


def _parse_time(date: object) -> datetime | None:
    if not isinstance(date, str):
        return None
    try:
        return whole_second(as_utc(datetime.fromisoformat(date)))
    except (ValueError, OverflowError):
        return None


def _interval(dates: list[object]) -> int:
    """The usual number of seconds between the polls."""
    times = sorted(time for date in dates if (time := _parse_time(date)) is not None)
    steps = [(b - a).total_seconds() for a, b in pairwise(times)]
    return max(1, round(median_low(steps))) if steps else DEFAULT_INTERVAL
