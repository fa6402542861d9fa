"""Exclusive write access for commands, which must not run beside a recorder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.stats.record.leader import lock_for
from services.stats.store.writer import Store, StoreError


@asynccontextmanager
async def exclusive_writer(store: Store) -> AsyncIterator[int]:
    """Hold the recorder's lock; gives the leader number to pass with every write.

    Raises StoreError while the service records into the database.
    """
    lock = lock_for(store.engine)
    if not await lock.acquire():
        raise StoreError("the service is recording into this database: stop it and run this again")
    try:
        yield await store.take_lead()
    finally:
        await lock.release()
