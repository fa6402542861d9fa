"""Exclusive write access for commands."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.errors import StoreError
from services.stats.commands.exclusive import exclusive_writer
from services.stats.store.leader_lock import lock_for
from services.stats.store.store import Store


async def test_no_second_writer_until_the_first_is_done(tmp_path: Path) -> None:
    """While one command writes, another is rejected; the lock is released at the end."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    async with exclusive_writer(store) as first:
        with pytest.raises(StoreError, match="stop it and run this again"):
            async with exclusive_writer(store):
                pass
    async with exclusive_writer(store) as second:
        assert second > first
    await store.close()


async def test_an_error_releases_the_lock(tmp_path: Path) -> None:
    """A command that fails does not keep the service from recording."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    with pytest.raises(ZeroDivisionError):
        async with exclusive_writer(store):
            raise ZeroDivisionError
    lock = lock_for(store.database)
    assert await lock.acquire()
    await lock.release()
    await store.close()
