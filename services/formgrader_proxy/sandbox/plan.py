"""What a supervisor runs: one JSON object on the first line of its standard input.

The supervisor runs until its command ends or its standard input is closed. Then it ends every
process of the sandbox and writes ``outcome.json`` into ``run``.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from services.formgrader_proxy.sandbox.settings import Limits, Mechanism

OUTCOME = "outcome.json"
#: The folders in ``run`` that the code can use: for the connection file and the sockets of the
#: kernel, for ``/tmp``, and for ``/dev/shm``.
CONNECTION, TEMPORARY, SHARED = "c", "t", "s"
#: Replaces the files in ``/etc`` that name accounts and hosts. Only where mounts are possible.
ETC = "etc"


@dataclass(frozen=True)
class Account:
    """An account without a name, for one run. ``search`` lets it pass folders closed to others."""

    uid: int
    search: bool = False


@dataclass(frozen=True)
class Plan:
    """A command and everything it may use. All paths are absolute and contain no symlinks.

    ``folder`` is the working directory, which it may change; ``run`` is the private directory of
    this run; ``software`` may be read and executed; ``links`` are the symlinks between them
    (path to target). ``filters`` are programs for seccomp(2). ``account`` None keeps this account.
    """

    mechanism: Mechanism
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    run: str
    software: tuple[str, ...]
    links: dict[str, str] = field(default_factory=dict)
    network: bool = False
    limits: Limits = field(default_factory=Limits)
    filters: tuple[bytes, ...] = ()
    account: Account | None = None

    def in_run(self, name: str) -> Path:
        """A folder or file in the private directory of this run."""
        return Path(self.run, name)

    def to_line(self) -> bytes:
        """This plan as one line."""
        values = asdict(self) | {"filters": [program.hex() for program in self.filters]}
        return json.dumps(values).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Plan":
        """The plan that :meth:`to_line` wrote."""
        plan = cls(**json.loads(line))
        return replace(
            plan,
            mechanism=Mechanism(plan.mechanism),
            command=tuple(plan.command),
            software=tuple(plan.software),
            limits=Limits(**plan.limits),  # type: ignore[arg-type]  # a dict, from JSON
            filters=tuple(bytes.fromhex(one) for one in plan.filters),  # type: ignore[arg-type]
            account=None if plan.account is None else Account(**plan.account),  # type: ignore[arg-type]
        )
