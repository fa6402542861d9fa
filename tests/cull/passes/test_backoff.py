"""Pauses that grow, turns that are rationed, slots that are given back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cull.passes.backoff import LONGEST_SECONDS, Pauses
from services.cull.passes.limits import Rate
from services.cull.passes.slots import Slot, Slots
from tests.fakes.clock import FakeClock


def test_pauses_grow_and_end() -> None:
    """Each failure doubles the pause, up to the longest."""
    pauses: Pauses[str] = Pauses(60.0)
    assert [pauses.failed("ada", 0.0) for _ in range(8)] == [
        60.0,
        120.0,
        240.0,
        480.0,
        960.0,
        1920.0,
        LONGEST_SECONDS,
        LONGEST_SECONDS,
    ]
    assert pauses.paused("ada", LONGEST_SECONDS - 1)
    assert not pauses.paused("ada", LONGEST_SECONDS)
    assert not pauses.paused("ben", 0.0)


def test_a_target_that_fails_for_weeks_is_no_trouble() -> None:
    """The pause is bounded however often something failed."""
    pauses: Pauses[str] = Pauses(60.0)
    for _ in range(5000):
        assert pauses.failed("ada", 0.0) <= LONGEST_SECONDS


def test_success_forgets_the_failures() -> None:
    """Who succeeded begins anew."""
    pauses: Pauses[str] = Pauses(60.0)
    pauses.failed("ada", 0.0)
    pauses.succeeded("ada")
    assert not pauses.paused("ada", 0.0)
    assert pauses.failed("ada", 0.0) == 60.0


def test_who_is_gone_is_forgotten() -> None:
    """The memory holds no more than those that still fail."""
    pauses: Pauses[str] = Pauses(60.0)
    pauses.failed("ada", 0.0)
    pauses.failed("ben", 0.0)
    pauses.keep_only(["ben", "chloe"])
    assert len(pauses) == 1
    assert pauses.paused("ben", 0.0)


async def test_no_more_than_so_many_turns_in_any_minute() -> None:
    """The first come at once, the others when a minute has passed since."""
    clock = FakeClock(skip=True)
    rate = Rate(3, clock)
    at = []
    for _ in range(8):
        await rate.turn()
        at.append(clock.monotonic())
        clock.advance(1.0)
    assert at == [0.0, 1.0, 2.0, 60.0, 61.0, 62.0, 120.0, 121.0]


@given(st.integers(1, 5), st.lists(st.floats(0, 40), max_size=30))
async def test_no_minute_has_more_turns(per_minute: int, pauses: list[float]) -> None:
    """Whenever they are asked for: any 60 s hold no more than allowed."""
    clock = FakeClock(skip=True)
    rate = Rate(per_minute, clock)
    at = []
    for pause in pauses:
        clock.advance(pause)
        await rate.turn()
        at.append(clock.monotonic())
    for first, last in zip(at, at[per_minute:], strict=False):
        assert last - first >= 60.0 - 1e-6


async def test_a_turn_given_back_is_not_lost() -> None:
    """Who took a turn for nothing leaves it to another."""
    clock = FakeClock(skip=True)
    rate = Rate(1, clock)
    await rate.turn()
    rate.give_back()
    await rate.turn()
    assert clock.monotonic() == 0.0
    assert rate.wait_seconds() == 60.0


async def test_no_limit_never_waits() -> None:
    """0 is no limit."""
    clock = FakeClock(skip=True)
    rate = Rate(0, clock)
    for _ in range(100):
        await rate.turn()
    rate.give_back()
    assert clock.slept == []


class Crew:
    """Who was set to work, in which slot. ``wanted`` says whether there is more to do."""

    def __init__(self, width: int, seconds: float) -> None:
        self.started: list[Slot] = []
        self.wanted = False
        self.slots = Slots(width, seconds, self.started.append, lambda: self.wanted)

    async def until_started(self, number: int) -> None:
        async with asyncio.timeout(60):
            while len(self.started) < number:
                await asyncio.sleep(0.01)


async def test_a_slot_is_given_to_another_when_its_time_is_up() -> None:
    """Somebody who hangs holds up the next for no longer than a slot lasts."""
    crew = Crew(1, 0.05)
    crew.wanted = True
    hanging = crew.started[0]
    hanging.begin()
    await crew.until_started(2)
    assert not hanging.held
    hanging.release()  # late, and without effect
    assert [slot.held for slot in crew.started] == [False, True]


async def test_the_time_of_a_slot_counts_anew_for_each_thing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who does one quick thing after the other keeps the slot, as does who is at nothing."""
    now = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    (slot,) = (crew := Crew(1, 15.0)).started
    for _ in range(5):
        slot.begin()
        now += 10.0
        await asyncio.sleep(0)
        assert slot.held
    slot.pause()
    for _ in range(5):
        now += 60.0
        await asyncio.sleep(0)
        assert slot.held
    crew.wanted = True
    slot.begin()
    for _ in range(3):
        now += 15.0
        await asyncio.sleep(0)
    assert not slot.held
    assert len(crew.started) == 2


async def test_all_slots_are_waited_for() -> None:
    """The end of a pass is when nobody is at work."""
    crew = Crew(3, 60.0)
    done = asyncio.create_task(crew.slots.all_free())
    for slot in list(crew.started):
        await asyncio.sleep(0)
        assert not done.done()
        slot.release()
    async with asyncio.timeout(60):
        await done
    assert len(crew.started) == 3
