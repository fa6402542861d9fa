"""The processes of a sandbox: what they use, and their end.

The supervisor is a child subreaper: a process that outlives its parent becomes a child of the
supervisor, so nothing leaves the tree below it.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = resource.getpagesize()
_CAP_SYS_PTRACE = 19  # linux/capability.h
#: Ending a sandbox takes longer than this only if the Linux kernel cannot end a process.
END_SECONDS = 10.0
#: Processes can end as quickly as they are waited for: do something else after that many.
MOST_REAPED = 1000
#: More processes than any limit allows.
MOST_DESCENDANTS = 10_000
#: More threads than an account has.
MOST_OF_ACCOUNT = 2**20


@dataclass(frozen=True)
class Stat:
    """From ``/proc/PID/stat`` (proc(5)). CPU times are seconds; ``memory`` is resident bytes."""

    pid: int
    state: str
    parent: int
    group: int
    cpu: float
    children_cpu: float
    threads: int
    started: int
    memory: int

    @classmethod
    def read(cls, pid: int) -> "Stat | None":
        """The process; None if it has ended."""
        try:
            line = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        # The name may contain spaces and parentheses. Field 3, the state, follows the last one.
        fields = line[line.rindex(b")") + 2 :].split()
        number = [int(one) for one in fields[1:22]]
        return cls(
            pid=pid,
            state=fields[0].decode(),
            parent=number[0],
            group=number[1],
            cpu=(number[10] + number[11]) / _TICKS,
            children_cpu=(number[12] + number[13]) / _TICKS,
            threads=number[16],
            started=number[18],
            memory=number[20] * _PAGE,
        )


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    except (FileNotFoundError, ProcessLookupError):
        if not _has_children_files():
            return [one.pid for one in _everything() if one.parent == pid]
    return found


def _has_children_files() -> bool:
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # CONFIG_PROC_CHILDREN


def _everything() -> Iterator[Stat]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := Stat.read(int(name))):
            yield found


def descendants(pid: int) -> list[Stat]:
    """Everything below a process, parents first."""
    found: list[Stat] = []
    seen = {pid}
    todo = children(pid)
    while todo and len(seen) < MOST_DESCENDANTS:  # a chain of forks can be endless
        one = todo.pop(0)
        if one not in seen and (read := Stat.read(one)):
            found.append(read)
            todo += children(one)
        seen.add(one)
    return found


@dataclass
class Usage:
    """What the processes below this one use, and have used since the start."""

    memory: int = 0
    threads: int = 0
    cpu: float = 0.0
    _seen: dict[tuple[int, int], float] = field(default_factory=dict)

    def measure(self, limit: int) -> None:
        """Measure again. Shared memory is counted once when the sum would exceed ``limit``."""
        found = descendants(os.getpid())
        self.threads = sum(one.threads for one in found)
        self.memory = sum(one.memory for one in found)
        if self.memory > limit:
            self.memory = sum(_proportional(one) for one in found)
        # A process that has ended without being waited for is in no parent's sum.
        self._seen.update({(one.pid, one.started): one.cpu for one in found})
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        reported = sum(one.cpu + one.children_cpu for one in found)
        reported += ended.ru_utime + ended.ru_stime
        self.cpu = max(self.cpu, reported, sum(self._seen.values()))


def _proportional(process: Stat) -> int:
    """Resident memory with each shared page divided among its users (PSS)."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except PermissionError:  # it hides
        return process.memory
    except OSError:  # it has ended
        pass
    return 0


def may_look_into_others() -> bool:
    """Whether this process may see the open files of other accounts' processes.

    Root in a container usually may not.
    """
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_PTRACE & 1)
    return False


def threads_of_account() -> int:
    """The processes and threads of this account, as RLIMIT_NPROC counts them.

    The Linux kernel counts them on the whole machine: also in other containers, and those that
    ``/proc`` hides. So the kernel is asked, by threads that it refuses when the limit is reached.
    For accounts without a limit, such as root, the result is 0.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MOST_OF_ACCOUNT if hard == resource.RLIM_INFINITY else hard
    low, high = -1, 1
    try:
        while high < most and not _may_start_thread(high):
            low, high = high, high * 2
        high = min(high, most)
        while high - low > 1:
            middle = (low + high) // 2
            if _may_start_thread(middle):
                high = middle
            else:
                low = middle
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    # It starts a thread if fewer than "high" exist already.
    return max(0, high - 1)


def _may_start_thread(limit: int) -> bool:
    """Whether this account may have one more thread under this limit."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
    try:
        thread = threading.Thread(target=int)
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def end_all() -> bool:
    """Kill every process below this one, and wait for their end.

    Descendants become children of this process when their parents end; the loop ends when no child
    is left. A process group is killed at once, even while its processes fork. Returns False if a
    child still exists after :data:`END_SECONDS`.
    """
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        for pid in children(os.getpid()):
            _kill(pid)
        try:
            for _ in range(MOST_REAPED):
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    break
        except ChildProcessError:
            return True
    return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        os.kill(pid, signal.SIGKILL)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)
