"""Periodic runs that never overlap."""

import asyncio
import logging

import pytest

from common.ticker import Ticker
from tests.fakes.clock import FakeClock


async def settle() -> None:
    """Let all tasks that are ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_runs_start_one_period_apart() -> None:
    """The duration of a run is part of the period."""
    clock = FakeClock()
    runs: list[float] = []

    async def run() -> None:
        runs.append(clock.elapsed)
        await clock.sleep(4)

    ticker = Ticker(10, run, jitter=0, clock=clock)
    task = asyncio.create_task(ticker.run_forever())
    for _ in range(25):
        await settle()
        clock.advance(1)
    await settle()
    ticker.stop()
    task.cancel()
    assert runs == [0, 10, 20]


async def test_a_long_run_does_not_overlap_the_next() -> None:
    """After a run that is longer than the period, the next one starts a full period later."""
    clock = FakeClock()
    at_once = most = 0

    async def run() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await clock.sleep(25)
        at_once -= 1

    ticker = Ticker(10, run, jitter=0, clock=clock)
    task = asyncio.create_task(ticker.run_forever())
    for _ in range(100):
        await settle()
        clock.advance(1)
    ticker.stop()
    task.cancel()
    assert most == 1


async def test_a_failed_run_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failure is logged and does not prevent the next run."""
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            ticker.stop()
        raise RuntimeError("the first one failed")

    ticker = Ticker(10, run, clock=FakeClock(skip=True))
    with caplog.at_level(logging.ERROR):
        await ticker.run_forever()
    assert runs == 2
    assert "the first one failed" in caplog.text


async def test_wake_starts_the_next_run() -> None:
    """A requested run starts without waiting for the period."""
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    ticker = Ticker(3600, run, clock=FakeClock())
    task = asyncio.create_task(ticker.run_forever())
    await settle()
    ticker.wake()
    await settle()
    assert runs == 2
    ticker.stop()
    await task


@pytest.mark.parametrize(
    ("took", "least", "most"), [(0, 9, 11), (4, 5, 7), (10, 9, 11), (30, 9, 11)]
)
def test_the_pause_varies_within_its_jitter(took: float, least: float, most: float) -> None:
    """Jitter is a fraction of the period, added to or subtracted from the rest of it."""

    async def run() -> None: ...

    ticker = Ticker(10, run, jitter=0.1)
    assert all(least <= ticker.pause_after(took) <= most for _ in range(200))


async def test_wake_during_a_run_adds_one_run() -> None:
    """A change during a run is seen by a run that starts after it."""
    runs = 0
    clock = FakeClock()

    async def run() -> None:
        nonlocal runs
        runs += 1
        await clock.sleep(1)

    ticker = Ticker(3600, run, clock=clock)
    task = asyncio.create_task(ticker.run_forever())
    await settle()
    ticker.wake()
    ticker.wake()
    await settle()
    assert runs == 1
    clock.advance(1)
    await settle()
    assert runs == 2
    clock.advance(1)
    await settle()
    assert runs == 2
    ticker.stop()
    await task


@pytest.mark.parametrize("running", [True, False], ids=["in a run", "between two"])
async def test_stop_does_not_wait_for_the_period(running: bool) -> None:
    """A current run is finished, and no further one starts."""
    finished = 0
    clock = FakeClock()

    async def run() -> None:
        nonlocal finished
        await clock.sleep(1)
        finished += 1

    ticker = Ticker(3600, run, clock=clock)
    task = asyncio.create_task(ticker.run_forever())
    await settle()
    if not running:
        clock.advance(1)
        await settle()
    ticker.stop()
    clock.advance(1)
    await asyncio.wait_for(task, 5)
    assert finished == 1
