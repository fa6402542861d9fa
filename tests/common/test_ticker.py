"""A periodic runner that never overlaps itself."""

import asyncio
import logging

import pytest

from common.ticker import Ticker
from tests.fakes.clock import FakeClock


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_runs_come_a_period_apart_from_start_to_start() -> None:
    """The time a run takes is part of the period."""
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


async def test_a_run_that_outlasts_the_period_never_overlaps_the_next() -> None:
    """The next run comes a full period after one that took too long."""
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


async def test_a_failing_run_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One failure does not end the series."""
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


async def test_a_wake_brings_the_next_run_forward() -> None:
    """Somebody who asks for a run gets it without waiting for the period."""
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
    """Jitter is a share of the period around what is left of it."""

    async def run() -> None: ...

    ticker = Ticker(10, run, jitter=0.1)
    assert all(least <= ticker.pause_after(took) <= most for _ in range(200))


async def test_a_wake_during_a_run_brings_one_more() -> None:
    """Whatever changed meanwhile is seen by a run that began after it."""
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
async def test_a_stop_ends_the_series_without_waiting_for_the_period(running: bool) -> None:
    """A run under way is finished, and none begins any more."""
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
