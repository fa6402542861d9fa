"""More about servers: their image, whether the culler stopped them, and how spawns ended.

And when the first of a user's accounts was created, which decides whether the user is new.
"""

import sqlalchemy as sa
from alembic import op

from services.stats.store.tables import UTCTime, UTCTimeExact

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
    op.add_column("users", sa.Column("first_created", UTCTimeExact))
    op.create_table(
        "spawns",
        sa.Column("time", UTCTime, nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("lengths", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("time", "outcome", name="pk_spawns"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop the tables and columns."""
    op.drop_table("spawns")
    op.drop_column("users", "first_created")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_constraint("fk_sessions_image_id_images", type_="foreignkey")
        sessions.drop_column("culled")
        sessions.drop_column("image_id")
    op.drop_table("images")
