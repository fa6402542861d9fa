"""Protections are read anew for each decision, and once for all who ask together."""

import asyncio

import pytest

from services.cull.evaluator import ProtectionReader
from services.cull.policy.model import Protections
from services.cull.store.records import StoreError
from tests.fakes.clock import START


class Reads:
    """Counts readings; each waits to be let through and gives the number it began with."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Semaphore(0)
        self.broken = False

    async def __call__(self) -> Protections:
        self.begun += 1
        number = self.begun
        await self.gate.acquire()
        if self.broken:
            raise StoreError("away")
        return Protections(user_holds={str(number): START})


async def settled(reads: Reads, begun: int) -> None:
    async with asyncio.timeout(5):
        while reads.begun < begun:
            await asyncio.sleep(0)


async def test_who_asks_together_shares_a_reading() -> None:
    """Ten stops at once are one question to the database."""
    reads = Reads()
    latest = ProtectionReader(reads)
    asking = [asyncio.create_task(latest.get()) for _ in range(10)]
    await settled(reads, 1)
    reads.gate.release()
    async with asyncio.timeout(5):
        got = await asyncio.gather(*asking)
    assert reads.begun == 1
    assert all(one is got[0] for one in got)


async def test_who_asks_during_a_reading_gets_the_next() -> None:
    """What was written after a reading began may not be in it."""
    reads = Reads()
    latest = ProtectionReader(reads)
    first = asyncio.create_task(latest.get())
    await settled(reads, 1)
    second = [asyncio.create_task(latest.get()) for _ in range(3)]
    await asyncio.sleep(0)
    assert reads.begun == 1
    for _ in range(2):
        reads.gate.release()
    async with asyncio.timeout(5):
        assert "1" in (await first).user_holds
        for task in second:
            assert "2" in (await task).user_holds
    assert reads.begun == 2


async def test_a_reading_that_fails_fails_for_those_who_share_it_alone() -> None:
    """The next question reads again."""
    reads = Reads()
    reads.broken = True
    latest = ProtectionReader(reads)
    asking = [asyncio.create_task(latest.get()) for _ in range(2)]
    await settled(reads, 1)
    reads.gate.release()
    for task in asking:
        with pytest.raises(StoreError):
            await task
    reads.broken = False
    reads.gate.release()
    async with asyncio.timeout(5):
        assert "2" in (await latest.get()).user_holds


async def test_who_no_longer_waits_takes_the_answer_from_nobody() -> None:
    """One of those who share a reading is cancelled; the others get theirs."""
    reads = Reads()
    latest = ProtectionReader(reads)
    leaver = asyncio.create_task(latest.get())
    stayer = asyncio.create_task(latest.get())
    await settled(reads, 1)
    leaver.cancel()
    reads.gate.release()
    async with asyncio.timeout(5):
        assert "1" in (await stayer).user_holds
