"""The recorder as a service: leadership, readiness, metrics and shutdown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from common.errors import StoreUnavailable
from common.web.metrics import Metrics
from services.stats.metrics import StatsMetrics
from services.stats.record.recorder import Recorder
from services.stats.record.service import Service
from tests.fakes.clock import FakeClock
from tests.stats.record.scenarios.recorders import Scenario


class Served:
    """A service, with what it reports."""

    def __init__(self, recorder: Recorder, clock: FakeClock) -> None:
        self.reasons: dict[str, str | None] = {}
        self.registry = Metrics("stats")
        self.followed = 0
        self.service = Service(
            recorder=recorder,
            clock=clock,
            metrics=StatsMetrics(self.registry),
            set_readiness=self.reasons.__setitem__,
            after_poll=self.after_poll,
        )

    async def after_poll(self) -> None:
        """Count the calls."""
        self.followed += 1

    def is_waiting(self) -> bool:
        """Whether another recorder is the leader."""
        return self.service.waiting

    def metric(self, name: str) -> str:
        """The value of a metric without labels."""
        lines = self.registry.text().decode().splitlines()
        return next(line for line in lines if line.startswith(f"jupyterhub_stats_{name} "))[
            len(f"jupyterhub_stats_{name} ") :
        ]


@pytest.fixture
async def served(scenario: Scenario) -> Served:
    """A service whose recorder has not polled yet."""
    return Served(await scenario.recorder(), scenario.clock)


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition is met."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


@asynccontextmanager
async def running(
    served: Served, prepare: Callable[[], object] | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """The service in the background, asked to stop at the end."""
    stopping = asyncio.Event()

    async def prepared() -> None:
        if prepare is not None:
            await prepare()  # type: ignore[misc]  # a coroutine function

    task = asyncio.create_task(served.service.run(stopping, prepared))
    try:
        yield task
    finally:
        stopping.set()
        await asyncio.wait([task])


async def test_a_written_poll_makes_the_service_ready(scenario: Scenario, served: Served) -> None:
    """After a complete poll every part is ready, and the metrics show it."""
    scenario.start("ana")
    result = await served.service.poll()
    assert result.written
    assert served.reasons == {"poll": None, "database": None, "hub": None}
    assert (served.metric("running_servers"), served.metric("leading")) == ("1.0", "1.0")
    assert served.followed == 1


async def test_an_incomplete_poll_is_the_fault_of_the_hub(
    scenario: Scenario, served: Served
) -> None:
    """If the Hub fails, only the Hub is not ready; the incomplete poll is still written."""
    scenario.fake.fail(path="state=active", kind="status", status=500)
    result = await served.service.poll()
    assert result.written
    assert served.reasons["hub"] == result.error
    assert "500" in result.error
    assert (served.reasons["poll"], served.reasons["database"]) == (None, None)


async def test_a_failed_write_is_the_fault_of_the_database(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database is away, it is not ready, and nothing follows the poll."""

    async def away(*args: object, **kwargs: object) -> bool:
        raise StoreUnavailable("no route to host")

    monkeypatch.setattr(served.service.recorder.store, "write", away)
    await served.service.poll()
    assert served.reasons == {
        "database": "the database is unavailable: no route to host",
        "hub": None,
    }
    assert served.metric("backlog_rows") != "0.0"
    assert served.followed == 0


async def test_a_second_instance_waits_and_is_ready(scenario: Scenario, served: Served) -> None:
    """While another recorder is the leader, the service waits; it polls when that one stops."""
    first = await scenario.leading()
    polling = asyncio.create_task(served.service.poll())
    await until(lambda: scenario.clock.sleepers > 0)
    assert served.is_waiting()
    assert served.reasons == {"poll": None}
    assert served.metric("leading") == "0.0"
    await first.close()
    scenario.clock.advance(5)
    assert (await polling).written
    assert not served.is_waiting()
    assert served.metric("leading") == "1.0"


async def test_waiting_for_the_database_backs_off(
    scenario: Scenario, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database is away at the start, the service retries after 1, 2 and 4 seconds."""
    take_leadership = served.service.recorder.store.take_leadership
    failures = [StoreUnavailable("refused")] * 3

    async def refuse() -> int:
        if failures:
            raise failures.pop()
        return await take_leadership()

    monkeypatch.setattr(served.service.recorder.store, "take_leadership", refuse)
    scenario.clock.skip = True
    result = await served.service.poll()
    assert result.written
    assert scenario.clock.slept[:3] == [1.0, 2.0, 4.0]
    assert served.reasons["database"] is None


async def test_a_late_poll_makes_the_service_not_ready(scenario: Scenario, served: Served) -> None:
    """If no poll was written for three intervals, the service says for how long."""

    async def wait_forever() -> None:
        await asyncio.Event().wait()

    async with running(served, wait_forever):
        for _ in range(31):
            await until(lambda: scenario.clock.sleepers > 0)
            scenario.clock.advance(30)
        await until(lambda: "poll" in served.reasons)
    assert served.reasons["poll"] == "no poll has been written for 930 s"


async def test_stopping_gives_up_leadership(scenario: Scenario, served: Served) -> None:
    """After a stop another recorder can take over at once."""
    async with running(served) as task:
        await until(lambda: served.followed > 0)
    assert task.exception() is None
    assert not served.service.recorder.is_leader
    assert await (await scenario.recorder()).acquire_leadership()


async def test_an_error_while_preparing_ends_the_service(served: Served) -> None:
    """An error is raised rather than waiting forever, and nothing was polled."""

    async def fail() -> None:
        raise RuntimeError("broken")

    async with running(served, fail) as task:
        await asyncio.wait([task])
    with pytest.raises(RuntimeError, match="broken"):
        await task
    assert served.reasons == {}
