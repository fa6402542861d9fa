"""The rate limit for stops, and the slots that bound their concurrency."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from services.cull.passes.limits import RateLimit, Slot
from tests.fakes.clock import FakeClock


async def test_no_minute_exceeds_the_limit() -> None:
    """The first permits come at once, each further one a minute after an earlier one."""
    clock = FakeClock(skip=True)
    rate = RateLimit(3, clock)
    at = []
    for _ in range(8):
        await rate.acquire()
        at.append(clock.monotonic())
        clock.advance(1.0)
    assert at == [0.0, 1.0, 2.0, 60.0, 61.0, 62.0, 120.0, 121.0]


@given(st.integers(1, 5), st.lists(st.floats(0, 40), max_size=30))
async def test_no_window_of_a_minute_exceeds_the_limit(
    per_minute: int, pauses: list[float]
) -> None:
    """Whenever permits are acquired, any 60 s contain no more than the limit."""
    clock = FakeClock(skip=True)
    rate = RateLimit(per_minute, clock)
    at = []
    for pause in pauses:
        clock.advance(pause)
        await rate.acquire()
        at.append(clock.monotonic())
    for first, last in zip(at, at[per_minute:], strict=False):
        assert last - first >= 60.0 - 1e-6


async def test_waiting_callers_are_served_in_order() -> None:
    """Of two callers that wait for a permit, the first one to ask gets it."""
    clock = FakeClock()
    rate = RateLimit(1, clock)
    await rate.acquire()
    served: list[str] = []

    async def caller(name: str) -> None:
        await rate.acquire()
        served.append(name)

    waiting = [asyncio.create_task(caller(name)) for name in ("first", "second")]
    async with asyncio.timeout(10):
        for expected in (["first"], ["first", "second"]):
            while not clock.sleepers:
                await asyncio.sleep(0)
            clock.advance(60.0)
            while len(served) < len(expected):
                await asyncio.sleep(0)
            assert served == expected
        await asyncio.gather(*waiting)


async def test_a_returned_permit_can_be_used_again() -> None:
    """A permit that was not used does not count against the limit."""
    clock = FakeClock(skip=True)
    rate = RateLimit(1, clock)
    await rate.acquire()
    rate.give_back()
    await rate.acquire()
    assert clock.monotonic() == 0.0
    assert rate.wait_seconds() == 60.0


async def test_several_permits_are_returned_at_once() -> None:
    """Returning more permits than were taken returns those that were."""
    rate = RateLimit(2, FakeClock(skip=True))
    for _ in range(2):
        await rate.acquire()
    assert rate.wait_seconds() == 60.0
    rate.give_back(5)
    assert rate.wait_seconds() == 0.0


async def test_without_a_limit_nobody_waits() -> None:
    """0 means no limit."""
    clock = FakeClock(skip=True)
    rate = RateLimit(0, clock)
    for _ in range(100):
        await rate.acquire()
    rate.give_back()
    assert clock.slept == []


async def test_a_slot_is_released_once() -> None:
    """A target that finishes after its slot was released does not release another one."""
    slots = asyncio.Semaphore(1)
    await slots.acquire()
    slot = Slot(slots, 60.0)
    slot.release()
    slot.release()
    await slots.acquire()
    assert slots.locked()


async def test_a_slot_is_released_after_its_time_limit() -> None:
    """The target keeps running, but another one can start."""
    slots = asyncio.Semaphore(1)
    await slots.acquire()
    Slot(slots, 0.01)
    async with asyncio.timeout(10):
        await slots.acquire()
