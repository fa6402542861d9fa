"""Random secrets that are the same after a restart, in the audit's database."""

import secrets

import sqlalchemy as sa

from common.db.transactions import Database
from common.errors import StoreConflict
from services.formgrader_proxy.store.tables import secret


async def lasting_secret(database: Database, name: str) -> bytes:
    """The secret of this name, created with the first call.

    :raises StoreError:
    """
    query = sa.select(secret.c.value).where(secret.c.name == name)
    async with database.reading() as connection:
        value = (await connection.execute(query)).scalar_one_or_none()
    if value is None:
        try:
            async with database.writing() as connection:
                created = {"name": name, "value": secrets.token_hex(32)}
                await connection.execute(sa.insert(secret).values(created))
        except StoreConflict:
            pass  # another instance was first
        async with database.reading() as connection:
            value = (await connection.execute(query)).scalar_one()
    return bytes.fromhex(value)
