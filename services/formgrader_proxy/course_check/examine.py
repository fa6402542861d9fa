"""Everything that is checked before a course is served, in order."""

import os
import pwd
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.formgrader_proxy.course_check.directory import examine_directory
from services.formgrader_proxy.course_check.findings import Finding, Kind, without_secrets
from services.formgrader_proxy.course_check.versions import versions_of


@dataclass(frozen=True)
class Subject:
    """The course to check. ``db_url`` is the URL that the courses file sets, if any."""

    course_id: str
    directory: str
    db_url: str | None = None
    db_url_file: str | None = None

    @classmethod
    def of(cls, start: Mapping[str, Any], directory: str) -> "Subject":
        """From the settings of a formgrader; see :mod:`..upstream.server`."""
        return cls(start["course_id"], directory, start.get("db_url"), start.get("db_url_file"))


def account_name() -> str:
    """The name of the account that runs this process."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container without such an account
        return str(os.geteuid())


def examine(subject: Subject, files: Any = None, *, names: bool = False) -> list[Finding]:
    """What is wrong with the course; empty if it can be served. Changes the working directory.

    ``files`` are the :class:`.settings_files.SettingsFiles` that remember valid configurations.
    ``names`` also looks at the names in the gradebook.
    """
    problem = examine_directory(subject.directory, account_name())
    if problem is not None:
        return [problem]
    os.chdir(subject.directory)
    try:
        return _examine_course(subject, files, names=names)
    except (ImportError, AttributeError, SyntaxError) as error:
        return [Finding(Kind.SOFTWARE, _not_installed(error))]


def _examine_course(subject: Subject, files: Any, *, names: bool) -> list[Finding]:
    # Imported here, because nbgrader may be missing or broken.
    from services.formgrader_proxy.course_check import configuration
    from services.formgrader_proxy.course_check.gradebook.check import (
        examine_gradebook,
        examine_names_in,
    )
    from services.formgrader_proxy.course_check.gradebook.url import files_of
    from services.formgrader_proxy.course_check.settings_files import SettingsFiles
    from services.formgrader_proxy.gradebook.database.address import given_settings, gradebook_url

    try:
        db_url = subject.db_url and gradebook_url(subject.db_url)
    except SystemExit as error:  # the driver is missing
        return [Finding(Kind.SOFTWARE, str(error))]
    found = configuration.read_configuration(
        given_settings(subject.course_id, subject.directory, db_url),
        files or SettingsFiles(),
        db_url_is_set=bool(db_url),
    )
    if found.db_url is None:
        return found.findings
    problem = examine_gradebook(found.db_url, account_name(), _upgrade_command(subject))
    if problem is None:
        return found.findings + (examine_names_in(found.db_url) if names else [])
    own_file = os.path.join(subject.directory, configuration.OWN_FILE)
    watched = versions_of([own_file, *files_of(found.db_url)])
    return [*found.findings, Finding(Kind.GRADEBOOK, without_secrets(problem), watched=watched)]


def _not_installed(error: Exception) -> str:
    return without_secrets(
        f"nbgrader cannot be used with {sys.executable}: {type(error).__name__}: {error}."
        " Install it there: pip install 'jupyterhub-classroom[formgrader]'"
    )


def _upgrade_command(subject: Subject) -> str:
    program = shlex.quote(str(Path(sys.executable).parent / "nbgrader"))
    words = f"cd {shlex.quote(subject.directory)} && sudo -u {account_name()} {program} db upgrade"
    if subject.db_url_file is not None:
        return f'{words} --db "$(cat {shlex.quote(subject.db_url_file)})"'
    return words + (" --db URL" if subject.db_url else "")


def serious(findings: list[Finding]) -> Finding | None:
    """The finding that prevents the course from being served, with the texts of all of them."""
    grave = [finding for finding in findings if finding.serious]
    if not grave:
        return None
    text = without_secrets(" ".join(finding.text for finding in grave))
    watched = tuple(dict.fromkeys(one for finding in grave for one in finding.watched))
    return replace(grave[0], text=text, watched=watched)
