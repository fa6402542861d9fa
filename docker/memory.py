#!/usr/bin/env python3
"""Calculates how many students' servers fit into the memory of a number of machines.

    python docker/memory.py --students=220 --limit=1 --machines=7 --memory=32

The limit is the memory that a server may use. The guarantee is the memory that Swarm or Kubernetes
reserves for it on its machine. All memory is in GB.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor


@dataclass(frozen=True)
class Capacity:
    """Machines and servers; all memory is in GB.

    ``share`` is the fraction of students who have a server at the same time. ``reserve`` is the
    memory of each machine for its operating system, the container engine and the file cache.
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
        """Number of concurrent servers."""
        return ceil(self.students * self.share)

    def usable(self, lost: int = 0) -> float:
        """Return the memory for servers after ``lost`` machines have failed."""
        return (self.machines - lost) * (self.memory - self.reserve)

    def placeable(self, lost: int = 0) -> int:
        """Return how many servers can be placed, given their guarantee."""
        return (self.machines - lost) * floor((self.memory - self.reserve) / self.guarantee)

    def full(self, lost: int = 0) -> int:
        """Return how many servers can use their full limit at the same time."""
        return (self.machines - lost) * floor((self.memory - self.reserve) / self.limit)

    def mean(self, lost: int = 0) -> float:
        """Return the average memory per server at which all memory is used."""
        return self.usable(lost) / self.servers if self.servers else self.limit


def table(capacity: Capacity) -> Iterator[str]:
    """Yield a line for each number of lost machines, until not all servers can be placed."""
    yield (
        f"{_count(capacity.servers, 'concurrent server')}, limit {capacity.limit:g} GB,"
        f" guarantee {capacity.guarantee:g} GB; {_count(capacity.machines, 'machine')},"
        f" memory {capacity.memory:g} GB, reserve {capacity.reserve:g} GB"
    )
    yield "lost  for servers  placed  at full limit  average GB per server"
    for lost in range(capacity.machines):
        placed = min(capacity.servers, capacity.placeable(lost))
        full = min(capacity.servers, capacity.full(lost))
        yield (
            f"{lost:4}  {capacity.usable(lost):8.0f} GB  {placed:6}  {full:13}"
            f"  {min(capacity.limit, capacity.mean(lost)):21.2f}"
        )
        if placed < capacity.servers:
            students = _count(capacity.servers - placed, "student")
            machines = _count(lost, "machine") if lost else "no machine"
            yield f"With {machines} lost, {students} cannot get a server."
            return


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def main() -> None:
    """Print the table for the command line's numbers."""
    parser = argparse.ArgumentParser(
        description="Calculate how many students' servers fit into the memory of the machines."
    )
    for name, kind, text in (
        ("students", int, "number of students"),
        ("share", float, "fraction of students with a server at the same time, 0 to 1"),
        ("limit", float, "memory limit of a server in GB"),
        ("guarantee", float, "memory guarantee of a server in GB"),
        ("machines", int, "number of machines for servers"),
        ("memory", float, "memory of a machine in GB"),
        ("reserve", float, "memory of a machine that is not available to servers, in GB"),
    ):
        default = getattr(Capacity, name)
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} [{default}]")
    capacity = Capacity(**vars(parser.parse_args()))
    if min(capacity.students, capacity.machines) < 1 or not 0 < capacity.share <= 1:
        parser.error("--students and --machines must be at least 1, --share above 0 and at most 1")
    if capacity.reserve >= capacity.memory or not 0 < capacity.guarantee <= capacity.limit:
        parser.error(
            "--reserve must be less than --memory, --guarantee above 0 and at most --limit"
        )
    print("\n".join(table(capacity)))


if __name__ == "__main__":
    main()
