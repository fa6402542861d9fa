"""A child process: its standard input, its output, and its complete end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from services.formgrader_proxy.upstream.process.process import Account, Process


def started(directory: Path, script: str, stdin: bytes = b"") -> Process:
    return Process(
        [sys.executable, "-c", script],
        account=Account.named(None),
        directory=directory,
        environment={"PATH": os.defpath, "ONE": "1"},
        stdin=stdin,
    )


async def lines(process: Process) -> list[str]:
    async with asyncio.timeout(20):
        return [line async for line in process.lines()]


async def test_its_input_and_both_outputs(tmp_path: Path) -> None:
    """It reads all of its standard input; its environment and directory are as specified."""
    script = """
import os, sys
print(sys.stdin.read(), os.environ.get("ONE"), os.environ.get("HOME"), os.getcwd(), flush=True)
print("oh", file=sys.stderr)
sys.exit(7)
"""
    process = started(tmp_path, script, b"word")
    assert await lines(process) == [f"word 1 None {tmp_path}", "oh"]
    assert await process.wait() == 7


async def test_an_overlong_line_is_cut(tmp_path: Path) -> None:
    """A line of many megabytes is not kept; later lines are."""
    process = started(tmp_path, "print('a' * 3_000_000); print('b')")
    first, second = await lines(process)
    assert first == "a" * 2000 + " ... (cut)"
    assert second == "b"
    assert await process.wait() == 0


async def test_it_may_ignore_its_input(tmp_path: Path) -> None:
    """Writing to a closed pipe does no harm."""
    process = started(tmp_path, "import os; os.close(0)", b"x" * 2**16)
    assert await lines(process) == []
    assert await process.wait() == 0


async def test_an_input_larger_than_a_pipe_is_refused(tmp_path: Path) -> None:
    """Writing it would block the event loop until it is read."""
    with pytest.raises(AssertionError):
        started(tmp_path, "", b"x" * (2**16 + 1))


async def test_a_missing_program_is_named_in_the_log(tmp_path: Path) -> None:
    """And the exit code is that of a shell."""
    process = Process(
        ["/no-such-program"],
        account=Account.named(None),
        directory=tmp_path,
        environment={},
        stdin=b"",
    )
    (line,) = await lines(process)
    assert line.startswith("it could not be started:")
    assert "/no-such-program" in line
    assert await process.wait() == 127


async def test_its_descendants_end_with_it(tmp_path: Path) -> None:
    """Even one that outlives it and ignores SIGTERM."""
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
        async for _ in found:  # ends when the last writer has ended
            raise AssertionError
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert (len(gone), alive) == (1, [])


async def test_ending_it_twice_does_nothing(tmp_path: Path) -> None:
    """Without a delay or an exception."""
    process = started(tmp_path, "")
    assert await lines(process) == []
    await process.wait()
    await process.end()


def test_an_unknown_account_is_a_lookup_error() -> None:
    """No other account is used instead."""
    with pytest.raises(LookupError):
        Account.named("no-such-account")
