"""Whether a formgrader is busy or stuck: the decision, and real processes that are either."""

import asyncio
import dataclasses
import signal
from pathlib import Path

import psutil
import pytest

from services.formgrader_proxy.upstream.process.health import Observation, Patience, judge
from services.formgrader_proxy.upstream.supervisor import State
from tests.fakes.formgrader import do, running, until

PATIENCE = Patience(unused=120, waiting=600, working=1800)
#: Autograding: silent for ten minutes, and a kernel has just used the CPU.
BUSY = Observation(
    answered=1000,
    progressed=1,
    children_progressed=1,
    refused=0,
    handling=True,
    halted=False,
)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"answered": 100_000}, None),
        ({"handling": False}, "nothing to do"),
        ({"handling": False, "answered": 120}, "nothing to do"),
        ({"handling": False, "answered": 119}, None),
        ({"halted": True}, "stopped"),
        ({"halted": True, "answered": 119}, None),
        ({"progressed": 600, "children_progressed": 600}, "did nothing"),
        ({"progressed": 599, "children_progressed": 599}, None),
        ({"answered": 599, "progressed": 900, "children_progressed": 900}, None),
        ({"answered": 3000, "children_progressed": 1799}, None),
        ({"answered": 3000, "children_progressed": 1800}, "did not respond for 3000 s"),
        ({"refused": 1}, None),
        ({"refused": 2, "answered": 1}, "no longer accepted"),
    ],
    ids=str,
)
def test_the_decision(changes: dict[str, float], why: str | None) -> None:
    """A busy formgrader, and one or two differences; at the limit it is stuck."""
    found = judge(dataclasses.replace(BUSY, **changes), PATIENCE)  # type: ignore[arg-type]  # by name
    assert found is None if why is None else why in str(found)


#: Much shorter than in practice.
SHORT = Patience(unused=2, waiting=4, working=600, interval=0.1, probe=0.5)


def formgrader() -> psutil.Process:
    """The process, without its keeper."""
    found = [one for one in psutil.Process().children(recursive=True) if len(one.cmdline()) == 3]
    (process,) = [one for one in found if "run_app" in one.cmdline()[2]]
    return process


async def test_a_stuck_one_is_replaced(tmp_path: Path) -> None:
    """The reason is shown until the next one runs."""
    async with running(tmp_path, patience=SHORT) as supervisor:
        first = formgrader()
        first.send_signal(signal.SIGSTOP)
        await until(lambda: supervisor.state is State.PAUSING)
        assert "its process was stopped" in str(supervisor.trouble)
        await until(supervisor.ready)
        assert not supervisor.trouble
        assert not first.is_running()
        assert await do(supervisor, "answer = 7") == 7


async def test_a_busy_one_is_kept(tmp_path: Path) -> None:
    """A child uses the CPU for much longer than the limit, as a kernel does."""
    async with running(tmp_path, patience=dataclasses.replace(SHORT, waiting=1)) as supervisor:
        first = formgrader()
        work = "import time\nend = time.time() + 5\nwhile time.time() < end: pass"
        with supervisor.in_use():
            assert await do(
                supervisor,
                f"subprocess.run([sys.executable, '-c', {work!r}], check=True); answer = 1",
            )
        assert supervisor.state is State.RUNNING
        assert first.is_running()


async def test_one_that_waits_in_vain_is_stuck(tmp_path: Path) -> None:
    """It handles a request, but nothing uses the CPU. Later requests do not help it."""
    async with running(tmp_path, patience=SHORT) as supervisor:
        with supervisor.in_use():
            request = asyncio.create_task(do(supervisor, "time.sleep(600)", seconds=60))
            await until(lambda: supervisor.state is State.PAUSING)
        assert "did nothing in the meantime" in str(supervisor.trouble)
        await asyncio.gather(request, return_exceptions=True)


async def test_a_request_that_came_later_is_no_reason_to_wait(tmp_path: Path) -> None:
    """Users who reload the page do not keep a stuck formgrader alive."""
    patience = dataclasses.replace(SHORT, waiting=600)
    async with running(tmp_path, patience=patience) as supervisor:
        await do(supervisor, "time.sleep(600)", seconds=0.5)
        with supervisor.in_use():
            await until(lambda: supervisor.state is State.PAUSING)
        assert "nothing to do" in str(supervisor.trouble)
