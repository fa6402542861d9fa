"""What a keeper has to start: one line of JSON, from the service to the keeper."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Plan:
    """``settings`` and ``inherited`` are descriptors that the keeper has.

    ``settings`` becomes the standard input of the formgrader, which also gets those in
    ``inherited``. ``uid`` and ``gid`` are None for the account of the service.
    ``private`` is a directory, and ``cgroup`` that of a control group; both are removed at the end.
    """

    command: list[str]
    directory: str
    environment: dict[str, str]
    settings: int
    inherited: list[int]
    private: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: list[int] | None = None
    cgroup: str | None = None

    def encode(self) -> bytes:
        """The plan as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Self":
        """The plan in this line."""
        return cls(**json.loads(line))
