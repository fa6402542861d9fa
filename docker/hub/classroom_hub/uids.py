"""A number for everybody: the uid that owns a person's files, on every machine, for good.

Home directories outlive containers, machines and the Hub's own database rows, so a uid is given
once and never to somebody else, not even after its first owner was deleted.
"""

from typing import Self

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

#: Above the ranges of adduser (to 59999), of systemd (to 65519) and of the first dozen
#: subordinate ranges (65536 each from 100000), so that no account of a machine is a student's.
FIRST_UID = 1_000_000
#: The largest uid that NFS and every file system here take for a person's (2**31 - 1).
LAST_UID = 2_147_483_647

_TABLE = Table(
    "classroom_uids",
    MetaData(),
    Column("uid", Integer, primary_key=True, autoincrement=False),
    Column("name", String(255), nullable=False, unique=True),
)


class Uids:
    """The uids by user names, in a table of their own."""

    def __init__(self, engine: Engine, first: int = FIRST_UID) -> None:
        """Make the table where it is missing. :raises SQLAlchemyError: the database is away"""
        self._engine = engine
        self._first = first
        _TABLE.metadata.create_all(engine)

    def __deepcopy__(self, memo: object) -> Self:
        """Ourselves: traitlets copies a configuration and all that is in it."""
        return self

    def of(self, name: str) -> int:
        """The uid of somebody, given now if need be.

        :raises SQLAlchemyError: the database is away; then nobody gets a number
        :raises OverflowError: all are given
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
                raise OverflowError("every uid is given")
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(_TABLE).values(uid=uid, name=name))
            except IntegrityError:
                continue  # another Hub was quicker, with this name or this number
            return uid
