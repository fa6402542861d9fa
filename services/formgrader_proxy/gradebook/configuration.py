"""Whether a formgrader's configuration files have changed since they were last read.

nbgrader runs all of them for each request.
"""

import os
from pathlib import Path
from typing import Any

_Status = tuple[int, int, int, int] | None


class ConfigurationFiles:
    """The files that an application of nbgrader reads. Each instance remembers one reading."""

    def __init__(self) -> None:
        self._read: dict[str, _Status] | None = None

    def changed(self, app: Any) -> bool:
        """Whether a file was added, changed or removed since the last call; at first, True."""
        found = {path: _status(path) for path in _paths(app)}
        if found == self._read:
            return False
        self._read = found
        return True


def _paths(app: Any) -> list[str]:
    if app.config_file:
        return [str(Path(f"{app.config_file}.py").absolute())]
    folders = [os.getcwd(), app.coursedir.root, *app.config_file_paths]
    return [
        os.path.join(folder, name + end)
        for folder in dict.fromkeys(folders)
        for name in dict.fromkeys(("jupyter_config", app.config_file_name))
        for end in (".py", ".json")
    ]


def _status(path: str) -> _Status:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
