"""Hiding a process's environment and memory, and ending it with its parent."""

import subprocess
import sys
import time

import psutil

from tests.paths import ROOT

CODE = """
import ctypes
from common.prctl import hide_process
print(hide_process(), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_a_process_hides_itself() -> None:
    """The kernel marks it as not dumpable, so other processes cannot read it."""
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0"]


def test_a_process_ends_with_its_parent() -> None:
    """Even if the parent was killed and could not stop anything itself."""
    child = (
        "import os, time; from common.prctl import end_with_parent;"
        "end_with_parent(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
