"""Takes over a file of minrk/log_jupyterhub_activity.

Its one table is ``activity(date, user, active)``, a row per user and poll: the time of the
poll (in UTC, without saying so), and whether the user had a server and was active since the
poll before. That becomes people, intervals of work and polls. Servers are not in it, so days
from it have no sessions.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median_low

from common.clock import as_utc
from common.errors import ConfigError
from services.stats.intervals import Interval, add_to
from services.stats.pseudonyms import Pseudonyms
from services.stats.record.identity import storable
from services.stats.record.sampler import LONGEST, whole_second
from services.stats.record.state import State
from services.stats.records import Changes, Person, Poll

BATCH = 100_000
"""Rows to write at once, about."""

USUAL_INTERVAL = 600
"""Seconds; what log_jupyterhub_activity polls by default."""


@dataclass
class Imported:
    """How it went."""

    polls: int = 0
    people: int = 0
    skipped: int = 0
    """Rows without a usable time or name."""
    later: int = 0
    """Polls that were left out since we have recorded at that time ourselves."""
    interval: int = USUAL_INTERVAL


def read_changes(
    path: Path,
    state: State,
    outcome: Imported,
    pseudonyms: Pseudonyms | None,
    until: datetime | None,
) -> Iterator[Changes]:
    """The file as changes on top of the state, up to our own first poll.

    Raises ConfigError if it is no such file.
    """
    if not path.is_file():
        raise ConfigError([f"{path}: there is no such file"])
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            times = [row[0] for row in connection.execute("SELECT DISTINCT date FROM activity")]
            outcome.interval = _interval(times)
            rows = connection.execute("SELECT date, user, active FROM activity ORDER BY date")
            yield from _changes(rows, state, outcome, pseudonyms, until)
    except sqlite3.DatabaseError as exc:
        raise ConfigError([f"{path} is not a file of log_jupyterhub_activity: {exc}"]) from exc


def _changes(
    rows: Iterator[tuple[object, object, object]],
    state: State,
    outcome: Imported,
    pseudonyms: Pseudonyms | None,
    until: datetime | None,
) -> Iterator[Changes]:
    changes = Changes()
    people: dict[str, int] = {}
    recent: dict[int, list[Interval]] = {}
    number = state.next_person
    step = timedelta(seconds=outcome.interval)
    for said, group in groupby(rows, key=lambda row: row[0]):
        polled = list(group)
        time = _time(said)
        if time is None:
            outcome.skipped += len(polled)
            continue
        if until is not None and time >= until:
            outcome.later += 1
            continue
        active = 0
        for _, name, is_active in polled:
            if not isinstance(name, str) or not name:
                outcome.skipped += 1
                continue
            name = storable(pseudonyms.name(name) if pseudonyms else name)
            user_id = people.get(name)
            if user_id is None:
                known = state.people.get(name)
                person = known or Person(number, name, None, time)
                number += known is None
                if time < person.first_seen or known is None:
                    changes.people[person.id] = person._replace(first_seen=time)
                user_id = people[name] = person.id
            if is_active:
                active += 1
                _work(changes, recent, user_id, Interval(time - step, time))
        changes.polls[time] = Poll(
            time, outcome.interval, 0, whole=True, full=True, users=len(polled), active=active
        )
        outcome.polls += 1
        if len(changes) > BATCH:
            yield changes
            changes = Changes()
    outcome.people = len(people)
    yield changes


def _work(
    changes: Changes, recent: dict[int, list[Interval]], user_id: int, piece: Interval
) -> None:
    known, added, gone = add_to(recent.get(user_id, []), piece, LONGEST)
    recent[user_id] = known[-2:]
    for part in gone:
        changes.activity[user_id, part.start] = None
    for part in added:
        changes.activity[user_id, part.start] = part.end
    changes.touch(piece.start)


def _time(said: object) -> datetime | None:
    if not isinstance(said, str):
        return None
    try:
        return whole_second(as_utc(datetime.fromisoformat(said)))
    except (ValueError, OverflowError):
        return None


def _interval(said: list[object]) -> int:
    times = sorted(time for value in said if (time := _time(value)) is not None)
    steps = [(b - a).total_seconds() for a, b in pairwise(times)]
    return max(1, round(median_low(steps))) if steps else USUAL_INTERVAL
