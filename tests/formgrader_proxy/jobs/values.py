"""Jobs for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.formgrader_proxy.store.job import Item, Job, State

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def job(*students: str, **fields: Any) -> Job:
    """A job that autogrades these students' submissions of ps1."""
    plain: dict[str, Any] = {
        "course": "course101",
        "user": "iris",
        "role": "instructor",
        "action": "autograde",
        "assignment": "ps1",
        "created_at": NOON,
        "items": [Item(student) for student in students],
    }
    return Job(**(plain | fields))


def ended(student: str, begin: float, end: float, state: State = State.DONE) -> Item:
    """An item that ran between these seconds after noon."""
    times = (NOON + timedelta(seconds=begin), NOON + timedelta(seconds=end))
    return Item(student, state, *times)
