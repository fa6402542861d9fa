"""Checks one course in a process of its own account, which executes its nbgrader_config.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

from services.formgrader_proxy.commands.bounded import run_bounded
from services.formgrader_proxy.course_check.findings import (
    Finding,
    Kind,
    from_json,
    without_secrets,
)
from services.formgrader_proxy.course_check.start_errors import launch_failed
from services.formgrader_proxy.course_check.time_limit import too_slow
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.process.launch import INHERITED, read_secret
from services.formgrader_proxy.upstream.process.process import Account

#: -B: do not write compiled modules into the course's directory.
_COMMAND = (sys.executable, "-I", "-B", "-m", "services.formgrader_proxy.course_check")
#: Seconds for a check, which ends itself earlier.
SECONDS = 60
#: The most that is read of its output.
_OUTPUT_BYTES = 256 * 1024


def examine_course(course: Course) -> list[Finding]:
    """What is wrong with a course that this service runs. Takes at most :data:`SECONDS`."""
    directory = str(course.directory)
    try:
        account = Account.named(course.user)
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
        return _run(account, start)
    except subprocess.TimeoutExpired:
        return [too_slow(directory, SECONDS)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return [_cannot_check(directory, error)]


def _run(account: Account, start: dict[str, str | None]) -> list[Finding]:
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    programs = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join((programs, environment.get("PATH", os.defpath)))
    done = run_bounded(
        _COMMAND,
        json.dumps(start).encode(),
        account,
        directory="/",
        environment=environment
        | {"HOME": account.home, "USER": account.name, "LOGNAME": account.name},
        seconds=SECONDS,
        most_bytes=_OUTPUT_BYTES,
    )
    if not done.output and not done.timely:
        raise subprocess.TimeoutExpired(_COMMAND, SECONDS)
    return from_json(done.output.decode("utf-8", "replace"))


def _cannot_check(directory: str, why: Finding | Exception) -> Finding:
    if isinstance(why, Finding):
        return why
    reason = f"{why.strerror}: {why.filename}" if isinstance(why, OSError) else str(why)
    text = f"The course in {directory} could not be checked as its account. {reason}."
    return Finding(Kind.SOFTWARE, without_secrets(text))
