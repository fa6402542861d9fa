"""A table of the courses file that covers many courses. Pure.

``directory`` ends in ``/{id}``, and the table has no ``id``. ``{id}`` stands for the id of each
course, in the table's other texts, too.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

PLACEHOLDER = "{id}"
#: Stands for a course when the table itself is checked.
SAMPLE_ID = "course101"


def covers_folders(table: Mapping[str, Any]) -> bool:
    """Whether the table covers folders and not one course."""
    directory = table.get("directory")
    return isinstance(directory, str) and PLACEHOLDER in directory


def pattern_problem(table: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the placeholder: the key and a sentence; None if it is right."""
    if "id" in table:
        return "id", f'leave it out, because directory contains "{PLACEHOLDER}"'
    path = PurePosixPath(table["directory"])
    if path.name != PLACEHOLDER or PLACEHOLDER in str(path.parent):
        return (
            "directory",
            f'"{PLACEHOLDER}" must be its last part, as in /srv/courses/{PLACEHOLDER}',
        )
    return None


def parent_of(table: Mapping[str, Any]) -> str:
    """The directory whose folders the table covers."""
    return str(PurePosixPath(table["directory"]).parent)


def table_for(table: Mapping[str, Any], course_id: str) -> dict[str, Any]:
    """The table of one course."""
    return {key: _replaced(value, course_id) for key, value in table.items()} | {"id": course_id}


def _replaced(value: Any, course_id: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, course_id)
    if isinstance(value, list):
        return [_replaced(one, course_id) for one in value]
    return value
