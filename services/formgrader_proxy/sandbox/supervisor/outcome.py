"""How a sandbox ended, for the people who read about it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from services.formgrader_proxy.sandbox.settings import MIB, Limits

#: What is kept of the kernel's own output, and of the list of removed files.
MOST_OUTPUT, MOST_REMOVED = 4096, 50


@dataclass(frozen=True)
class Outcome:
    """``limit`` is the name of the exceeded limit. ``exit_code`` is negative for a signal."""

    limit: str | None = None
    message: str | None = None
    removed: Sequence[str] = ()
    exit_code: int | None = None
    output: str = ""

    def write(self, path: Path) -> None:
        """Replace the file at once, so that a reader never sees half of it."""
        values = asdict(self) | {"removed": list(self.removed[:MOST_REMOVED])}
        new = path.with_suffix(".new")
        new.write_text(json.dumps(values), encoding="ascii")
        os.replace(new, path)


def sentence(limit: str, limits: Limits) -> str:
    """What happened, for the page of the submission."""
    return {
        "memory": f"The code used more than {_size(limits.memory)} of memory.",
        "cpu": f"The code used more than {limits.cpu_seconds:,} s of CPU time.",
        "processes": f"The code started more than {limits.processes:,} processes and threads.",
        "files": f"The code created more than {limits.files:,} files, or hid files.",
        "disk": f"The code wrote more than {_size(limits.disk)} to the disk.",
    }[limit] + " It was stopped."


def _size(number: int) -> str:
    return f"{number / MIB:,.0f} MiB" if number < 1024 * MIB else f"{number / MIB / 1024:,.1f} GiB"
