"""A course's configuration, read as nbgrader's formgrader reads it."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.apps.baseapp import NbGrader
from traitlets.config import Config

from services.formgrader_proxy.course_check.findings import Finding, Kind, without_secrets
from services.formgrader_proxy.course_check.settings_files import SettingsFiles, quiet_log
from services.formgrader_proxy.course_check.versions import versions_of

#: nbgrader's file in the course's directory.
OWN_FILE = "nbgrader_config.py"


@dataclass(frozen=True)
class Configuration:
    """What nbgrader uses, and what is wrong with it. Without ``db_url`` it could not be read."""

    findings: list[Finding]
    db_url: str | None = None


class _Reader(NbGrader):  # type: ignore[misc]
    """Reads the files and nothing else."""

    name = "nbgrader"

    def migrate_config(self) -> None:
        """Write nothing to the user's directories."""

    def init_logging(self, *_words: Any, **_options: Any) -> None:
        """Write no log file."""


def read_configuration(
    given: Config, files: SettingsFiles, *, db_url_is_set: bool
) -> Configuration:
    """Read the configuration of the course in the working directory.

    ``given`` is the configuration by this service, with the course's id and root, and the
    gradebook's URL if the courses file sets one (``db_url_is_set``).
    """
    directory = os.getcwd()
    own_file = os.path.join(directory, OWN_FILE)
    logger, records = quiet_log()
    reader: Any = type("Reader", (_Reader,), {})
    files.install(reader)
    app = reader(config=given, log=logger)
    stopped = False
    try:
        app.initialize([])
        # As before each request: files of the user and of the machine count, too.
        app.load_config_file()
    except (Exception, SystemExit) as error:
        stopped = True
        if not files.problems:
            said = [record.getMessage() for record in records if record.levelno >= logging.CRITICAL]
            files.failed(own_file, SystemExit(_shortened(said[-1])) if said else error)
    finally:
        reader.clear_instance()
    problems = list(dict.fromkeys(files.problems.values()))
    watched = versions_of([own_file, *files.paths])
    findings = [Finding(Kind.CONFIGURATION, text, watched=watched) for text in problems]
    if stopped or problems:
        return Configuration(findings)
    course = app.coursedir
    findings += _unexpected(course, given, directory, db_url_is_set=db_url_is_set)
    messages = dict.fromkeys(record.getMessage() for record in records)
    findings += [
        Finding(Kind.CONFIGURATION, without_secrets(message), serious=False)
        for message in messages
        if "not recognized by" in message
    ]
    return Configuration(
        [Finding(one.kind, one.text, one.serious, watched) for one in findings], course.db_url
    )


def _shortened(message: str) -> str:
    """What traitlets logs before it exits."""
    return message.removeprefix("Bad config encountered during initialization: ")


def _unexpected(
    course: Any, given: Config, directory: str, *, db_url_is_set: bool
) -> list[Finding]:
    """Settings that differ from those of the courses file."""
    found = []
    wanted = given.CourseDirectory
    if course.course_id != wanted.course_id:
        found.append(
            Finding(
                Kind.CONFIGURATION,
                f'{OWN_FILE} sets CourseDirectory.course_id = "{course.course_id}", but this course'
                f' has the id "{wanted.course_id}" in the courses file. nbgrader uses the former in'
                " its gradebook and exchange.",
                serious=False,
            )
        )
    root = Path(course.root).resolve()
    if root != Path(directory).resolve():
        found.append(
            Finding(
                Kind.CONFIGURATION,
                f"{OWN_FILE} sets CourseDirectory.root to {root}, but the courses file sets the"
                f" directory {directory}. Remove that setting, or correct the directory.",
            )
        )
    if db_url_is_set and course.db_url != wanted.db_url:
        found.append(
            Finding(
                Kind.CONFIGURATION,
                f"{OWN_FILE} sets CourseDirectory.db_url to another database than the db_url_file"
                " of the courses file. Remove one of the two settings.",
            )
        )
    return found
