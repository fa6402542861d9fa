"""Checks one course in a process of its own account, which executes its nbgrader_config.py."""

from pathlib import Path

from services.formgrader_proxy.commands.as_account import finish_as_account
from services.formgrader_proxy.course_check.findings import (
    Finding,
    Kind,
    from_json,
    without_secrets,
)
from services.formgrader_proxy.course_check.start_errors import launch_failed, require_nbgrader
from services.formgrader_proxy.course_check.time_limit import too_slow
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.process.launch import read_secret
from services.formgrader_proxy.upstream.process.process import Account

_MODULE = "services.formgrader_proxy.course_check"
#: Seconds for a check, which ends itself earlier.
SECONDS = 60
#: The most that is read of its output.
_OUTPUT_BYTES = 256 * 1024


def examine_course(course: Course) -> list[Finding]:
    """What is wrong with a course that this service runs. Takes at most :data:`SECONDS`."""
    directory = str(course.directory)
    try:
        require_nbgrader()
        Account.named(course.user)
    except LookupError as error:
        return [_cannot_check(directory, launch_failed(error, directory, course.user) or error)]
    try:
        db_url = read_secret(course.db_url_file, course.directory)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        text = f"The db_url_file {course.db_url_file} cannot be read: {reason}."
        return [Finding(Kind.GRADEBOOK, text)]
    start = {
        "course_id": course.id,
        "directory": directory,
        "db_url": db_url,
        "db_url_file": str(course.db_url_file) if course.db_url_file else None,
    }
    try:
        done = finish_as_account(
            _MODULE,
            start,
            Path("/"),
            course.user,
            seconds=SECONDS,
            output_bytes=_OUTPUT_BYTES,
        )
        if done.status is None and not done.output:
            return [too_slow(directory, SECONDS)]
        return from_json(done.output.decode("utf-8", "replace"))
    except (LookupError, OSError, ValueError) as error:
        return [_cannot_check(directory, error)]


def _cannot_check(directory: str, why: Finding | Exception) -> Finding:
    if isinstance(why, Finding):
        return why
    reason = f"{why.strerror}: {why.filename}" if isinstance(why, OSError) else str(why)
    text = f"The course in {directory} could not be checked as its account. {reason}."
    return Finding(Kind.SOFTWARE, without_secrets(text))
