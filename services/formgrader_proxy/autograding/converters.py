"""Guards for the two steps of nbgrader that read what students have made.

Each function here replaces a method of a class of nbgrader; see :mod:`.guards`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbgrader.converters.base import NbGraderException

from services.formgrader_proxy.autograding.execution.execute import sandboxed
from services.formgrader_proxy.autograding.files.submissions import problems
from services.formgrader_proxy.autograding.reports import Report
from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.sandbox.mechanisms import SandboxUnavailable, choose


class ConverterGuard:
    """Refuses submissions before nbgrader reads them, and executes the others in the sandbox."""

    def __init__(self, settings: AutogradingSettings, report: Report) -> None:
        self.settings = settings
        self._report = report

    def check_sandbox(self) -> None:
        """Refuse to autograde at all if code cannot be isolated.

        :raises NbGraderException: with the reason, and what to do
        """
        try:
            choose(self.settings.sandbox)
        except SandboxUnavailable as error:
            self._report.fail("Autograding is not possible", [str(error)])
            raise NbGraderException(str(error)) from error

    def init_notebooks(self, converter: Any, original: Callable[[Any], None]) -> None:
        """Find the notebooks of all submissions, without those that are refused."""
        original(converter)
        converter.classroom_refused = []
        for folder in sorted(converter.assignments):
            found = problems(Path(folder), self.settings.bounds)
            if found:
                del converter.assignments[folder]
                name = "/".join(Path(folder).parts[-2:])
                converter.classroom_refused.append(name)
                self._report.fail(name, found)
                for problem in found:
                    converter.log.error("%s is refused. %s", name, problem)

    def convert_notebooks(self, converter: Any, original: Callable[[Any], None]) -> None:
        """Handle all submissions that are not refused, and fail afterwards if one is.

        :raises NbGraderException: at least one submission was refused, or failed
        """
        original(converter)
        if converter.classroom_refused:
            raise NbGraderException(f"Refused: {', '.join(converter.classroom_refused)}")

    def init_preprocessors(self, converter: Any, original: Callable[[Any], None]) -> None:
        """Let every step that executes notebooks do so in the sandbox."""
        for steps in ("sanitize_preprocessors", "autograde_preprocessors"):
            now = [
                sandboxed(step, self.settings, self._report) for step in getattr(converter, steps)
            ]
            setattr(converter, steps, now)
        original(converter)
