"""Column types that more than one service uses."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from common.clock import as_utc


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Aware times in UTC, also on SQLite, which stores no offset."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else as_utc(value)
