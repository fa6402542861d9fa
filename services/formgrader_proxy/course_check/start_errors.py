"""Why a formgrader could not be started, as far as it is the course's fault."""

import sys
from collections.abc import Iterable
from importlib.util import find_spec

from services.formgrader_proxy.course_check.findings import (
    NOT_SERVED,
    Finding,
    Kind,
    finding_in,
    without_secrets,
)
from services.formgrader_proxy.course_check.versions import versions_of

#: The exit code of a command that could not be started; see :mod:`..upstream.keeper`.
_NOT_STARTED = 127
#: The exit code of Python after an error.
_FAILED = 1
#: Exit codes for which :func:`process_ended` may have an explanation.
EXPLAINED = frozenset({NOT_SERVED, _NOT_STARTED, _FAILED})


_INSTALL = "Install it there: pip install 'jupyterhub-classroom[formgrader]'"
_IMPORT_ERRORS = ("ModuleNotFoundError: ", "ImportError: ")


class SoftwareMissing(LookupError):
    """The package of this name is not installed where this service runs."""


def require_nbgrader() -> None:
    """:raises SoftwareMissing: without nbgrader and what comes with it, no formgrader can start"""
    for name in ("nbgrader", "nh3"):
        if find_spec(name) is None:
            raise SoftwareMissing(name)


def launch_failed(error: Exception, directory: str, user: str | None) -> Finding | None:
    """The finding for an error in the service, before there was a process."""
    watched = versions_of([directory])
    if isinstance(error, SoftwareMissing):
        return Finding(Kind.SOFTWARE, f"{error} is not installed for {sys.executable}. {_INSTALL}")
    if isinstance(error, KeyError) and user is not None:  # of getpwnam
        text = (
            f"There is no account “{user}” on this machine. Create it, or correct the user of this"
            " course in the courses file."
        )
        return Finding(Kind.DIRECTORY, text, watched=watched)
    if isinstance(error, FileNotFoundError) and str(error.filename) == directory:
        text = (
            f"The course's directory {directory} does not exist. Create it, or correct the"
            " directory of this course in the courses file."
        )
        return Finding(Kind.DIRECTORY, text, watched=watched)
    if isinstance(error, OSError) and error.filename:
        text = without_secrets(f"{error.filename} cannot be used: {error.strerror}.")
        return Finding(Kind.DIRECTORY, text, watched=versions_of([directory, str(error.filename)]))
    return None


def process_ended(code: int | None, lines: Iterable[str], directory: str) -> Finding | None:
    """The finding for a process that ended with this exit code, from the lines of its log."""
    if code not in EXPLAINED:
        return None
    log = list(lines)
    if code == NOT_SERVED and (found := finding_in(log)) is not None:
        return found
    if code == _FAILED:
        broken = log and log[-1].startswith(_IMPORT_ERRORS)
        if not broken:
            return None
        text = f"nbgrader cannot be used with {sys.executable}: {log[-1]}. {_INSTALL}"
        return Finding(Kind.SOFTWARE, without_secrets(text))
    last = without_secrets(log[-1]).rstrip(".") if log else f"exit code {code}"
    text = f"The formgrader in {directory} could not be started: {last}."
    return Finding(Kind.DIRECTORY, text, watched=versions_of([directory]))
