"""Aware times, the system clock and the fake clock."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.clock import SystemClock, as_utc
from tests.fakes.clock import START, FakeClock

MOMENT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 3, 2, 12, 0),  # noqa: DTZ001 - that is what is tested
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=9))),
        MOMENT.astimezone(timezone(timedelta(hours=-3, minutes=-30))),
    ],
)
def test_every_time_becomes_aware_utc(value: datetime) -> None:
    """A naive time is taken as UTC, as the Hub writes it; others are converted."""
    assert as_utc(value) == MOMENT
    assert as_utc(value).tzinfo is UTC


async def test_the_system_clock() -> None:
    """The time is in UTC, and the monotonic time advances during a sleep."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().tzinfo is UTC


async def test_the_fake_clock_wakes_sleepers_in_order() -> None:
    """Sleepers wake in the order in which they are due, and not before."""
    clock = FakeClock()
    woken: list[int] = []

    async def sleep(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2):
            group.create_task(sleep(seconds))
        while clock.sleepers < 3:
            await asyncio.sleep(0)
        clock.advance(2)
        while clock.sleepers > 1 or len(woken) < 2:
            await asyncio.sleep(0)
        assert woken == [1, 2]
        assert clock.now() == START + timedelta(seconds=2)
        clock.advance(1)
    assert woken == [1, 2, 3]


async def test_the_fake_clock_can_skip_sleeps() -> None:
    """A skipped sleep returns at once and advances the time."""
    clock = FakeClock(skip=True)
    await clock.sleep(3600)
    assert clock.elapsed == clock.monotonic() == 3600
    assert clock.slept == [3600]
