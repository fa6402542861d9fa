"""``--once`` and ``--dry-run``: one pass, and its end at a signal."""

import asyncio

from services.cull.assembly import Parts
from services.cull.passes.results import PassResult


async def one_pass(parts: Parts, stopping: asyncio.Event) -> PassResult:
    """Make one pass; at ``stopping`` it ends as soon as what it began is done.

    Raises StoreError where the database cannot be asked who is held.
    """
    if parts.store is not None:
        await parts.store.open()
    passing = asyncio.create_task(parts.culler.run_pass())
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({passing, told}, return_when=asyncio.FIRST_COMPLETED)
        if not passing.done():
            parts.culler.abandon()
        return await passing
    finally:
        told.cancel()
        passing.cancel()


def undone(result: PassResult) -> str:
    """What a pass that a signal ended did not come to, in words; empty where it did all."""
    left = []
    if not result.complete:
        left.append("not all servers were looked at")
    if result.postponed:
        left.append(f"{result.postponed} that are due were left as they are")
    if result.slow:
        left.append(f"{result.slow} were slow to stop, and may still be stopping")
    return ", ".join(left)
