"""The processes below a supervisor."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.supervisor import processes
from tests.paths import ROOT


def child(code: str) -> "subprocess.Popen[str]":
    """A Python child that prints a line when it is ready."""
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert started.stdout
    started.stdout.readline()
    return started


def test_a_process_is_read() -> None:
    """Its parent, threads, memory and CPU time."""
    found = processes.Stat.read(os.getpid())
    assert found
    assert found.parent == os.getppid()
    assert found.threads >= 1
    assert 2**20 < found.memory < 2**40
    assert 0 < found.cpu < 10**6
    assert processes.Stat.read(2**22 + 1) is None


def test_descendants_are_found() -> None:
    """Children and their children, parents first."""
    started = child(
        "import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True);"
        "p.wait()"
    )
    found = [one.pid for one in processes.descendants(os.getpid())]
    inner = processes.children(started.pid)
    assert found.index(started.pid) < found.index(inner[0])
    os.kill(inner[0], 9)
    started.wait()
    assert started.stdout
    started.stdout.close()


@pytest.mark.parametrize("without", [False, True], ids=["children files", "scan"])
def test_children_without_the_kernels_list(without: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the Linux kernel does not list children, all processes are read."""
    if without:
        real = Path.read_bytes

        def read_bytes(self: Path) -> bytes:
            if self.name == "children":
                raise FileNotFoundError
            return real(self)

        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        monkeypatch.setattr(processes, "_has_children_files", lambda: False)
    with subprocess.Popen(["sleep", "60"]) as started:
        assert started.pid in processes.children(os.getpid())
        started.kill()


SUBREAPER = """
import ctypes, os, sys, time
from services.formgrader_proxy.sandbox.supervisor import processes
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
end = time.time() + 25  # in case the test fails
for number in range(10):
    if not os.fork():
        os.setsid()
        {code}
time.sleep(0.3)
print(processes.end_all(), processes.children(os.getpid()))
"""


@pytest.mark.parametrize(
    "code",
    [
        "os.fork() and os._exit(0); time.sleep(60)",
        "os.kill(os.getpid(), 19)",
        "exec('while time.time() < end: os.fork() and os._exit(0)')",
        "exec('while time.time() < end: os.fork() and os._exit(0); os.setsid()')",
    ],
    ids=["detached", "stopped", "hopping", "hopping between sessions"],
)
def test_everything_ends(code: str) -> None:
    """Also what left its parent, is stopped, or changes its process id all the time."""
    done = subprocess.run(
        [sys.executable, "-c", SUBREAPER.format(code=code)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert done.stdout == "True []\n", done.stderr


def test_cpu_time_of_ended_processes_counts() -> None:
    """Also of those whose parent did not wait for them."""
    usage = processes.Usage()
    started = child(
        "import time\nprint(flush=True)\nend = time.process_time() + 0.5\n"
        "while time.process_time() < end: pass"
    )
    deadline = time.monotonic() + 60
    while started.poll() is None and time.monotonic() < deadline:
        usage.measure(2**40)
    usage.measure(2**40)
    assert usage.cpu > 0.4
    assert started.stdout
    started.stdout.close()


def test_shared_memory_is_counted_once() -> None:
    """Processes that were forked share most of their memory."""
    usage = processes.Usage()
    started = child(
        "import os, time\nkept = bytearray(os.urandom(2**10)) * 2**16\n"
        "for _ in range(4):\n  if not os.fork(): time.sleep(60)\n"
        "print(flush=True)\ntime.sleep(60)"
    )
    usage.measure(2**40)
    apart = usage.memory
    usage.measure(2**20)
    assert usage.memory < apart / 2
    for one in processes.descendants(started.pid):
        os.kill(one.pid, 9)
    started.kill()
    started.wait()
    assert started.stdout
    started.stdout.close()


THREADS = """
import os, resource, subprocess
from services.formgrader_proxy.sandbox.supervisor import processes
os.setresgid(61997, 61997, 61997); os.setresuid(61997, 61997, 61997)
before = resource.getrlimit(resource.RLIMIT_NPROC)
kept = [subprocess.Popen(["sleep", "60"]) for _ in range(20)]
print(processes.threads_of_account(), resource.getrlimit(resource.RLIMIT_NPROC) == before)
for one in kept: one.kill(); one.wait()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an account without processes")
def test_threads_of_an_account() -> None:
    """Counted by the Linux kernel, even where /proc hides them; the limit is as before."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, cwd=ROOT, check=True
    )
    number, restored = done.stdout.split()
    assert 21 <= int(number) <= 23  # a thread that has just ended may still count
    assert restored == "True"


def test_root_has_no_limit_of_threads() -> None:
    """The search ends, and says whether other accounts' processes are visible."""
    assert processes.threads_of_account() >= 0
    assert isinstance(processes.may_look_into_others(), bool)
