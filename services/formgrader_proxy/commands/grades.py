"""``grades COURSE``: the grades of a course as a file, read as the account of its formgrader."""

from collections.abc import Mapping

import msgspec

from common.errors import ConfigError
from services.formgrader_proxy.commands.as_account import NotRun, run_as_account, shown
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.export.file import export
from services.formgrader_proxy.export.grades import Grades
from services.formgrader_proxy.export.options import read_options
from services.formgrader_proxy.upstream.process.launch import read_secret

_MODULE = "services.formgrader_proxy.gradebook.grades.report"
#: Seconds. A course with 1,100 students and ten assignments needs about two.
_SECONDS = 600


class _Found(msgspec.Struct):
    """What the module read."""

    grades: Grades | None = None
    problem: str = "the gradebook cannot be read"


def grades(course: Course, given: Mapping[str, str]) -> str:
    """The file's text. ``given`` are the options of the command line.

    :raises ConfigError: an option is invalid, or the gradebook cannot be read
    """
    options = read_options(given)
    if course.directory is None:
        raise ConfigError(
            [f"{course.id}: its formgrader runs elsewhere (url); run this command there"]
        )
    try:
        start = {
            "course_id": course.id,
            "db_url": read_secret(course.db_url_file, course.directory),
        }
        found = run_as_account(
            _MODULE, start, course.directory, course.user, kind=_Found, seconds=_SECONDS
        )
    except (NotRun, OSError, ValueError) as error:
        raise ConfigError([f"{course.id}: the grades cannot be read: {error}"]) from None
    if found.grades is None:
        raise ConfigError([f"{course.id}: {shown(found.problem)}"])
    return export(found.grades, options)
