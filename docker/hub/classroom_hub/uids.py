"""Assigns each user a permanent uid, which owns the user's files on every machine.

Home directories outlive containers, machines and the Hub's database rows, so a uid is never
reused, not even after its user was deleted.
"""

from typing import Self

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

#: Above the ranges of adduser (to 59999) and systemd (to 65519) and the first dozen subordinate
#: ranges (65536 each from 100000), so that no account of a machine has a student's uid.
FIRST_UID = 1_000_000
#: The largest uid that NFS and all supported file systems accept (2**31 - 1).
LAST_UID = 2_147_483_647

_TABLE = Table(
    "classroom_uids",
    MetaData(),
    Column("uid", Integer, primary_key=True, autoincrement=False),
    Column("name", String(255), nullable=False, unique=True),
)


class Uids:
    """The uids by user name, in a database table."""

    def __init__(self, engine: Engine, first: int = FIRST_UID) -> None:
        """Create the table if needed. :raises SQLAlchemyError: the database is unavailable"""
        self._engine = engine
        self._first = first
        _TABLE.metadata.create_all(engine)

    def __deepcopy__(self, memo: object) -> Self:
        """Return self: traitlets copies a configuration with all its values."""
        return self

    def of(self, name: str) -> int:
        """Return the uid of a user; assign one on first use.

        :raises SQLAlchemyError: the database is unavailable
        :raises OverflowError: no uids are left
        """
        while True:
            with self._engine.begin() as connection:
                known = select(_TABLE.c.uid).where(_TABLE.c.name == name)
                found = connection.execute(known).scalar()
                if found is not None:
                    return int(found)
                last = connection.execute(select(func.max(_TABLE.c.uid))).scalar()
            uid = self._first if last is None else max(self._first, last + 1)
            if uid > LAST_UID:
                raise OverflowError("no uids are left")
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(_TABLE).values(uid=uid, name=name))
            except IntegrityError:
                continue  # another Hub has just used this name or number
            return uid
