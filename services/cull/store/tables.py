"""The culler's tables, and the mapping between their rows and the values of ``records``."""

from typing import Any

import sqlalchemy as sa
from msgspec.structs import asdict

from common.db.kept_text import kept_text_table
from common.db.types import UtcDateTime
from services.cull.store.records import Event, Hold, HoldKind

metadata = sa.MetaData()
# Written once, with version 1. Releases before Alembic read it, and so refuse a newer database.
earlier_schema = sa.Table(
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
    # The id of a released hold is never used again: an outdated page must not release a new hold.
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
kept_policy = kept_text_table("cull_kept_policy", metadata)


def hold_from(row: sa.Row[Any]) -> Hold:
    """The hold in a row of ``holds``."""
    return Hold(
        id=row.id,
        kind=HoldKind(row.kind),
        name=row.name,
        server=row.server_name,
        until=row.until,
        by=row.made_by,
        why=row.why,
        made=row.made,
    )


def hold_values(hold: Hold) -> dict[str, Any]:
    """The row of a hold, without its id."""
    return {
        "kind": hold.kind.value,
        "name": hold.name,
        "server_name": hold.server,
        "until": hold.until,
        "why": hold.why,
        "made": hold.made,
        "made_by": hold.by,
    }


def event_from(row: sa.Row[Any]) -> Event:
    """The event in a row of ``audit``."""
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
    """The row of an event."""
    values: dict[str, Any] = asdict(event)
    values["server_name"] = values.pop("server")
    return values
