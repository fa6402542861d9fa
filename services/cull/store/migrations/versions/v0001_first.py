"""Extensions, holds and the audit log.

Releases before Alembic created the same tables. They are left as they are.
"""

import sqlalchemy as sa
from alembic import op

from common.db.types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables that do not exist."""
    existing = set(sa.inspect(op.get_bind()).get_table_names())
    if "cull_schema" not in existing:
        schema = op.create_table(
            "cull_schema",
            sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        )
        op.bulk_insert(schema, [{"version": 1}])
    if "cull_extensions" not in existing:
        op.create_table(
            "cull_extensions",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("user_name", sa.Unicode(255), nullable=False),
            sa.Column("server_name", sa.Unicode(255), nullable=False),
            sa.Column("number", sa.Integer, nullable=False),
            sa.Column("until", UtcDateTime, nullable=False),
            sa.Column("made", UtcDateTime, nullable=False),
            sa.Column("made_by", sa.Unicode(255), nullable=False),
            sa.UniqueConstraint("user_name", "server_name", "number"),
        )
        op.create_index("cull_extensions_made", "cull_extensions", ["made"])
    if "cull_holds" not in existing:
        op.create_table(
            "cull_holds",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("kind", sa.Unicode(10), nullable=False),
            sa.Column("name", sa.Unicode(255), nullable=False),
            sa.Column("server_name", sa.Unicode(255), nullable=False),
            sa.Column("until", UtcDateTime, nullable=False),
            sa.Column("why", sa.UnicodeText, nullable=False),
            sa.Column("made", UtcDateTime, nullable=False),
            sa.Column("made_by", sa.Unicode(255), nullable=False),
            sa.UniqueConstraint("kind", "name", "server_name"),
            sqlite_autoincrement=True,
        )
    if "cull_audit" not in existing:
        op.create_table(
            "cull_audit",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("at", UtcDateTime, nullable=False),
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
        op.create_index("ix_cull_audit_at", "cull_audit", ["at"])


def downgrade() -> None:
    """Drop every table."""
    for table in ("cull_audit", "cull_holds", "cull_extensions", "cull_schema"):
        op.drop_table(table)
