"""Runs programs and measures their cost; compares contenders in turns.

This process must stay small, because on Linux a child's peak memory starts at that of its parent.
Therefore, only the standard library is imported here.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The cost of a run, in seconds and megabytes (10^6 bytes)."""

    wall: float
    cpu: float
    peak_mb: float
    hub_cpu: float | None = None


@dataclass(frozen=True)
class Spread:
    """A median with the minimum and maximum."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


class BenchError(Exception):
    """A contender failed, or did not do its work."""


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def run(command: Sequence[str], env: Mapping[str, str], log: Path) -> Sample:
    """Measure a run from the start of the process to its exit, including imports.

    The program runs in the folder of `log`, which receives its output, so that no files of the
    current folder (a database, a configuration) affect it.

    :raises BenchError: the program failed
    """
    with log.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdout=output,
            stderr=output,
            cwd=log.parent,
        )
        # Popen.wait() would discard the resource usage.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = log.read_text(errors="replace")[-2000:]
        raise BenchError(f"{' '.join(command)} exited with status {process.returncode}:\n{tail}")
    return Sample(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss * 1024 / 1e6,
    )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a running process, including all threads, in seconds."""
    # The second field is the name in parentheses, which can contain spaces; 14 and 15 are times.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Return the peak memory of a running process, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


class Stolen:
    """The fraction of time that a virtual machine's host has used for other machines."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._before = self._read()

    def _read(self) -> list[int]:
        try:
            return [int(field) for field in self._stat.read_text().split("\n", 1)[0].split()[1:9]]
        except OSError:  # not Linux
            return []

    def share(self) -> float:
        """Return the fraction of busy time since creation; 0 if the system does not report it."""
        # user nice system idle iowait irq softirq steal: proc(5)
        spent = [now - then for now, then in zip(self._read(), self._before, strict=True)]
        wanted = sum(spent) - sum(spent[3:5])
        return spent[7] / wanted if wanted else 0.0


@contextmanager
def background(command: Sequence[str], log: Path) -> Iterator[tuple[str, int]]:
    """Start a server that prints its address when it is ready; yield that line and the pid."""
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        if not line:
            raise BenchError(f"{' '.join(command)} did not start, see {log}")
        yield line, process.pid
    finally:
        process.terminate()
        process.communicate(timeout=30)


def in_turns(
    contenders: Mapping[str, Callable[[], Sample]], repeats: int
) -> dict[str, list[Sample]]:
    """Run A B C, A B C, ..., so that other work on the machine affects all contenders."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            samples[name].append(contender())
    return samples
