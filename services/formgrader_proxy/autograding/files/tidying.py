"""Leaving only regular files in a folder where a student's code was executed.

The code may leave a symbolic link where nbgrader writes next (``p1.ipynb -> ../../gradebook.db``),
a FIFO where nbgrader reads, folders that nobody can enter, or ones that are too deep to remove.
Call this when no process of the code is left.
"""

import os
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from services.formgrader_proxy.autograding.files.open_beneath import folder_beneath


@dataclass
class Tidied:
    """The paths of what was removed, relative to the folder; at most ``MOST``."""

    MOST = 20
    removed: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        if len(self.removed) < self.MOST:
            self.removed.append(path)


def tidy(folder: Path, *, depth: int = 20) -> list[str]:
    """Remove everything that is not a regular file or a folder, and what is deeper than ``depth``.

    What stays is readable and writable for its owner, without set-user-ID. Returns
    what was removed.

    :raises OSError: the folder cannot be tidied, for example because it is a link itself
    """
    tidied = Tidied()
    if not folder.is_symlink():
        folder.chmod(0o700 | (folder.stat().st_mode & 0o777))
    todo: list[tuple[str, ...]] = [()]
    while todo:
        parts = todo.pop()
        with folder_beneath(folder, parts) as descriptor:
            for name in os.listdir(descriptor):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                path = "/".join((*parts, name))
                if stat.S_ISDIR(found.st_mode):
                    if len(parts) >= depth:
                        _remove_tree(folder.absolute().joinpath(*parts, name))
                        tidied.add(path)
                    else:
                        os.chmod(name, 0o700 | (found.st_mode & 0o777), dir_fd=descriptor)
                        todo.append((*parts, name))
                elif stat.S_ISREG(found.st_mode):
                    os.chmod(name, 0o600 | (found.st_mode & 0o777), dir_fd=descriptor)
                else:
                    os.unlink(name, dir_fd=descriptor)
                    tidied.add(path)
    return tidied.removed


def _remove_tree(path: Path) -> None:
    """Remove a tree of any depth, even one whose folders cannot be entered.

    Python's own functions recurse (Python 3.11) and run out of stack or of path length; these
    programs do not, and follow no links.
    """
    for command in (("chmod", "-R", "u+rwX"), ("rm", "-rf")):
        words = [*command, "--", str(path)]
        subprocess.run(words, check=False)  # noqa: S603 - fixed programs


def keep_notebooks(folder: Path, contents: dict[str, bytes]) -> list[str]:
    """Write back notebooks that the code of another one has changed. Returns their names.

    ``contents`` are those of the notebooks in ``folder`` before the code ran, by file name.
    """
    changed = []
    for name, content in contents.items():
        path = folder / name
        try:
            same = path.read_bytes() == content
        except OSError:
            same = False
        if not same:
            if path.is_dir():
                path.rename(folder / f"{name}.replaced")
            path.write_bytes(content)
            changed.append(name)
    return changed
