"""The last valid text of the courses file, for a start at which the file is invalid."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "formgrader_kept_courses",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("path", sa.UnicodeText, nullable=False),
        sa.Column("text", sa.UnicodeText, nullable=False),
    )


def downgrade() -> None:
    """Drop the table: the file must then be valid when the service starts."""
    op.drop_table("formgrader_kept_courses")
