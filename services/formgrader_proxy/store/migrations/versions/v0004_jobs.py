"""Jobs: long changes, one request after the other."""

import sqlalchemy as sa
from alembic import op

from common.db.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "formgrader_job",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("course", sa.Unicode(100), nullable=False),
        sa.Column("user_name", sa.Unicode(255), nullable=False),
        sa.Column("role", sa.Unicode(20), nullable=False),
        sa.Column("action", sa.Unicode(40), nullable=False),
        sa.Column("assignment", sa.Unicode(255), nullable=False),
        sa.Column("state", sa.Unicode(20), nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("cancelled_by", sa.Unicode(255), nullable=False),
        sa.Column("retry_of", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("formgrader_job_course", "formgrader_job", ["course", "id"])
    op.create_table(
        "formgrader_job_item",
        sa.Column("job_id", sa.Integer, sa.ForeignKey("formgrader_job.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("student", sa.Unicode(255), nullable=False),
        sa.Column("state", sa.Unicode(20), nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("lines", sa.UnicodeText, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("formgrader_job_item")
    op.drop_table("formgrader_job")
