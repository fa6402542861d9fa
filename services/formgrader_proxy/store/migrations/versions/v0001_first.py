"""The record of changes.

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
    if "formgrader_schema" not in existing:
        schema = op.create_table(
            "formgrader_schema",
            sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        )
        op.bulk_insert(schema, [{"version": 1}])
    if "formgrader_audit" not in existing:
        op.create_table(
            "formgrader_audit",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("at", UtcDateTime, nullable=False),
            sa.Column("course", sa.Unicode(100), nullable=False),
            sa.Column("user_name", sa.Unicode(255), nullable=False),
            sa.Column("role", sa.Unicode(20), nullable=False),
            sa.Column("action", sa.Unicode(40), nullable=False),
            sa.Column("path", sa.UnicodeText, nullable=False),
            sa.Column("fields", sa.UnicodeText, nullable=False),
            sa.Column("status", sa.Integer),
            sqlite_autoincrement=True,
        )
        op.create_index("formgrader_audit_course", "formgrader_audit", ["course", "id"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("formgrader_audit")
    op.drop_table("formgrader_schema")
