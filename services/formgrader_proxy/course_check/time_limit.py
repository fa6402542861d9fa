"""A time limit for a check that runs a course's own code."""

import os
import signal
from collections.abc import Callable
from types import FrameType

from services.formgrader_proxy.course_check.findings import NOT_SERVED, Finding, Kind


def limit(seconds: int, report: Callable[[], None]) -> None:
    """End this process after these seconds, after ``report``. Zero removes the limit."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        report()
        os._exit(NOT_SERVED)

    signal.signal(signal.SIGALRM, end if seconds else signal.SIG_DFL)
    signal.alarm(seconds)


def too_slow(directory: str, seconds: int) -> Finding:
    """The finding of a check that takes too long."""
    return Finding(
        Kind.CONFIGURATION,
        f"Checking the course in {directory} took more than {seconds} s, so it was ended. Its"
        " nbgrader_config.py, its file system or its database may not respond.",
    )
