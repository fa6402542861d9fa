"""``--once`` and ``--dry-run``: one pass, which a signal can end early."""

import asyncio

from services.cull.assembly import Parts
from services.cull.passes.results import PassResult


async def run_one_pass(parts: Parts, stopping: asyncio.Event) -> PassResult:
    """Make one pass. After ``stopping`` is set, finish what has begun and start nothing new.

    Raises StoreError if the database cannot be read.
    """
    if parts.store is not None:
        await parts.store.open()
    running = asyncio.create_task(parts.culler.run_pass())
    signalled = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            parts.culler.abandon()
        return await running
    finally:
        signalled.cancel()
        running.cancel()


def unfinished_work(result: PassResult) -> str:
    """What an interrupted pass did not get to, in words; empty if it did everything."""
    unfinished = []
    if not result.complete:
        unfinished.append("not all servers were checked")
    if result.postponed:
        unfinished.append(f"{result.postponed} due servers or users were skipped")
    if result.slow:
        unfinished.append(f"{result.slow} were slow to stop and may still be stopping")
    return ", ".join(unfinished)
