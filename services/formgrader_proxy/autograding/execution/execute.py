"""Executing a notebook in the sandbox, as the step of nbgrader's autograding that does so."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.preprocessors import ExecutePreprocessor
from traitlets.utils.importstring import import_item

from services.formgrader_proxy.autograding.execution.kernel import SandboxedKernelManager
from services.formgrader_proxy.autograding.execution.outputs import explanation, make_valid, shorten
from services.formgrader_proxy.autograding.execution.run import Run
from services.formgrader_proxy.autograding.files.submissions import shown
from services.formgrader_proxy.autograding.files.tidying import keep_notebooks, tidy
from services.formgrader_proxy.autograding.reports import Report
from services.formgrader_proxy.autograding.settings import AutogradingSettings

_NO_KERNEL = (
    "Its kernel did not start. A file of the submission may have the name of a Python module."
)
_CRASHED = "Its kernel ended unexpectedly."
_SILENT = "It did not respond to an interrupt after the time limit of a cell."
_MALFORMED = "It sent a malformed message."


class SandboxedExecution(ExecutePreprocessor):
    """A mixin for a preprocessor that executes notebooks.

    A notebook that exceeds a limit is stopped. It keeps what it has printed so far; the cell that
    was running and all later ones get an error that says why, and so no points.
    """

    autograding = AutogradingSettings()
    report = Report()

    def create_kernel_manager(self) -> Any:
        """A manager of a sandboxed kernel."""
        self.kernel_manager_class = SandboxedKernelManager
        manager: Any = super().create_kernel_manager()
        self._manager: SandboxedKernelManager = manager
        self._manager.confine(self.autograding.sandbox, self._run)
        return manager

    def _start(self) -> None:
        limits = self.autograding
        self._run = Run(output_bytes=limits.output_bytes, seconds=limits.seconds)
        self._stopped: str | None = None

    def preprocess(self, nb: Any, resources: Any = None, km: Any = None) -> Any:
        """Execute the notebook. Afterwards its folder contains only regular files and folders.

        :raises SandboxUnavailable: it cannot be isolated here
        """
        assert km is None  # noqa: S101 - a kernel that exists already is in no sandbox
        folder, name = Path(resources["metadata"]["path"]), f"{resources['unique_key']}.ipynb"
        before = {path.name: path.read_bytes() for path in folder.glob("*.ipynb")}
        self._start()
        try:
            nb, resources = super().preprocess(nb, resources)
        except RuntimeError as error:  # of the kernel itself; those of cells are explained there
            self.log.debug("the kernel did not start", exc_info=error)
            self.report.fail(name, [_NO_KERNEL if self._run.reason is None else self._run.reason])
            raise
        finally:
            self._run.end()
            removed = tidy(folder)
            changed = keep_notebooks(folder, before)
        if self._stopped is not None:
            self.report.add(name, f"{self._stopped} The rest of the notebook was not executed.")
        outcome = self._manager.outcome or {}
        if self._stopped is None and outcome.get("message"):  # found only after the last cell
            self.report.add(name, str(outcome["message"]))
        for path in [*outcome.get("removed", ()), *removed]:
            self.report.add(name, f"Its code left {shown(path)}, which was removed.")
        for path in changed:
            self.report.add(name, f"Its code changed {shown(path)}, which was restored.")
        return nb, resources

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> Any:
        """Execute a cell, or explain why it was not executed."""
        if self._stopped is None:
            try:
                cell, resources = _any(super()).preprocess_cell(cell, resources, index)
            except Exception as error:  # the code of the submission decides what is raised
                self._stop(cell, error)
        elif cell.cell_type == "code":
            cell.outputs = [explanation(f"Not executed. {self._stopped}")]
            cell.execution_count = None
        make_valid(cell)
        return cell, resources

    def _stop(self, cell: Any, error: Exception) -> None:
        """End the kernel, and write into its last cell why."""
        self.log.debug("the notebook was stopped", exc_info=error)
        run_sync(self._manager.shutdown_kernel)(now=True)
        self._stopped = self._run.reason or _reason(self._manager.outcome, error)
        self.log.warning("The notebook was stopped. %s", self._stopped)
        if cell.cell_type == "code":
            make_valid(cell)
            cell.outputs = [*shorten(cell.outputs), explanation(self._stopped)]


def _reason(outcome: Mapping[str, Any] | None, error: Exception) -> str:
    """Why the kernel ended, as a sentence."""
    if outcome and outcome.get("message"):
        return str(outcome["message"])
    if isinstance(error, DeadKernelError):
        return _CRASHED
    return _SILENT if isinstance(error, CellTimeoutError) else _MALFORMED


def _any(value: Any) -> Any:
    """The value, without the types that nbconvert's and traitlets' functions lack."""
    return value


def sandboxed(step: Any, settings: AutogradingSettings, report: Report) -> Any:
    """The same step of an exporter; one that executes notebooks does so in the sandbox.

    ``step`` is a class, the name of a class, or something else that nbconvert accepts.

    :raises TypeError: it executes notebooks, but is not a class
    """
    if isinstance(step, str):
        step = import_item(step)
    if isinstance(step, ExecutePreprocessor):
        raise TypeError(f"Name the class {type(step).__name__} itself, not an object of it.")
    if not isinstance(step, type) or not issubclass(step, ExecutePreprocessor):
        return step
    if issubclass(step, SandboxedExecution):
        return step
    # Its name stays, because it is the name of its section in nbgrader's configuration.
    values = {"autograding": settings, "report": report, "__doc__": step.__doc__}
    return _any(type(step))(step.__name__, (SandboxedExecution, step), values)
