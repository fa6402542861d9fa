#!/usr/bin/env python3
"""How many students' servers fit into the memory of how many machines.

    python docker/memory.py --students=220 --limit=1 --machines=7 --memory=32

What a server may use is its limit; what Swarm and Kubernetes set aside for it when they place it
is its guarantee. All memory is in GB.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor


@dataclass(frozen=True)
class Room:
    """Machines and servers, all memory in GB.

    ``share``: so much of the students have a server at the same time.
    ``reserve``: of each machine, for its system, the engine and the cache of files.
    """

    students: int = 220
    share: float = 1.0
    limit: float = 1.0
    guarantee: float = 0.5
    machines: int = 7
    memory: float = 32.0
    reserve: float = 2.0

    @property
    def servers(self) -> int:
        """Servers at the same time."""
        return ceil(self.students * self.share)

    def usable(self, lost: int = 0) -> float:
        """Memory for servers, with so many machines lost."""
        return (self.machines - lost) * (self.memory - self.reserve)

    def placeable(self, lost: int = 0) -> int:
        """Servers that are placed, by what is set aside for each."""
        return (self.machines - lost) * floor((self.memory - self.reserve) / self.guarantee)

    def full(self, lost: int = 0) -> int:
        """Servers that can all use their limit, no machine giving more than it has."""
        return (self.machines - lost) * floor((self.memory - self.reserve) / self.limit)

    def mean(self, lost: int = 0) -> float:
        """What each of the servers may use on average before memory runs out."""
        return self.usable(lost) / self.servers if self.servers else self.limit


def table(room: Room) -> Iterator[str]:
    """A line for each number of machines lost, until the servers cannot be placed any more."""
    yield (
        f"{room.servers} servers at a time, up to {room.limit:g} GB each, {room.guarantee:g} GB"
        f" set aside; {room.machines} machines of {room.memory:g} GB less {room.reserve:g} GB"
    )
    yield "lost  for servers  placed  all at their limit  GB each on average"
    for lost in range(room.machines):
        placed = min(room.servers, room.placeable(lost))
        full = min(room.servers, room.full(lost))
        yield (
            f"{lost:4}  {room.usable(lost):8.0f} GB  {placed:6}  {full:18}"
            f"  {min(room.limit, room.mean(lost)):18.2f}"
        )
        if placed < room.servers:
            yield f"With {lost} lost, {room.servers - placed} students get no server."
            return


def main() -> None:
    """Print the table for what the command line says."""
    words = argparse.ArgumentParser(description="Which servers fit into which machines.")
    for name, kind, text in (
        ("students", int, "students in all"),
        ("share", float, "so much of them have a server at the same time, 0 to 1"),
        ("limit", float, "GB that a server may use"),
        ("guarantee", float, "GB set aside for a server"),
        ("machines", int, "machines for servers"),
        ("memory", float, "GB of a machine"),
        ("reserve", float, "GB of a machine that servers do not get"),
    ):
        default = getattr(Room, name)
        words.add_argument(f"--{name}", type=kind, default=default, help=f"{text} [{default}]")
    room = Room(**vars(words.parse_args()))
    if min(room.students, room.machines) < 1 or not 0 < room.share <= 1:
        words.error("--students and --machines are at least 1, --share is above 0 and at most 1")
    if room.reserve >= room.memory or not 0 < room.guarantee <= room.limit:
        words.error("--reserve is less than --memory, and --guarantee above 0, at most --limit")
    print("\n".join(table(room)))


if __name__ == "__main__":
    main()
