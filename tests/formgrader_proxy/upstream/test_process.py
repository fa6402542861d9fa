"""A program of its own: what it is given, what it prints, and that nothing of it is left."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from services.formgrader_proxy.upstream.process import Account, Process


def started(directory: Path, script: str, given: bytes = b"") -> Process:
    return Process(
        [sys.executable, "-c", script],
        account=Account.named(None),
        directory=directory,
        environment={"PATH": os.defpath, "ONE": "1"},
        given=given,
    )


async def lines(process: Process) -> list[str]:
    async with asyncio.timeout(20):
        return [line async for line in process.lines()]


async def test_it_reads_what_it_is_given_and_both_its_outputs_are_read(tmp_path: Path) -> None:
    """Its standard input ends after what it was given."""
    script = """
import os, sys
print(sys.stdin.read(), os.environ.get("ONE"), os.environ.get("HOME"), os.getcwd(), flush=True)
print("oh", file=sys.stderr)
sys.exit(7)
"""
    process = started(tmp_path, script, b"word")
    assert await lines(process) == [f"word 1 None {tmp_path}", "oh"]
    assert await process.wait() == 7


async def test_a_line_without_end_costs_only_itself(tmp_path: Path) -> None:
    """What is printed in one piece of many megabytes is not kept."""
    script = "print('a' * 3_000_000); print('b')"
    process = started(tmp_path, script)
    found = await lines(process)
    assert found[-1] == "b"
    assert max(map(len, found)) < 2**17
    assert await process.wait() == 0


async def test_one_that_never_reads_what_it_is_given(tmp_path: Path) -> None:
    """It may have died before, and we live on."""
    process = started(tmp_path, "import os; os.close(0)", b"x" * 2**16)
    assert await lines(process) == []
    assert await process.wait() == 0


async def test_more_than_a_pipe_holds_is_a_fault_of_ours(tmp_path: Path) -> None:
    """Writing it would wait for the reader, and all requests with it."""
    with pytest.raises(AssertionError):
        started(tmp_path, "", b"x" * (2**16 + 1))


async def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    """As an OSError, whose text names it."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        Process(
            ["/no-such-program"],
            account=Account.named(None),
            directory=tmp_path,
            environment={},
            given=b"",
        )


async def test_its_end_is_that_of_all_it_started(tmp_path: Path) -> None:
    """Also of what outlives it, and of what does not listen."""
    script = """
import signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', "
child = subprocess.Popen([sys.executable, "-c", deaf + "flush=True); time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
    process = started(tmp_path, script)
    found = process.lines()
    async with asyncio.timeout(20):
        first = {await anext(found), await anext(found)}
        (child,) = [psutil.Process(int(line)) for line in first - {"deaf"}]
        await process.end()
        assert await process.wait() == -signal.SIGTERM
        async for _ in found:  # ends when no writer is left
            raise AssertionError
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert (len(gone), alive) == (1, [])


async def test_the_end_of_one_that_has_ended(tmp_path: Path) -> None:
    """It takes no time and raises nothing."""
    process = started(tmp_path, "")
    assert await lines(process) == []
    await process.wait()
    await process.end()


def test_an_account_that_is_not_there() -> None:
    """Nothing is run as somebody else in its place."""
    with pytest.raises(LookupError):
        Account.named("no-such-account")
