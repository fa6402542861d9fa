"""nbgrader's configuration files: what is wrong with them, and what they contained before.

traitlets logs an error in such a file and goes on without the whole file. nbgrader then uses its
defaults, such as another gradebook, and reads the files again for each request. Here a file with an
error keeps the settings that it had before, and the error is known.
"""

import copy
import json
import logging
import sys
import traceback
from pathlib import Path
from typing import Any

from traitlets.config import Application, Config
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

from services.formgrader_proxy.course_check.findings import without_secrets

log = logging.getLogger("formgrader")


_NOTICE = (
    "A configuration file of this course has an error, so its previous settings stay in use."
    " Its administrators find the file and the line in the formgrader's log."
)


class SettingsFiles:
    """The configuration files that this process has read.

    ``problems`` are the sentences about those with an error, by path.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._valid: dict[str, Config] = {}

    def notice(self) -> str:
        """For every user, while a file that was valid has an error; otherwise empty."""
        return _NOTICE if self.problems else ""

    @property
    def paths(self) -> list[str]:
        """Every file that was found."""
        return list(dict.fromkeys([*self._valid, *self.problems]))

    def install(self, application: type[Application]) -> None:
        """Let the applications of this class, and of its subclasses, read their files this way."""
        python: Any = type("PythonFile", (_Remembering, PyFileConfigLoader), {"files": self})
        as_json: Any = type("JSONFile", (_Remembering, JSONFileConfigLoader), {"files": self})
        application.python_config_loader_class = python
        application.json_config_loader_class = as_json

    def loaded(self, path: str, config: Config) -> None:
        """A file was read."""
        self._valid[path] = copy.deepcopy(config)
        if self.problems.pop(path, None):
            log.warning("%s is valid again", path)

    def failed(self, path: str, error: BaseException) -> Config | None:
        """A file has an error. Returns what it contained before; None if it never was valid."""
        problem = describe(path, error)
        if self.problems.get(path) != problem:
            self.problems[path] = problem
            if path in self._valid:
                log.error("%s Its previous settings stay in use.", problem)
        return copy.deepcopy(self._valid.get(path))


class _Remembering:
    """Mixed into a loader of traitlets."""

    files: SettingsFiles
    full_filename: str
    filename: str

    def load_config(self) -> Config:
        """As in traitlets, except for a file with an error."""
        try:
            config: Config = super().load_config()  # type: ignore[misc]
        except ConfigFileNotFound:
            raise
        # SystemExit: sys.exit() in the file, and protect(), which has no other way to be noticed
        except (Exception, SystemExit) as error:
            previous = self.files.failed(self.full_filename or self.filename, error)
            if previous is None:
                raise
            return previous
        self.files.loaded(self.full_filename, config)
        return config


def describe(path: str, error: BaseException) -> str:
    """A sentence that names the file, the line and the error."""
    if isinstance(error, SystemExit):
        what = error.code if isinstance(error.code, str) else f"sys.exit({error.code!r})"
        return _sentence(path, _line_in(path, error), what)
    if isinstance(error, SyntaxError) and error.filename:
        return _sentence(error.filename, error.lineno, f"{type(error).__name__}: {error.msg}")
    if isinstance(error, json.JSONDecodeError):
        return _sentence(path, error.lineno, f"invalid JSON: {error.msg}")
    if isinstance(error, PermissionError):
        return _sentence(path, _line_in(path, error), f"permission denied: {error.filename}")
    file, line = _origin(path, error)
    message = str(error)
    return _sentence(
        file, line, f"{type(error).__name__}: {message}" if message else type(error).__name__
    )


def _sentence(path: str, line: int | None, what: str) -> str:
    where = f"{path}, line {line}" if line else path
    return without_secrets(f"{where}: {what.rstrip('.')}.")


def _line_in(path: str, error: BaseException) -> int | None:
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == path), None)


def _origin(path: str, error: BaseException) -> tuple[str, int | None]:
    """The innermost line that is neither Python's nor a library's."""
    foreign = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix)]
    own = Path(__file__).resolve().parents[3]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == path:
            return path, frame.lineno
        file = Path(frame.filename).resolve()
        if frame.filename.startswith("<") or any(file.is_relative_to(one) for one in foreign):
            continue
        if file.is_relative_to(own / "services") or "site-packages" in file.parts:
            continue
        return frame.filename, frame.lineno
    return path, None


def quiet_log() -> tuple[logging.Logger, list[logging.LogRecord]]:
    """A logger that prints nothing, and what it received."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger = logging.Logger("course-check", logging.WARNING)
    logger.addHandler(Keep())
    return logger, records
