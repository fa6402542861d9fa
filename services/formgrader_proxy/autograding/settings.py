"""What a course sets for autograding: the sandbox, and the limits of a notebook.

The same three settings come from a courses file, from the environment of a formgrader's container,
and from an nbgrader_config.py. docs/formgrader.md is the reference.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from common.config.suggestions import did_you_mean
from services.formgrader_proxy.autograding.files.submissions import Bounds
from services.formgrader_proxy.sandbox.settings import MIB, Limits, Mechanism, SandboxSettings

#: The names of the settings.
KEYS = ("sandbox", "sandbox_network", "limits")
#: The value of ``sandbox`` for the best mechanism available.
AUTO = "auto"
_MECHANISMS = (AUTO, *Mechanism)

NOT_ISOLATED = (
    'Submissions of this course are autograded without isolation (sandbox = "none"): the code of a'
    " submission can read and change all grades."
)

#: Reports a problem: the setting, and what is wrong with it.
Wrong = Callable[[str, str], None]


class Limit(NamedTuple):
    """The default of a limit, and the smallest and largest value that a course can set."""

    default: int
    low: int
    high: int


_SANDBOX = Limits()
#: The limits by name. Each applies to the execution of one notebook.
LIMITS: Mapping[str, Limit] = {
    "memory_mb": Limit(_SANDBOX.memory // MIB, 128, 2**20),
    "cpu_seconds": Limit(_SANDBOX.cpu_seconds, 1, 86_400),
    "processes": Limit(_SANDBOX.processes, 8, 100_000),
    "files": Limit(_SANDBOX.files, 10, 10_000_000),
    "disk_mb": Limit(_SANDBOX.disk // MIB, 1, 2**20),
    "output_mb": Limit(20, 1, 1024),
    "seconds": Limit(900, 1, 86_400),
}


@dataclass(frozen=True)
class AutogradingSettings:
    """How a course's submissions are autograded.

    ``output_bytes`` is the size of all messages that a notebook's kernel may send, ``seconds`` the
    time that a notebook may take from the start of its kernel to the end.
    """

    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    output_bytes: int = LIMITS["output_mb"].default * MIB
    seconds: int = LIMITS["seconds"].default

    @property
    def bounds(self) -> Bounds:
        """What a submission may contain."""
        return Bounds(files=self.sandbox.limits.files, total_bytes=self.sandbox.limits.disk)

    @property
    def isolated(self) -> bool:
        """Whether the course wants its submissions isolated."""
        return self.sandbox.mechanism is not Mechanism.NONE

    @property
    def notice(self) -> str:
        """A warning for every page of the course; empty if its submissions are isolated."""
        return "" if self.isolated else NOT_ISOLATED

    def to_json(self) -> dict[str, Any]:
        """These settings as JSON values."""
        return {
            "sandbox": json.loads(self.sandbox.to_json()),
            "output_bytes": self.output_bytes,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "AutogradingSettings":
        """The settings that :meth:`to_json` returned. :raises ValueError: they are invalid"""
        sandbox = SandboxSettings.from_json(json.dumps(values["sandbox"]))
        return cls(sandbox, int(values["output_bytes"]), int(values["seconds"]))


def read_settings(table: Mapping[str, Any], wrong: Wrong) -> AutogradingSettings:
    """The settings in a table with the keys :data:`KEYS`, all of them optional.

    Every problem is reported to ``wrong``; the default is used instead.
    """
    limits = _limits(table.get("limits", {}), wrong)
    network = table.get("sandbox_network", False)
    if not isinstance(network, bool):
        wrong("sandbox_network", "use true or false")
        network = False
    sandbox = SandboxSettings(
        mechanism=_mechanism(table.get("sandbox", AUTO), wrong),
        network=network,
        limits=Limits(
            memory=limits["memory_mb"] * MIB,
            cpu_seconds=limits["cpu_seconds"],
            processes=limits["processes"],
            files=limits["files"],
            disk=limits["disk_mb"] * MIB,
        ),
    )
    return AutogradingSettings(sandbox, limits["output_mb"] * MIB, limits["seconds"])


def _mechanism(value: Any, wrong: Wrong) -> Mechanism | None:
    if value == AUTO:
        return None
    if isinstance(value, str) and value in tuple(Mechanism):
        return Mechanism(value)
    names = ", ".join(f'"{name}"' for name in _MECHANISMS)
    hint = did_you_mean(value, _MECHANISMS) if isinstance(value, str) else ""
    wrong("sandbox", f"use one of {names}{hint}")
    return None


def _limits(value: Any, wrong: Wrong) -> dict[str, int]:
    found = {name: limit.default for name, limit in LIMITS.items()}
    if not isinstance(value, Mapping):
        wrong("limits", "use a table of limits, such as memory_mb and seconds")
        return found
    for name, number in value.items():
        limit = LIMITS.get(name)
        if limit is None:
            hint = did_you_mean(str(name), tuple(LIMITS)) or f"; the limits are {', '.join(LIMITS)}"
            wrong("limits", f"unknown limit {name}{hint}")
        elif type(number) is not int or not limit.low <= number <= limit.high:
            wrong("limits", f"{name}: use a whole number from {limit.low:,} to {limit.high:,}")
        else:
            found[name] = number
    return found
