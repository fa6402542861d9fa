"""More about servers (image, stops by the culler, spawns), and users who are not counted."""

import sqlalchemy as sa
from alembic import op

from services.stats.store.tables import UTCTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns. Nothing is known of earlier sessions."""
    op.create_table(
        "images",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("name", name="uq_images_name"),
    )
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("image_id", sa.Integer))
        sessions.add_column(sa.Column("culled", sa.Boolean))
        sessions.create_foreign_key("fk_sessions_image_id_images", "images", ["image_id"], ["id"])
    op.add_column(
        "users", sa.Column("excluded", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column(
        "group_days",
        sa.Column("reduced", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "spawns",
        sa.Column("since", UTCTime, nullable=False),
        sa.Column("until", UTCTime, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("lengths", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("since", "until", "outcome", name="pk_spawns"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spawn_counters",
        sa.Column("since", UTCTime, nullable=False),
        sa.Column("until", UTCTime, nullable=False),
        sa.Column("hub_started", UTCTime),
        sa.Column("totals", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("since", name="pk_spawn_counters"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop the tables and columns."""
    op.drop_table("spawn_counters")
    op.drop_table("spawns")
    op.drop_column("users", "excluded")
    op.drop_column("group_days", "reduced")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_constraint("fk_sessions_image_id_images", type_="foreignkey")
        sessions.drop_column("culled")
        sessions.drop_column("image_id")
    op.drop_table("images")
