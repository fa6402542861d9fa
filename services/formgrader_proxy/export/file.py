"""The file of an export: its text and its name. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from common.csv_table import csv_rows
from common.errors import ConfigError
from services.formgrader_proxy.export import canvas, moodle, table
from services.formgrader_proxy.export.grades import Grades
from services.formgrader_proxy.export.options import Format, Options

_ROWS: dict[Format, Callable[[Grades, Options], Iterable[tuple[Any, ...]]]] = {
    Format.CSV: table.rows,
    Format.MOODLE: moodle.rows,
    Format.CANVAS: canvas.rows,
}


def export(grades: Grades, options: Options) -> str:
    """The grades as CSV (RFC 4180) in the format of the options.

    :raises ConfigError: there is no such assignment
    """
    if options.assignment is not None:
        chosen = grades.of_assignment(options.assignment)
        if chosen is None:
            names = ", ".join(one.name for one in grades.assignments) or "there are none"
            raise ConfigError([f"assignment: unknown; the course's assignments are: {names}"])
        grades = chosen
    return csv_rows(_ROWS[options.format](grades, options), newline="\r\n")


def file_name(course_id: str, options: Options) -> str:
    """A name for the file, of plain characters only."""
    parts = ["grades", course_id, options.assignment or "", options.format.value]
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part) for part in parts if part) + ".csv"
