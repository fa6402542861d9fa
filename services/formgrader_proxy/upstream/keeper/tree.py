"""The descendants of a process, read from ``/proc``: which there are, and the CPU they used.

The format is that of ``/proc/<pid>/stat`` in proc(5). A process that ends while it is read is
omitted.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Entry(NamedTuple):
    """A process. ``own_cpu`` are seconds; ``ended_cpu`` those of children that have ended.

    ``state`` is one letter: R, S, D, T (stopped), t (traced), Z (zombie), ... ``started`` are
    clock ticks since the system started.
    """

    pid: int
    parent: int
    state: str
    own_cpu: float
    ended_cpu: float
    started: int


def read_entry(pid: int) -> Entry | None:
    """The entry of this process; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The second field, the name in parentheses, can contain anything, also parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    times = [int(field) / _TICKS for field in fields[11:15]]
    own, ended = times[0] + times[1], times[2] + times[3]
    return Entry(pid, int(fields[1]), fields[0], own, ended, int(fields[19]))


def descendants(root: int) -> list[Entry]:
    """The processes below ``root``, parents before their children, without ``root`` itself."""
    children: dict[int, list[Entry]] = {}
    for entry in _all():
        children.setdefault(entry.parent, []).append(entry)
    found = list(children.get(root, ()))
    for entry in found:  # grows while it is read
        found.extend(children.get(entry.pid, ()))
    return found


def children() -> set[int]:
    """The children of this process, also those that have ended and were not waited for.

    Much faster than :func:`descendants`: one file (``CONFIG_PROC_CHILDREN``). Empty without it.
    """
    try:
        return {
            int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_bytes().split()
        }
    except OSError:
        return set()


def _all() -> Iterator[Entry]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdecimal() and (entry := read_entry(int(name))):
            yield entry
