"""The descendants of a process."""

import os
import signal
import subprocess
import sys

import pytest

from services.formgrader_proxy.upstream.keeper.tree import descendants, read_entry

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"])
child.wait()
"""


def test_a_process_and_its_descendants() -> None:
    """Parents come first; the process itself is not among them."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        below = descendants(os.getpid())
        pids = [one.pid for one in below]
        (child,) = descendants(parent.pid)
        assert child.parent == parent.pid
        assert pids.index(parent.pid) < pids.index(child.pid)
        assert os.getpid() not in pids
        found = read_entry(parent.pid)
        assert found is not None
        assert (found.pid, found.parent) == (parent.pid, os.getpid())
        assert found.started <= child.started
        parent.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, parent.pid, os.WSTOPPED | os.WNOWAIT)
        stopped = read_entry(parent.pid)
        assert stopped is not None
        assert stopped.state == "T"
        parent.send_signal(signal.SIGCONT)
        parent.communicate(b"\n")
    assert read_entry(parent.pid) is None


def test_cpu_time_is_measured() -> None:
    """Of a process itself, and of its children that have ended."""
    before = read_entry(os.getpid())
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    after = read_entry(os.getpid())
    assert before is not None
    assert after is not None
    assert after.ended_cpu - before.ended_cpu == pytest.approx(0.3, abs=0.25)
    assert after.ended_cpu > before.ended_cpu


@pytest.mark.parametrize("name", ["a) R 1 (b", "x y", "((("])
def test_a_name_cannot_confuse_it(name: str) -> None:
    """A process chooses its own name, which precedes the other fields."""
    code = (
        f"import ctypes; ctypes.CDLL(None).prctl(15, {name.encode()!r}, 0, 0, 0);"
        "print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = read_entry(process.pid)
        assert found is not None
        assert found.parent == os.getpid()
        process.communicate(b"\n")
