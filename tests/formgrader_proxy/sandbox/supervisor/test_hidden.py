"""Finding what code keeps in files without a name, in sockets and in memory mapped nowhere."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.settings import Limits
from services.formgrader_proxy.sandbox.supervisor import hidden, processes

IMPORTS = "import array, mmap, os, socket, sys, tempfile, time\n"


@contextmanager
def child(code: str) -> Iterator[int]:
    """The process id of a Python child that has executed the code and then waits."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{IMPORTS}{code}\nprint(flush=True)\ntime.sleep(60)"],
        stdout=subprocess.PIPE,
    ) as started:
        assert started.stdout
        started.stdout.readline()
        try:
            yield started.pid
        finally:
            started.kill()


def held(pid: int) -> hidden.Held:
    """What the process keeps."""
    found = processes.Stat.read(pid)
    assert found
    return hidden.held_by(found)


def test_files_without_a_name_are_found() -> None:
    """Open ones, mapped ones, and shared memory."""
    code = """
a = tempfile.TemporaryFile(); a.write(bytes(2**20)); a.flush()
b = tempfile.TemporaryFile(); b.truncate(2**21); m = mmap.mmap(b.fileno(), 2**21)
b.close(); c = mmap.mmap(-1, 2**22)
"""
    with child(code) as pid:
        stat = processes.Stat.read(pid)
        assert stat
        found = hidden.held_by(stat)
    memory = sum(size for (device, _), size in found.files.items() if device == "memory")
    assert memory == 2**22
    assert sum(found.files.values()) - memory >= 2**20 + 2**21
    assert not found.hiding
    assert hidden.held_by(stat) == hidden.Held()


def test_a_private_mapping_keeps_the_whole_file() -> None:
    """One page of it is mapped; its size is unknown then."""
    code = """
b = tempfile.TemporaryFile(); b.truncate(2**21)
m = mmap.mmap(b.fileno(), 4096, mmap.MAP_PRIVATE); b.close()
"""
    with child(code) as pid:
        assert held(pid).unknown


def test_descriptors_that_wait_in_a_socket_are_noticed() -> None:
    """The process has closed the file itself, so it is in no list of open files."""
    code = """
one, two = socket.socketpair()
f = tempfile.TemporaryFile(); f.write(bytes(2**20)); f.flush()
socket.send_fds(one, [b"x"], [f.fileno()]); f.close()
"""
    with child(code) as pid:
        found = held(pid)
    assert found.hiding
    assert sum(found.files.values()) < 2**20
    assert len(found.sockets) == 2


def limit_of(
    code: str, limits: Limits, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> str | None:
    """The limit that a watch of two processes finds exceeded within two seconds."""
    with child("") as first, child(code) as second:
        # The process that runs the tests has other children as well.
        seen = [one for pid in (first, second) if (one := processes.Stat.read(pid))]
        monkeypatch.setattr(processes, "descendants", lambda _: list(seen))
        watch = hidden.Watch(limits, [str(folder)])
        until = time.monotonic() + 2
        found = None
        while found is None and time.monotonic() < until:
            found = watch.exceeded()
        return found


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        pytest.param("kept = [socket.socketpair() for _ in range(200)]", "memory", id="sockets"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_watch_names_the_limit(
    code: str, limit: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what cannot be counted by size."""
    assert limit_of(code, Limits(memory=2**26), tmp_path, monkeypatch) == limit


def test_a_round_that_takes_too_long_counts_as_hiding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code with absurdly many mappings must not keep the supervisor busy."""
    monkeypatch.setattr(hidden, "ROUND_SECONDS", -1.0)
    assert limit_of("", Limits(), tmp_path, monkeypatch) == "files"


def test_the_free_space_counts_with_hidden_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of unknown size are measured by what the file system has lost."""
    free = iter([10**9, *[10**8] * 1000])
    monkeypatch.setattr(hidden.Watch, "_free_bytes", lambda _: next(free))
    code = "b = tempfile.TemporaryFile(); b.truncate(9); m = mmap.mmap(b.fileno(), 9); b.close()"
    assert limit_of(code, Limits(disk=2**20), tmp_path, monkeypatch) == "disk"
