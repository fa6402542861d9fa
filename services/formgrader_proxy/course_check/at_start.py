"""The check at the start of a formgrader, inside its process."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from nbgrader.apps.baseapp import NbGrader

from services.formgrader_proxy.course_check.examine import Subject, examine, serious
from services.formgrader_proxy.course_check.findings import NOT_SERVED, Finding, marked_line
from services.formgrader_proxy.course_check.settings_files import SettingsFiles
from services.formgrader_proxy.course_check.time_limit import limit, too_slow

#: Seconds for the check. The service waits longer for the formgrader to respond.
SECONDS = 60


def refuse_broken_course(start: Mapping[str, Any]) -> SettingsFiles:
    """End this process, with an explanation in the log, if the course cannot be served.

    Afterwards a configuration file with an error keeps its previous settings in this process.
    ``start`` are the settings of :mod:`..upstream.server`.
    """
    directory, files = os.getcwd(), SettingsFiles()
    limit(SECONDS, lambda: _report(too_slow(directory, SECONDS)))
    findings = examine(Subject.of(start, directory), files)
    limit(0, lambda: None)
    for finding in findings:
        print(f"{'Problem' if finding.serious else 'Warning'}: {finding.text}", file=sys.stderr)
    grave = serious(findings)
    if grave is not None:
        _report(grave)
        sys.exit(NOT_SERVED)
    files.install(NbGrader)
    return files


def _report(finding: Finding) -> None:
    print(marked_line(finding), file=sys.stderr, flush=True)
