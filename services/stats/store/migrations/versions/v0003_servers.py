"""More about servers (image, stops by the culler, spawns), and users who are not counted."""

import sqlalchemy as sa
from alembic import op

from services.stats.store.tables import Day, UTCTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns. Nothing is known of earlier sessions but their profiles.

    The profiles are counted in days with raw records; of pruned days, they are not known any more.
    """
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
    op.add_column("group_days", sa.Column("audited", sa.Boolean))
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
    op.create_table(
        "profile_days",
        sa.Column("day", Day, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("profile_id", sa.Integer, nullable=False),
        sa.Column("image_id", sa.Integer, nullable=False),
        sa.Column("sessions", sa.Integer, nullable=False),
        sa.Column("server_seconds", sa.BigInteger, nullable=False),
        sa.Column("observed_seconds", sa.BigInteger, nullable=False),
        sa.Column("active_seconds", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Integer, nullable=False),
        sa.Column("ended_seconds", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "group_id", "profile_id", "image_id", name="pk_profile_days"
        ),
        sqlite_with_rowid=False,
    )
    meta = sa.table("meta", sa.column("key", sa.Text), sa.column("value", sa.Text))
    known = {row.key: row.value for row in op.get_bind().execute(sa.select(meta))}
    first = known.get("pruned_before", known.get("first_day"))
    if first is not None:
        op.execute(sa.update(meta).where(meta.c.key == "rolled_until").values(value=first))
    if "pruned_before" in known:
        op.execute(sa.insert(meta).values(key="profiles_from", value=first))


def downgrade() -> None:
    """Drop the tables and columns."""
    op.drop_table("spawn_counters")
    op.execute("DELETE FROM meta WHERE key = 'profiles_from'")
    op.drop_table("profile_days")
    op.drop_table("spawns")
    op.drop_column("group_days", "audited")
    op.drop_column("users", "excluded")
    op.drop_column("group_days", "reduced")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_constraint("fk_sessions_image_id_images", type_="foreignkey")
        sessions.drop_column("culled")
        sessions.drop_column("image_id")
    op.drop_table("images")
