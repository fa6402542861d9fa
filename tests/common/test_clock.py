"""Aware times, and the clocks of the services and of the tests."""

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
    """A naive time is UTC, as the Hub means it; others are converted."""
    assert as_utc(value) == MOMENT
    assert as_utc(value).tzinfo is UTC


async def test_the_systems_clock_is_aware_and_goes_on() -> None:
    """It tells UTC, and its monotonic time passes while it sleeps."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().tzinfo is UTC


async def test_a_fake_clock_wakes_whoever_is_due() -> None:
    """In the order in which they are due, and nobody before."""
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


async def test_a_skipping_clock_jumps_over_its_sleeps() -> None:
    """Time passes by as much as was slept, at once."""
    clock = FakeClock(skip=True)
    await clock.sleep(3600)
    assert clock.elapsed == clock.monotonic() == 3600
    assert clock.slept == [3600]
