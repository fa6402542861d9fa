"""Exclusive write access for commands, which must not run beside a recorder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common.errors import StoreError
from services.stats.store.leader_lock import lock_for
from services.stats.store.store import Store


@asynccontextmanager
async def exclusive_writer(store: Store) -> AsyncIterator[int]:
    """Hold the recorder's lock; gives the leader number to pass with every write.

    Raises StoreError while the service records into the database.
    """
    lock = lock_for(store.database)
    if not await lock.acquire():
        raise StoreError("the service is recording into this database: stop it and run this again")
    try:
        yield await store.take_leadership()
    finally:
        await lock.release()
