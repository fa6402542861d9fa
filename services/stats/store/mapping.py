"""The mapping between rows of the tables and the values of ``records``."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from services.stats.days import day_of
from services.stats.records import GroupDay, Person, Session, SpawnCounters, Spawns
from services.stats.store.tables import FOREVER

SECOND = timedelta(seconds=1)

#: What is unknown on a day without servers. The columns hold zero there.
_OF_SERVERS = (
    "idle_seconds",
    "server_seconds",
    "after_seconds",
    "saved_seconds",
    "sessions",
    "unobserved_seconds",
)

#: What is unknown of a pruned day of which a person was erased. The columns hold zero there, too.
_OF_RAW = ("server_seconds", "after_seconds", "saved_seconds")


def person_row(person: Person) -> dict[str, Any]:
    """The row of ``users``."""
    row = person._asdict()
    row["deleted"] = person.deleted or FOREVER
    return row


def last_day(until: datetime, zone: ZoneInfo) -> date:
    """The last day of a membership. One that ends at midnight does not reach into the new day."""
    return date.max if until == FOREVER else day_of(until - SECOND, zone)


def session_row(session: Session) -> dict[str, Any]:
    """The row of ``sessions``."""
    row = session._asdict()
    row["ended"] = session.ended or FOREVER
    return row


def person_of(row: Row[Any]) -> Person:
    """The person in a row of ``users``."""
    deleted = None if row.deleted == FOREVER else row.deleted
    return Person(
        row.id, row.name, row.created, row.first_seen, deleted, row.excluded, row.first_created
    )


def session_of(row: Sequence[Any]) -> Session:
    """The session in a row of ``sessions``."""
    # By position, which is faster than by name: the columns are in the order of the fields.
    number, user_id, server, profile_id, started, last, ended, image_id, culled = row
    ends = None if ended == FOREVER else ended
    return Session(number, user_id, server, profile_id, started, last, ends, image_id, culled)


def group_day_row(day: GroupDay) -> dict[str, Any]:
    """The row of ``group_days``."""
    row = day._asdict()
    return row | {name: row[name] or 0 for name in _OF_SERVERS}


def group_day_of(row: Sequence[Any]) -> GroupDay:
    """The day in a row of ``group_days``."""
    day = GroupDay(*row)
    if day.servers_known and not day.reduced:
        return day
    unknown: dict[str, Any] = dict.fromkeys(_OF_SERVERS if not day.servers_known else _OF_RAW)
    return day._replace(**unknown)


def spawns_row(spawns: Spawns) -> dict[str, Any]:
    """The row of ``spawns``."""
    return spawns._asdict() | {"lengths": _compact(spawns.lengths)}


def spawns_of(row: Sequence[Any]) -> Spawns:
    """The spawns in a row of ``spawns``."""
    since, until, outcome, number, seconds, lengths = row
    return Spawns(since, until, outcome, number, seconds, _by_bound(json.loads(lengths)))


def spawn_counters_row(counters: SpawnCounters) -> dict[str, Any]:
    """The row of ``spawn_counters``."""
    return counters._asdict() | {"totals": _compact(counters.totals)}


def spawn_counters_of(row: Sequence[Any]) -> SpawnCounters:
    """The counters in a row of ``spawn_counters``."""
    since, until, hub_started, totals = row
    found = {
        outcome: (number, seconds, _by_bound(lengths))
        for outcome, (number, seconds, lengths) in json.loads(totals).items()
    }
    return SpawnCounters(since, until, hub_started, found)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _by_bound(lengths: dict[str, int]) -> dict[float, int]:
    # JSON's keys are text; an infinite bound is written "Infinity", which float accepts.
    return {float(bound): count for bound, count in lengths.items()}
