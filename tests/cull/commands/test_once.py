"""One pass, and what a signal leaves unfinished."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.errors import StoreError
from services.cull.assembly import assemble
from services.cull.commands.once import run_one_pass, unfinished_work
from services.cull.passes.results import PassResult
from services.cull.settings import CullSettings
from tests.cull.culler import HOUR
from tests.cull.plan import make_plan
from tests.fakes.hub import FakeHub


async def test_one_pass_stops_idle_servers(fake_hub: FakeHub) -> None:
    """Without a signal, the pass runs to its end."""
    plan = make_plan(fake_hub)
    fake_hub.add_server("idle", idle=2 * HOUR)
    fake_hub.add_server("busy", idle=30)
    async with assemble(plan) as parts:
        result = await run_one_pass(parts, asyncio.Event())
    assert (result.complete, result.stopped, result.seen) == (True, 1, 2)
    assert unfinished_work(result) == ""
    assert fake_hub.stopped == [("idle", "")]


async def test_after_a_signal_no_further_server_is_stopped(fake_hub: FakeHub) -> None:
    """A stop that has begun is finished, and the rest is reported as unfinished."""
    plan = make_plan(fake_hub, settings=CullSettings(concurrency=1))
    for number in range(30):
        fake_hub.add_server(f"idle{number}", idle=2 * HOUR)
    fake_hub.stop_seconds = 0.2
    stopping = asyncio.Event()
    async with assemble(plan) as parts:
        running = asyncio.create_task(run_one_pass(parts, stopping))
        async with asyncio.timeout(30):
            while not fake_hub.requests("DELETE"):
                await asyncio.sleep(0.01)
            stopping.set()
            result = await running
    assert 1 <= result.stopped < 30
    assert result.stopped == len(fake_hub.stopped)
    assert f"{30 - result.stopped} due servers or users were skipped" in unfinished_work(result)


async def test_a_database_that_cannot_be_read_is_an_error(
    fake_hub: FakeHub, tmp_path: Path
) -> None:
    """Without the holds, nothing is stopped."""
    (tmp_path / "cull.sqlite").write_bytes(b"this is not a database" * 100)
    plan = make_plan(fake_hub, db_url=f"sqlite:///{tmp_path}/cull.sqlite")
    fake_hub.add_server("idle", idle=2 * HOUR)
    async with assemble(plan) as parts:
        with pytest.raises(StoreError):
            await run_one_pass(parts, asyncio.Event())
    assert fake_hub.stopped == []


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, ""),
        ({"skipped": 3, "failures": 1}, ""),
        ({"complete": False}, "not all servers were checked"),
        (
            {"postponed": 2, "slow": 1},
            "2 due servers or users were skipped, 1 were slow to stop and may still be stopping",
        ),
    ],
    ids=["all done", "failures", "incomplete", "postponed"],
)
def test_unfinished_work_is_described(numbers: dict[str, Any], words: str) -> None:
    """Failures and servers that are no longer due do not count: they are logged elsewhere."""
    given: dict[str, Any] = {"started": datetime.now(UTC), "elapsed": 1.0, "complete": True}
    assert unfinished_work(PassResult(**(given | numbers))) == words
