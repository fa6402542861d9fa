"""The mapping between rows of the tables and the values of ``records``."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from services.stats.days import day_of
from services.stats.records import GroupDay, Person, Session
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
    return Person(row.id, row.name, row.created, row.first_seen, deleted, row.first_created)


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
    unknown: dict[str, Any] = dict.fromkeys(_OF_SERVERS)
    return day if day.servers_known else day._replace(**unknown)
