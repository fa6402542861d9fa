"""Prints all grades of a course as JSON, for commands of the service.

``python -I -m services.formgrader_proxy.gradebook.grades.report`` runs as the course's account, in
its directory. Standard input is ``{"course_id", "db_url"}``, as for the formgrader itself. The
output is ``{"grades": ...}``, or ``{"problem": text}`` if the gradebook cannot be read.
"""

import json
import os
import sys
from typing import Any

import msgspec
from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SQLAlchemyError

from services.formgrader_proxy.gradebook.database.address import given_settings
from services.formgrader_proxy.gradebook.grades.read import NoGradebook, read_grades


class _Course(NbGrader):  # type: ignore[misc]
    """Reads the course's nbgrader_config.py as nbgrader's commands do."""

    name = "nbgrader"


def course_directory(course_id: str, db_url: str | None) -> Any:
    """The course in the current directory, as its formgrader sees it."""
    config = given_settings(course_id, os.getcwd(), db_url)
    app = _Course(config=config)
    app.initialize([])
    app.update_config(config)  # as for the formgrader, the service's settings take precedence
    return CourseDirectory(parent=app)


def main() -> None:
    """Read the settings, and print the grades."""
    start = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr  # the course's configuration may print something
    result: dict[str, Any]
    try:
        result = {"grades": read_grades(course_directory(start["course_id"], start["db_url"]))}
    except NoGradebook as error:
        result = {"problem": str(error)}
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or type(error).__name__).strip().partition("\n")[0]
        result = {"problem": f"The gradebook cannot be read: {reason}."}
    output.write(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
