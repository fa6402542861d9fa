"""Leadership: only one recorder at a time, and what frees the lock."""

from collections.abc import Callable

from services.stats.store import tables as t
from tests.stats.record.scenarios.recorders import Scenario


async def test_second_recorder_waits_and_takes_over(scenario: Scenario) -> None:
    """Only one of two recorders on a database records; the other takes over when it stops."""
    first, second = await scenario.leading(), await scenario.recorder()
    assert not await second.acquire_leadership()
    await first.poll()
    await first.close()
    assert await second.acquire_leadership()
    scenario.pass_minutes(5)
    await second.poll()
    assert len(await scenario.rows(t.polls)) == 2


async def test_a_recorder_that_lost_the_lock_writes_nothing(
    make_scenario: Callable[[str], Scenario], postgres_url: str
) -> None:
    """If another recorder took over, a write is rejected and the old leader waits."""
    scenario = make_scenario(postgres_url)
    first, second = await scenario.leading(), await scenario.recorder()
    await first.poll()
    await first.lock.release()
    assert await second.acquire_leadership()
    scenario.pass_minutes(5)
    result = await first.poll()
    assert "another recorder has taken over" in result.error
    assert not first.is_leader
    assert not await first.acquire_leadership()
    assert len(await scenario.rows(t.polls)) == 1
