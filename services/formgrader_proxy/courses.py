"""The courses of the service, as the courses file describes them (see :mod:`.courses_file`)."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from services.formgrader_proxy.access import CourseGroups, Mode
from services.formgrader_proxy.autograding.settings import AutogradingSettings

#: The processes of a course, by default: no more than the machine has processors, and at most four.
WORKERS = min(4, len(os.sched_getaffinity(0)))
#: A course id is one plain segment of a URL and part of group names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Names that the service itself uses in URLs.
RESERVED_IDS = frozenset(
    {
        "health",
        "ready",
        "metrics",
        "static",
        "api",
        "courses",
        "oauth_callback",
        "login",
        "logout",
        "admin",
        "audit",
    }
)


@dataclass(frozen=True)
class Course:
    """One course.

    With a ``directory`` this service runs the formgrader there. Otherwise an external one runs at
    ``url``, with its token in ``token_file``. ``idle_seconds`` of zero keeps a formgrader running.
    It has at most ``workers`` processes for pages, and ``job_workers`` for jobs.
    ``lab_directory`` is the course's directory as seen in a grader's own JupyterLab; without it
    the links that open files there are plain text. ``autograding`` only applies to a course with
    a ``directory``.
    """

    id: str
    title: str
    groups: CourseGroups
    directory: Path | None = None
    url: str | None = None
    token_file: Path | None = None
    user: str | None = None
    db_url_file: Path | None = None
    #: A digest of what that file contains, if it is known: processes use the same gradebook.
    db_url_version: str = field(default="", repr=False)
    idle_seconds: float = 1800.0
    workers: int = WORKERS
    job_workers: int = WORKERS
    mode: Mode = Mode.LISTED
    lab_directory: str | None = None
    autograding: AutogradingSettings = field(default_factory=AutogradingSettings)

    @property
    def managed(self) -> bool:
        """Whether this service starts and stops the formgrader."""
        return self.directory is not None


def is_course_id(text: str) -> bool:
    """Whether the text is a valid course id."""
    return _ID.fullmatch(text) is not None and text not in RESERVED_IDS
