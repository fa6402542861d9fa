"""Changes that wait: for how long, how many, and in which order. The clock is driven."""

import asyncio
from collections.abc import Callable

import pytest

from common.errors import HubFailed, HubUnavailable
from common.web.metrics import Metrics
from services.formgrader_proxy.metrics import FormgraderMetrics, Held
from services.formgrader_proxy.proxy.holding.hold import Holding, HoldLimits
from services.formgrader_proxy.proxy.holding.not_saved import NotSaved
from tests.fakes.clock import FakeClock

LIMITS = HoldLimits(seconds=60, per_course=2, total=3, size=100)


class Parts:
    """A Holding with what drives it, and its metrics."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stopping = asyncio.Event()
        self.registry = Metrics("formgrader", version="0")
        self.holding = Holding(self.clock, FormgraderMetrics(self.registry), self.stopping, LIMITS)

    def count(self, outcome: Held) -> float:
        name = "jupyterhub_formgrader_held_changes_total"
        return self.registry.registry.get_sample_value(name, {"outcome": outcome.value}) or 0

    def waiting(self) -> float | None:
        return self.registry.registry.get_sample_value("jupyterhub_formgrader_changes_waiting")

    async def hold(
        self, event: asyncio.Event, course: str = "sums", size: int = 10, spent: float = 0
    ) -> float:
        """Hold a change until the event; the seconds for which it was held."""
        with self.holding.change(course, size, spent) as held:
            await held.wait(event.wait(), "The formgrader is not running.")
        return held.spent


@pytest.fixture
async def parts() -> Parts:
    return Parts()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def test_a_change_is_held_until_what_it_waits_for(parts: Parts) -> None:
    """It is counted while it waits and when it goes on."""
    event = asyncio.Event()
    held = asyncio.create_task(parts.hold(event))
    await until(lambda: parts.clock.sleepers)
    assert (len(parts.holding), parts.waiting()) == (1, 1)
    parts.clock.advance(59)
    event.set()
    assert await held == 59
    assert (len(parts.holding), parts.waiting()) == (0, 0)
    assert parts.count(Held.FORWARDED) == 1


async def test_one_user_does_not_take_the_places_of_others(parts: Parts) -> None:
    """Not in one course, nor in all together."""
    holding = Holding(
        parts.clock,
        FormgraderMetrics(Metrics("formgrader", version="0")),
        parts.stopping,
        HoldLimits(per_user=2, per_course=3, total=9),
    )
    event = asyncio.Event()

    async def hold(user: str, course: str) -> None:
        with holding.change(course, 1, user=user) as held:
            await held.wait(event.wait(), "The formgrader is not running.")

    tasks = [asyncio.create_task(hold("gail", course)) for course in ("sums", "bio")]
    await until(lambda: len(holding) == 2)
    with pytest.raises(NotSaved, match="Too many"):
        await hold("gail", "sums")
    tasks.append(asyncio.create_task(hold("iris", "sums")))
    await until(lambda: len(holding) == 3)
    event.set()
    await asyncio.gather(*tasks)
    await hold("gail", "sums")


async def test_a_change_that_does_not_wait_is_not_counted(parts: Parts) -> None:
    """Almost every change goes on at once."""
    with parts.holding.change("sums", 10):
        pass
    assert [parts.count(outcome) for outcome in Held] == [0] * len(Held)


@pytest.mark.parametrize("spent", [0.0, 40.0])
async def test_the_time_is_limited(parts: Parts, spent: float) -> None:
    """All waits of one change count, also those before its body was received."""
    held = asyncio.create_task(parts.hold(asyncio.Event(), spent=spent))
    await until(lambda: parts.clock.sleepers)
    parts.clock.advance(59.9 - spent)
    await asyncio.sleep(0)
    assert not held.done()
    parts.clock.advance(0.1)
    with pytest.raises(NotSaved, match=r"The formgrader is not running\. It was held for 60 s"):
        await held
    assert parts.count(Held.TIMED_OUT) == 1
    assert len(parts.holding) == 0


async def test_no_time_is_left(parts: Parts) -> None:
    """What is ready at once is not waited for over and over."""
    event = asyncio.Event()
    event.set()
    with pytest.raises(NotSaved):
        await parts.hold(event, spent=60)


async def test_a_shutdown_ends_every_wait(parts: Parts) -> None:
    """At once, and for changes that arrive afterwards, too."""
    held = asyncio.create_task(parts.hold(asyncio.Event()))
    await until(lambda: parts.clock.sleepers)
    parts.stopping.set()
    with pytest.raises(NotSaved, match="restarting"):
        await held
    with pytest.raises(NotSaved, match="restarting"):
        await parts.hold(asyncio.Event())
    assert parts.count(Held.STOPPING) == 2


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ([("sums", 1), ("sums", 1)], ("sums", 1)),
        ([("sums", 1), ("bio", 1), ("bio", 1)], ("art", 1)),
        ([("sums", 60)], ("bio", 41)),
    ],
    ids=["per course", "in total", "bytes"],
)
async def test_the_number_is_limited(
    parts: Parts, earlier: list[tuple[str, int]], later: tuple[str, int]
) -> None:
    """A change beyond a limit is refused at once. When another has ended, there is room."""
    event = asyncio.Event()
    held = [asyncio.create_task(parts.hold(event, *one)) for one in earlier]
    await until(lambda: len(parts.holding) == len(earlier))
    with pytest.raises(NotSaved, match="Too many changes"):
        await parts.hold(event, *later)
    assert parts.count(Held.FULL) == 1
    event.set()
    await asyncio.gather(*held)
    await parts.hold(event, *later)


async def test_a_failure_while_waiting_is_raised(parts: Parts) -> None:
    """As it is, and the change does not count any more."""

    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError), parts.holding.change("sums", 10) as held:
        await held.wait(fail(), "")
    assert len(parts.holding) == 0
    assert parts.count(Held.REFUSED) == 1


async def test_the_hub_is_asked_until_it_responds(parts: Parts) -> None:
    """With growing pauses. What it says then counts."""
    answers = iter([HubUnavailable("no"), HubFailed("no"), HubUnavailable("no"), "gail"])

    async def permit() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    with parts.holding.change("sums", 10) as held:
        permitted = asyncio.create_task(held.despite_hub(permit))
        while not permitted.done():
            parts.clock.advance(0.5)
            await asyncio.sleep(0)
        assert permitted.result() == "gail"
    assert [second for second in parts.clock.slept if second <= 2] == [0.5, 1.0, 2.0]


async def test_without_the_hub_nothing_is_permitted(parts: Parts) -> None:
    """When the time is over, the user reads why."""
    parts.clock.skip = True

    async def permit() -> None:
        raise HubUnavailable("no response")

    with (
        pytest.raises(NotSaved, match="The Hub is not available"),
        parts.holding.change("sums", 10) as held,
    ):
        await held.despite_hub(permit)


async def test_changes_of_one_target_are_made_in_order(parts: Parts) -> None:
    """So the latest score wins, however they are woken. Other targets are not delayed."""
    made: list[str] = []
    events = {name: asyncio.Event() for name in ("3", "4", "other")}

    async def change(name: str, target: str) -> None:
        with parts.holding.change(target, 1) as held:
            async with parts.holding.turn(held, target):
                await events[name].wait()
                made.append(name)

    first = asyncio.create_task(change("3", "grade/1"))
    await asyncio.sleep(0)
    second = asyncio.create_task(change("4", "grade/1"))
    third = asyncio.create_task(change("other", "grade/2"))
    for name in ("4", "other"):
        events[name].set()
    await third
    assert made == ["other"]
    events["3"].set()
    await asyncio.gather(first, second)
    assert made == ["other", "3", "4"]
    assert parts.holding._turns == {}


async def test_waiting_for_an_earlier_change_is_limited(parts: Parts) -> None:
    """A change that does not end does not hold the next ones for ever, and may end later."""
    event = asyncio.Event()

    async def change() -> None:
        with parts.holding.change("sums", 1) as held:
            async with parts.holding.turn(held, "grade/1"):
                await event.wait()

    first = asyncio.create_task(change())
    await asyncio.sleep(0)
    second = asyncio.create_task(change())
    await until(lambda: parts.clock.sleepers)
    parts.clock.advance(60)
    with pytest.raises(NotSaved, match="earlier change"):
        await second
    event.set()
    await first
    await asyncio.wait_for(change(), 20)
