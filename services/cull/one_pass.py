"""``--once`` and ``--dry-run``: one pass, real or not, and its end at a signal."""

import asyncio

from services.cull.assembly import Parts
from services.cull.dry_run import dry_run
from services.cull.executor import Culler
from services.cull.results import PassResult, Tally


async def one_pass(parts: Parts, *, dry: bool, stopping: asyncio.Event) -> PassResult | Tally:
    """Make one pass, or only tell (on standard output) what it would do; give its numbers.

    At ``stopping`` it ends as soon as what it began is done. Raises StoreError where the
    database cannot be asked who is held.
    """
    if parts.store is not None:
        await parts.store.open()
    culler = parts.culler
    passing: asyncio.Task[PassResult | Tally]
    passing = asyncio.create_task(_dry(culler) if dry else _real(culler))
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({passing, told}, return_when=asyncio.FIRST_COMPLETED)
        if not passing.done():
            culler.abandon()
        return await passing
    finally:
        told.cancel()
        passing.cancel()


async def _real(culler: Culler) -> PassResult | Tally:
    return await culler.run_pass()


async def _dry(culler: Culler) -> PassResult | Tally:
    survey = await culler.survey()
    for line in dry_run(survey, culler.judge.now()):
        print(line)
    return survey.tally
