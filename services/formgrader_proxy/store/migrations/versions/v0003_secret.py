"""Secrets that outlive a restart: those from which the keys of open pages are made."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. Its row is written when the service first needs it."""
    op.create_table(
        "formgrader_secret",
        sa.Column("name", sa.Unicode(40), primary_key=True),
        sa.Column("value", sa.Unicode(100), nullable=False),
    )


def downgrade() -> None:
    """Drop the table: open pages then have to be loaded again."""
    op.drop_table("formgrader_secret")
