"""What was not observed: work, hours of the day, and servers as such."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and count all days with raw records again."""
    op.add_column(
        "user_days",
        sa.Column("unobserved_seconds", sa.Integer, nullable=False, server_default="0"),
    )
    op.add_column(
        "user_days",
        sa.Column("was_present", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "group_days",
        sa.Column("unobserved_seconds", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.add_column(
        "group_days", sa.Column("observed_hours", sa.Text, nullable=False, server_default="")
    )
    op.add_column(
        "group_days",
        sa.Column("servers_known", sa.Boolean, nullable=False, server_default=sa.true()),
    )
    meta = sa.table("meta", sa.column("key", sa.Text), sa.column("value", sa.Text))
    for key in ("pruned_before", "first_day"):
        first = op.get_bind().scalar(sa.select(meta.c.value).where(meta.c.key == key))
        if first is not None:
            op.execute(sa.update(meta).where(meta.c.key == "rolled_until").values(value=first))
            return


def downgrade() -> None:
    """Drop the columns."""
    for column in ("servers_known", "observed_hours", "unobserved_seconds"):
        op.drop_column("group_days", column)
    for column in ("was_present", "unobserved_seconds"):
        op.drop_column("user_days", column)
