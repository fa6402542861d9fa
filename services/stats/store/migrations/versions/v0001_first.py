"""Users, groups, sessions, activity, polls and daily rows."""

import sqlalchemy as sa
from alembic import op

from services.stats.store.tables import Day, UTCTime, UTCTimeExact

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "meta",
        sa.Column("key", sa.String(40), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", UTCTimeExact),
        sa.Column("first_seen", UTCTime, nullable=False),
        sa.Column("deleted", UTCTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("ix_users_name", "users", ["name"])
    for table in ("groups", "profiles"):
        op.create_table(
            table,
            sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
            sa.Column("name", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
            sa.UniqueConstraint("name", name=f"uq_{table}_name"),
        )
    op.create_table(
        "memberships",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("since", UTCTime, nullable=False),
        sa.Column("until", UTCTime, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", "since", name="pk_memberships"),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.id"],
            name="fk_memberships_group_id_groups",
            ondelete="CASCADE",
        ),
        _to_users("memberships"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Integer),
        sa.Column("started", UTCTime, nullable=False),
        sa.Column("last_activity", UTCTime, nullable=False),
        sa.Column("ended", UTCTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name="fk_sessions_profile_id_profiles"
        ),
        _to_users("sessions"),
    )
    op.create_table(
        "activity",
        sa.Column("start", UTCTime, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("start", "user_id", name="pk_activity"),
        _to_users("activity"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "polls",
        sa.Column("time", UTCTime, nullable=False),
        sa.Column("interval", sa.Integer, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("full", sa.Boolean, nullable=False),
        sa.Column("users", sa.Integer),
        sa.Column("servers", sa.Integer),
        sa.Column("active", sa.Integer),
        sa.PrimaryKeyConstraint("time", name="pk_polls"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "user_days",
        sa.Column("day", Day, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("active_seconds", sa.Integer, nullable=False),
        sa.Column("idle_seconds", sa.Integer, nullable=False),
        sa.Column("sessions", sa.SmallInteger, nullable=False),
        sa.Column("was_active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("day", "user_id", name="pk_user_days"),
        _to_users("user_days"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_days",
        sa.Column("day", Day, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("members", sa.Integer, nullable=False),
        sa.Column("newcomers", sa.Integer, nullable=False),
        sa.Column("active", sa.Integer, nullable=False),
        sa.Column("active_7", sa.Integer, nullable=False),
        sa.Column("active_30", sa.Integer, nullable=False),
        sa.Column("active_seconds", sa.BigInteger, nullable=False),
        sa.Column("idle_seconds", sa.BigInteger, nullable=False),
        sa.Column("server_seconds", sa.BigInteger, nullable=False),
        sa.Column("after_seconds", sa.BigInteger, nullable=False),
        sa.Column("saved_seconds", sa.BigInteger, nullable=False),
        sa.Column("sessions", sa.Integer, nullable=False),
        sa.Column("observed_seconds", sa.Integer, nullable=False),
        sa.Column("mean_running", sa.Float),
        sa.Column("peak", sa.Integer),
        sa.Column("peak_at", UTCTime),
        sa.Column("lengths", sa.Text, nullable=False),
        sa.Column("hours", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("day", "group_id", name="pk_group_days"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop all tables."""
    for table in (
        "group_days",
        "user_days",
        "polls",
        "activity",
        "sessions",
        "memberships",
        "profiles",
        "groups",
        "users",
        "meta",
    ):
        op.drop_table(table)


def _to_users(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"fk_{table}_user_id_users", ondelete="CASCADE"
    )
