"""What a course chooses for its sandbox: the mechanism, network access and limits.

Plain values without imports from the rest of the service: the supervisor of a sandbox, which must
start quickly, reads them too.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

MIB = 2**20


class Mechanism(StrEnum):
    """How a kernel is isolated, best first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    #: No isolation at all: the code runs as the formgrader, without limits.
    NONE = "none"


@dataclass(frozen=True)
class Limits:
    """What one notebook may use. The defaults are far above what course notebooks need.

    ``memory`` and ``disk`` are bytes: the resident memory of all processes together, and the size
    of the notebook's folder and temporary files together. ``files`` counts the files in both.
    ``processes`` counts processes and threads.
    """

    memory: int = 2048 * MIB
    cpu_seconds: int = 600
    processes: int = 128
    files: int = 5000
    disk: int = 1024 * MIB


@dataclass(frozen=True)
class SandboxSettings:
    """A course's sandbox.

    ``mechanism`` None is the best one available. ``readable`` are further files and folders that
    the code may read, besides its own folder, the released files and the installed software.
    """

    mechanism: Mechanism | None = None
    network: bool = False
    limits: Limits = field(default_factory=Limits)
    readable: tuple[Path, ...] = ()

    def to_json(self) -> str:
        """These settings as one JSON object."""
        return json.dumps(asdict(self) | {"readable": [str(path) for path in self.readable]})

    @classmethod
    def from_json(cls, text: str) -> "SandboxSettings":
        """The settings that :meth:`to_json` wrote.

        :raises ValueError: it is not such an object
        """
        values: Any = json.loads(text)
        known = {one.name for one in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= known:
            raise ValueError(f"expected an object with {', '.join(sorted(known))}")
        try:
            mechanism = values.get("mechanism")
            return cls(
                mechanism=None if mechanism is None else Mechanism(mechanism),
                network=bool(values.get("network", False)),
                limits=Limits(**values.get("limits", {})),
                readable=tuple(Path(one) for one in values.get("readable", ())),
            )
        except TypeError as error:
            raise ValueError(str(error)) from error
