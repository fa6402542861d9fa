"""The folder of a submission: how much is in it, and removing what a later step must not meet.

While the code runs it can change the folder at any time, so measuring never follows a symlink and
never fails. Removal happens when nothing runs any more.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

#: Deeper folders are refused: many programs fail on them.
MOST_DEPTH = 32
#: Folders with a longer path are refused, too: the system accepts 4096 bytes (PATH_MAX), including
#: a name in the folder, and what is beyond cannot be measured by its path.
MOST_PATH = 3072
#: Special bits, and what lets other accounts change a file later.
_UNSAFE = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH


@dataclass
class Tree:
    """What is below a folder: the size in bytes of each file, by its path below the folder."""

    sizes: dict[str, int] = field(default_factory=dict)
    folders: int = 0
    #: The folder is deeper than :data:`MOST_DEPTH` or :data:`MOST_PATH`, or parts of it cannot be
    #: read.
    unreadable: bool = False

    @property
    def files(self) -> int:
        """The number of files and folders."""
        return len(self.sizes) + self.folders

    @property
    def disk(self) -> int:
        """The size of all files in bytes."""
        return sum(self.sizes.values())


def measure(root: str, most: int) -> Tree:
    """The files below a folder. Stops when it has found more than ``most``."""
    found = Tree()
    for path, entry in _walk(root, found):
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                found.folders += 1
            else:
                status = entry.stat(follow_symlinks=False)
                # Some file systems allocate late, and some files have holes.
                found.sizes[path] = max(status.st_size, status.st_blocks * 512)
        if found.files > most:
            break
    return found


def _walk(root: str, found: Tree) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    todo = [("", 0)]
    while todo:
        below, depth = todo.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    yield path, entry
                    if entry.is_dir(follow_symlinks=False):
                        todo.append((path, depth + 1))
                        found.unreadable |= _too_deep(entry.path, depth)
        except (FileNotFoundError, NotADirectoryError):  # removed or replaced meanwhile
            pass
        except OSError:
            found.unreadable = True


def _too_deep(path: str, depth: int) -> bool:
    return depth >= MOST_DEPTH or len(os.fsencode(path)) > MOST_PATH


def give(root: str, uid: int) -> None:
    """Make an account the owner of a folder and everything in it."""
    os.lchown(root, uid, uid)
    for path, _ in _walk(root, Tree()):
        os.lchown(os.path.join(root, path), uid, uid)


def sweep(root: str, owner: tuple[int, int] | None = None) -> list[str]:
    """Leave only regular files and folders with ordinary names and modes.

    ``owner`` is the user and group that get everything. Returns the paths that were removed.
    """
    removed: list[str] = []
    todo = [("", 0)]
    while todo:
        below, depth = todo.pop()
        folder = os.path.join(root, below)
        _give(folder, owner, 0o700)
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not _ordinary(name, mode) or (stat.S_ISDIR(mode) and _too_deep(path, depth)):
                remove(path)
                removed.append(os.path.join(below, name))
            elif stat.S_ISDIR(mode):
                todo.append((os.path.join(below, name), depth + 1))
            else:
                _give(path, owner, 0o600)
    return removed


def _ordinary(name: str, mode: int) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable() and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _give(path: str, owner: tuple[int, int] | None, least: int) -> None:
    """Change the owner, and let nobody else change it later. ``path`` is no symlink."""
    status = os.lstat(path)
    if owner is not None and (status.st_uid, status.st_gid) != owner:
        os.chown(path, *owner, follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    wanted = mode & ~_UNSAFE | least
    if mode != wanted:
        os.chmod(path, wanted)


def undo(root: str, before: Mapping[str, int]) -> list[str]:
    """Remove the files that were created or enlarged since ``before`` was measured."""
    known = {path.partition("/")[0] for path in before}
    removed = [name for name in sorted(os.listdir(root)) if name not in known]
    for name in removed:
        remove(os.path.join(root, name))
    now = measure(root, sys.maxsize)
    for name, size in now.sizes.items():
        if size > before.get(name, -1):
            remove(os.path.join(root, name))
            removed.append(name)
    return removed


def remove(path: str) -> None:
    """Remove a file or a folder, however deep it is."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    with suppress(OSError, RecursionError):
        shutil.rmtree(path)
    if os.path.lexists(path):  # folders without permissions, or deeper than a path can be long
        for program in (("chmod", "-R", "u+rwx"), ("rm", "-rf")):
            subprocess.run([*program, "--", path], stderr=subprocess.DEVNULL, check=False)  # noqa: S603
