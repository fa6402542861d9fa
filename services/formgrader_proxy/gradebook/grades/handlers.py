"""What the service itself asks of a formgrader's process; the allow-list refuses it to browsers.

Reading runs in a thread, so that the formgrader serves its pages meanwhile.
"""

import asyncio
from typing import Any

import msgspec
from jupyter_server.base.handlers import JupyterHandler
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from services.formgrader_proxy.gradebook.grades.folders import source_assignments
from services.formgrader_proxy.gradebook.grades.read import NoGradebook, read_grades
from services.formgrader_proxy.gradebook.grades.summary import summarize

#: Below the formgrader's base URL.
GRADES_PATH = "formgrader/api/classroom/grades"
SUMMARY_PATH = "formgrader/api/classroom/summary"


class _Reading(JupyterHandler):
    """Answers with something read from the gradebook, as JSON; 409 if there is none."""

    @web.authenticated
    async def get(self) -> None:
        course = self.settings["nbgrader_formgrader"].coursedir
        try:
            found = await asyncio.to_thread(self.read, course)
        except NoGradebook as error:
            raise web.HTTPError(409, reason=str(error)) from None
        except SQLAlchemyError as error:
            self.log.error("The gradebook cannot be read: %s", type(error).__name__)
            raise web.HTTPError(503, reason="The gradebook cannot be read") from None
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(found))

    def read(self, course: Any) -> Any:
        """What to send, from nbgrader's ``CourseDirectory``. Runs in another thread."""
        raise NotImplementedError


class GradesHandler(_Reading):
    """All grades of the course."""

    def read(self, course: Any) -> Any:
        return read_grades(course)


class SummaryHandler(_Reading):
    """What is left to grade."""

    def read(self, course: Any) -> Any:
        return summarize(read_grades(course), source_assignments(course))


#: Path below the formgrader's base URL, and handler.
ROUTES: tuple[tuple[str, type[JupyterHandler]], ...] = (
    (GRADES_PATH, GradesHandler),
    (SUMMARY_PATH, SummaryHandler),
)
