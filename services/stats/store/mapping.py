"""The mapping between rows of ``users`` and ``sessions`` and the values of ``records``."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from services.stats.records import Person, Session
from services.stats.store.tables import FOREVER


def person_row(person: Person) -> dict[str, Any]:
    """The row of ``users``."""
    row = person._asdict()
    row["deleted"] = person.deleted or FOREVER
    return row


def session_row(session: Session) -> dict[str, Any]:
    """The row of ``sessions``."""
    row = session._asdict()
    row["ended"] = session.ended or FOREVER
    return row


def person_of(row: Row[Any]) -> Person:
    """The person in a row of ``users``."""
    deleted = None if row.deleted == FOREVER else row.deleted
    return Person(row.id, row.name, row.created, row.first_seen, deleted)


def session_of(row: Sequence[Any]) -> Session:
    """The session in a row of ``sessions``."""
    # By position, which is faster than by name: the columns are in the order of the fields.
    number, user_id, server, profile_id, started, last, ended = row
    ends = None if ended == FOREVER else ended
    return Session(number, user_id, server, profile_id, started, last, ends)
