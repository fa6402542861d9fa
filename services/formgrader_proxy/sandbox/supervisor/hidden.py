"""Disk space and memory that code keeps where no folder and no process shows it."""

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.formgrader_proxy.sandbox.settings import Limits
from services.formgrader_proxy.sandbox.supervisor import processes
from services.formgrader_proxy.sandbox.supervisor.processes import Stat

#: Code that hides its files for longer than this, at this many looks in a row, does so on purpose.
#: For a moment files are also hidden while a process starts or ends, or descriptors are passed on.
HIDING_SECONDS, HIDING_ROUNDS = 1.0, 3
#: A round is interrupted after this time, and continued later: meanwhile nothing else is watched.
SLICE_SECONDS = 0.02
#: CPU time for a round. Only code with absurdly many descriptors or mappings takes longer.
ROUND_SECONDS = 1.5
#: What the Linux kernel holds for a pipe, and for a socket if net.core.wmem_default is unknown.
_PIPE_BYTES, _SOCKET_BYTES = 65536, 212992


@dataclass
class Held:
    """What one process, or all of them, keep.

    ``files`` are bytes in files that have no name any more, by device and inode. Anonymous memory
    that processes share is the device "memory": after madvise(2) it is resident in no process.
    """

    files: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Inodes of sockets and pipes.
    sockets: set[int] = field(default_factory=set)
    pipes: set[int] = field(default_factory=set)
    #: Files are held whose size cannot be found: only mapped, or on their way to a process.
    unknown: bool = False
    #: A process forbids to look at its files, or descriptors wait in a socket.
    hiding: bool = False

    def add(self, other: "Held") -> None:
        """Add what another process keeps."""
        self.files |= other.files
        self.sockets |= other.sockets
        self.pipes |= other.pipes
        self.unknown |= other.unknown
        self.hiding |= other.hiding


def held_by(process: Stat) -> Held:
    """What a process keeps; nothing if it has ended."""
    found = Held()
    if process.state == "Z" and process.threads <= 1:  # nobody has waited for it yet
        return found
    try:
        _add_open(process.pid, found)
        _add_mapped(process.pid, found)
    except (FileNotFoundError, ProcessLookupError):
        pass
    except PermissionError:
        found.hiding = found.unknown = True
    return found


def _add_open(pid: int, found: Held) -> None:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            status = os.stat(f"{folder}/{name}")
            if stat.S_ISSOCK(status.st_mode):
                found.sockets.add(status.st_ino)
                if _descriptors_wait(Path(f"/proc/{pid}/fdinfo/{name}").read_bytes()):
                    found.hiding = found.unknown = True
            elif stat.S_ISFIFO(status.st_mode):
                found.pipes.add(status.st_ino)
            elif not status.st_nlink and stat.S_ISREG(status.st_mode):
                found.files[str(status.st_dev), status.st_ino] = status.st_blocks * 512


def _descriptors_wait(information: bytes) -> bool:
    """Whether descriptors wait in a unix socket (proc_pid_fdinfo(5); Linux 5.6)."""
    for line in information.splitlines():
        if line.startswith(b"scm_fds:"):
            return int(line.split()[1]) > 0
    return False


def _add_mapped(pid: int, found: Held) -> None:
    for line in Path(f"/proc/{pid}/maps").read_bytes().splitlines():
        if not line.endswith(b"(deleted)"):
            continue
        span, modes, _, device, inode, name = line.split(maxsplit=5)
        first, last = (int(one, 16) for one in span.split(b"-"))
        number = os.makedev(*(int(one, 16) for one in device.split(b":")))
        if name.startswith(b"/dev/zero") and modes.endswith(b"s"):
            key = ("memory", int(inode))
        else:
            key = (str(number), int(inode))
            # A small part of a file keeps all of it. Semaphores and shared memory are in no file.
            found.unknown |= not name.startswith(b"/dev/shm/")
        found.files[key] = max(found.files.get(key, 0), last - first)


class Watch:
    """Looks into all processes below this one, again and again, a short time at once."""

    def __init__(self, limits: Limits, folders: list[str]) -> None:
        """``folders`` are those on whose file systems the code can write."""
        self._limits = limits
        self._folders = folders
        self._free = self._free_bytes()
        self._todo: list[Stat] | None = None
        self._found = Held()
        self._since = 0.0
        self._rounds = 0
        self._spent = 0.0
        self._socket_bytes = _socket_bytes()

    def exceeded(self) -> str | None:
        """Continue the round. At its end, the name of the exceeded limit, if any."""
        if self._todo is None:
            self._todo, self._found = processes.descendants(os.getpid()), Held()
            self._spent = 0.0
        started, until = time.process_time(), time.monotonic() + SLICE_SECONDS
        while self._todo and time.monotonic() < until:
            self._found.add(held_by(self._todo.pop()))
        self._spent += time.process_time() - started
        if self._spent > ROUND_SECONDS:
            return "files"
        if self._todo:
            return None
        self._todo = None
        return self._judge(self._found)

    @property
    def in_round(self) -> bool:
        """Whether a round is to be continued."""
        return self._todo is not None

    def _judge(self, found: Held) -> str | None:
        now = time.monotonic()
        self._since = self._since if self._rounds else now
        self._rounds = self._rounds + 1 if found.hiding else 0
        if self._rounds >= HIDING_ROUNDS and now - self._since > HIDING_SECONDS:
            return "files"
        memory = sum(size for (device, _), size in found.files.items() if device == "memory")
        buffers = self._socket_bytes * len(found.sockets) + _PIPE_BYTES * len(found.pipes)
        if max(memory, buffers) > self._limits.memory:
            return "memory"
        if sum(found.files.values()) - memory > self._limits.disk:
            return "disk"
        # Others use the same disk, so its free space counts only together with hidden files.
        if found.unknown and self._free - self._free_bytes() > self._limits.disk:
            return "disk"
        return None

    def _free_bytes(self) -> int:
        free: dict[int, int] = {}
        for folder in self._folders:
            with suppress(OSError):
                status = os.statvfs(folder)
                free[status.f_fsid] = status.f_bavail * status.f_frsize
        return sum(free.values())


def _socket_bytes() -> int:
    """What a socket can hold (socket(7)). The code cannot change it."""
    with suppress(OSError, ValueError):
        return int(Path("/proc/sys/net/core/wmem_default").read_text("ascii"))
    return _SOCKET_BYTES
