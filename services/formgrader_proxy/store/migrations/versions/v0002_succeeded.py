"""Whether nbgrader reported that an action succeeded, which its status does not say."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Earlier rows do not know."""
    op.add_column("formgrader_audit", sa.Column("succeeded", sa.Boolean))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("formgrader_audit", "succeeded")
