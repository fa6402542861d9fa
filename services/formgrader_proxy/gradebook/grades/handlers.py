"""What the service itself asks of a formgrader's process; the allow-list refuses it to browsers.

Reading runs in a thread, so that the formgrader serves its pages meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from jupyter_server.base.handlers import JupyterHandler
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from services.formgrader_proxy.export.grades import Grades
from services.formgrader_proxy.gradebook.grades.read import NoGradebook, read_grades
from services.formgrader_proxy.gradebook.grades.summary import summarize

#: Below the formgrader's base URL.
GRADES_PATH = "formgrader/api/classroom/grades"
SUMMARY_PATH = "formgrader/api/classroom/summary"


class _Reading(JupyterHandler):
    """Answers with the result of a function of all grades, as JSON; 409 without a gradebook."""

    result: Callable[[Grades], Any]

    @web.authenticated
    async def get(self) -> None:
        course = self.settings["nbgrader_formgrader"].coursedir
        try:
            grades = await asyncio.to_thread(read_grades, course)
        except NoGradebook as error:
            raise web.HTTPError(409, reason=str(error)) from None
        except SQLAlchemyError as error:
            self.log.error("The gradebook cannot be read: %s", type(error).__name__)
            raise web.HTTPError(503, reason="The gradebook cannot be read") from None
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(type(self).result(grades)))


class GradesHandler(_Reading):
    """All grades of the course."""

    result = staticmethod(lambda grades: grades)


class SummaryHandler(_Reading):
    """What is left to grade."""

    result = staticmethod(summarize)


#: Path below the formgrader's base URL, and handler.
ROUTES: tuple[tuple[str, type[JupyterHandler]], ...] = (
    (GRADES_PATH, GradesHandler),
    (SUMMARY_PATH, SummaryHandler),
)
