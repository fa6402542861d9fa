"""The tables, designed for few bytes per row: a semester of 10,000 users takes about 30 MB.

In Python, times are aware and in UTC. On PostgreSQL they are ``timestamp with time zone``.
SQLite has no such type; there they are integer seconds since 1970, 4 bytes where text takes 26
(read them with ``datetime(started, 'unixepoch')``). What has not ended yet ends at
``FOREVER``: a query for a time is one comparison, and a row does not grow when it ends
(growing rows split full pages).
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    true,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


class UTCTime(TypeDecorator[datetime]):
    """An aware time in UTC, to the second."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return int(value.timestamp())

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return EPOCH + timedelta(seconds=int(value))
        moment: datetime = value
        return moment.astimezone(UTC)


class UTCTimeExact(UTCTime):
    """The same to the microsecond, which tells accounts of the same name apart."""

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return super().process_result_value(value, dialect)
        return EPOCH + int(value) * MICROSECOND


class Day(TypeDecorator[date]):
    """A calendar day; days since 1970 on SQLite."""

    impl = Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Integer())
        return dialect.type_descriptor(Date())

    def process_bind_param(self, value: date | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return (value - EPOCH_DAY).days

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        if value is None:
            return None
        day: date = value if dialect.name != "sqlite" else EPOCH_DAY + timedelta(days=value)
        return day


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


def _user() -> Column[int]:
    return Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def _group() -> Column[int]:
    return Column("group_id", Integer, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False)


def _keyed(name: str, *items: Any, key: tuple[str, ...]) -> Table:
    """A table in the order of its key, on SQLite without row numbers."""
    for item in items:
        if isinstance(item, Column) and item.name in key:
            item.primary_key = True
            item.nullable = False
    return Table(name, metadata, *items, sqlite_with_rowid=False)


#: Facts about the database: the time zone of its days, how far they are rolled up, ...
meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, index=True),
    Column("created", UTCTimeExact),
    Column("first_seen", UTCTime, nullable=False),
    Column("deleted", UTCTime, nullable=False, default=FOREVER),
    Column("excluded", Boolean, nullable=False, server_default=false()),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

memberships = _keyed(
    "memberships",
    _group(),
    _user(),
    Column("since", UTCTime),
    Column("until", UTCTime, nullable=False, default=FOREVER),
    key=("group_id", "user_id", "since"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _user(),
    Column("server", Text, nullable=False),
    Column("profile_id", Integer, ForeignKey("profiles.id")),
    Column("started", UTCTime, nullable=False),
    Column("last_activity", UTCTime, nullable=False),
    Column("ended", UTCTime, nullable=False, default=FOREVER),
    Column("image_id", Integer, ForeignKey("images.id")),
    Column("culled", Boolean),
)

#: Intervals of work of at most 6 hours; 0 seconds if the user was only seen once.
activity = _keyed(
    "activity",
    Column("start", UTCTime),
    _user(),
    Column("seconds", Integer, nullable=False),
    key=("start", "user_id"),
)

polls = _keyed(
    "polls",
    Column("time", UTCTime),
    Column("interval", Integer, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("full", Boolean, nullable=False),
    Column("users", Integer),
    Column("servers", Integer),
    Column("active", Integer),
    key=("time",),
)

#: One row per day, group (0: the hub), profile and image (0: unknown) with servers.
profile_days = _keyed(
    "profile_days",
    Column("day", Day),
    Column("group_id", Integer),
    Column("profile_id", Integer),
    Column("image_id", Integer),
    Column("sessions", Integer, nullable=False),
    Column("server_seconds", BigInteger, nullable=False),
    Column("observed_seconds", BigInteger, nullable=False),
    Column("active_seconds", BigInteger, nullable=False),
    Column("ended", Integer, nullable=False),
    Column("ended_seconds", BigInteger, nullable=False),
    key=("day", "group_id", "profile_id", "image_id"),
)

#: Spawns that ended in an interval, by their outcome; see ``records.Spawns``.
spawns = _keyed(
    "spawns",
    Column("since", UTCTime),
    Column("until", UTCTime),
    Column("outcome", String(20)),
    Column("number", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("lengths", Text, nullable=False),
    key=("since", "until", "outcome"),
)

#: One row for each time in which the Hub's counters of spawns were known without interruption.
spawn_counters = _keyed(
    "spawn_counters",
    Column("since", UTCTime),
    Column("until", UTCTime, nullable=False),
    Column("hub_started", UTCTime),
    Column("totals", Text, nullable=False),
    key=("since",),
)

#: One row per user and day on which they were active or had a server.
user_days = _keyed(
    "user_days",
    Column("day", Day),
    _user(),
    Column("active_seconds", Integer, nullable=False),
    Column("idle_seconds", Integer, nullable=False),
    Column("sessions", SmallInteger, nullable=False),
    Column("was_active", Boolean, nullable=False),
    Column("unobserved_seconds", Integer, nullable=False, server_default="0"),
    Column("was_present", Boolean, nullable=False, server_default=false()),
    key=("day", "user_id"),
)

#: One row per day for the hub (group 0) and for each group active in the last 30 days.
group_days = _keyed(
    "group_days",
    Column("day", Day),
    Column("group_id", Integer),
    Column("members", Integer, nullable=False),
    Column("newcomers", Integer, nullable=False),
    Column("active", Integer, nullable=False),
    Column("active_7", Integer, nullable=False),
    Column("active_30", Integer, nullable=False),
    Column("active_seconds", BigInteger, nullable=False),
    Column("idle_seconds", BigInteger, nullable=False),
    Column("server_seconds", BigInteger, nullable=False),
    Column("after_seconds", BigInteger, nullable=False),
    Column("saved_seconds", BigInteger, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("observed_seconds", Integer, nullable=False),
    Column("mean_running", Float),
    Column("peak", Integer),
    Column("peak_at", UTCTime),
    Column("lengths", Text, nullable=False),
    Column("hours", Text, nullable=False),
    Column("unobserved_seconds", BigInteger, nullable=False, server_default="0"),
    Column("observed_hours", Text, nullable=False, server_default=""),
    Column("servers_known", Boolean, nullable=False, server_default=true()),
    Column("reduced", Boolean, nullable=False, server_default=false()),
    Column("audited", Boolean),
    key=("day", "group_id"),
)
