"""The culler's tables, and their rows as values."""

from typing import Any

import sqlalchemy as sa
from msgspec.structs import asdict

from common.clock import as_utc
from common.db.engine import UtcDateTime
from services.cull.store.records import Event, Hold, HoldKind

SCHEMA = 1
"""Of this release. A database of a newer one is refused, see CullStore.open."""


metadata = sa.MetaData()
schema = sa.Table(
    "cull_schema", metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
)
extensions = sa.Table(
    "cull_extensions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_name", sa.Unicode(255), nullable=False),
    sa.Column("server_name", sa.Unicode(255), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("made", UtcDateTime, nullable=False),
    sa.Column("made_by", sa.Unicode(255), nullable=False),
    sa.UniqueConstraint("user_name", "server_name", "number"),
    sa.Index("cull_extensions_made", "made"),
)
holds = sa.Table(
    "cull_holds",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Unicode(10), nullable=False),
    sa.Column("name", sa.Unicode(255), nullable=False),
    sa.Column("server_name", sa.Unicode(255), nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("why", sa.UnicodeText, nullable=False),
    sa.Column("made", UtcDateTime, nullable=False),
    sa.Column("made_by", sa.Unicode(255), nullable=False),
    sa.UniqueConstraint("kind", "name", "server_name"),
    # An id that was released is never given out again: an old page must not release a new hold.
    sqlite_autoincrement=True,
)
audit = sa.Table(
    "cull_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("who", sa.Unicode(255), nullable=False),
    sa.Column("action", sa.Unicode(32), nullable=False),
    sa.Column("target", sa.Unicode(10), nullable=False),
    sa.Column("name", sa.Unicode(255), nullable=False),
    sa.Column("server_name", sa.Unicode(255)),
    sa.Column("reason", sa.UnicodeText, nullable=False),
    sa.Column("rule", sa.UnicodeText, nullable=False),
    sa.Column("outcome", sa.Unicode(32), nullable=False),
    sa.Column("until", UtcDateTime),
)


def hold_from(row: sa.Row[Any]) -> Hold:
    """A row of holds."""
    return hold_of(row.id, row._mapping)


def hold_of(hold_id: int, values: Any) -> Hold:
    """A hold from its values by column."""
    return Hold(
        id=hold_id,
        kind=HoldKind(values["kind"]),
        name=values["name"],
        server=values["server_name"],
        until=as_utc(values["until"]),
        by=values["made_by"],
        why=values["why"],
        made=as_utc(values["made"]),
    )


def event_from(row: sa.Row[Any]) -> Event:
    """A row of audit."""
    return Event(
        at=row.at,
        who=row.who,
        action=row.action,
        target=row.target,
        name=row.name,
        server=row.server_name,
        reason=row.reason,
        rule=row.rule,
        outcome=row.outcome,
        until=row.until,
    )


def event_values(event: Event) -> dict[str, Any]:
    """An audit line as a row."""
    values: dict[str, Any] = asdict(event)
    values["server_name"] = values.pop("server")
    return values
