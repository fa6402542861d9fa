"""Which item of a course's jobs runs next. Pure.

- Two requests about the same submission never run at the same time, and one about a whole
  assignment runs alone in this assignment.
- Jobs take turns: the one with the fewest running items goes first. In a job, the items that a user
  waits for come first.
- A request about a whole assignment is not delayed for ever by those about its submissions: while
  it is due, none of them starts.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from services.formgrader_proxy.store.job import Item, Job, State


class Place(NamedTuple):
    """What a request changes. ``student`` is empty for the whole assignment."""

    assignment: str
    student: str

    def collides(self, other: "Place") -> bool:
        """Whether the two may not be changed at the same time."""
        same = self.student == other.student or not self.student or not other.student
        return self.assignment == other.assignment and same


def place_of(job: Job, item: Item) -> Place:
    """What an item changes."""
    return Place(job.assignment, item.student)


def choose(jobs: Sequence[Job]) -> tuple[Job, Item] | None:
    """The item that runs next; None if none may. ``jobs`` are ordered: the last served is last."""
    taken = [
        place_of(job, item) for job in jobs for item in job.items if item.state is State.RUNNING
    ]
    for job in sorted(jobs, key=_running):
        queued = [item for item in job.items if item.state is State.QUEUED]
        queued.sort(key=lambda item: not item.urgent)
        for item in queued:
            if not _collides(place_of(job, item), taken):
                return job, item
        if queued:
            taken.append(place_of(job, queued[0]))
    return None


def _running(job: Job) -> int:
    return sum(item.state is State.RUNNING for item in job.items)


def _collides(place: Place, taken: Collection[Place]) -> bool:
    return any(place.collides(other) for other in taken)
