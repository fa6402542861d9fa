"""Copying a submission from nbgrader's exchange, where its student can change it at any time."""

import os
import shutil
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from services.formgrader_proxy.autograding.files.open_beneath import folder_beneath, open_file
from services.formgrader_proxy.autograding.files.submissions import Bounds, shown

#: nbgrader's own rule: which names in a folder (its path, the names) are not copied.
Ignored = Callable[[str, list[str]], Collection[str]]


def copy_submission(source: Path, target: Path, ignored: Ignored, bounds: Bounds) -> None:
    """Copy regular files and folders, and nothing else. Times of change are kept.

    Unlike a check before the copy, this cannot be outrun: what was opened is checked, and counted
    while it is copied.

    :raises OSError: a file is of another kind, has several names, or the submission is too large;
        nothing is left at ``target``
    """
    target.mkdir()
    try:
        _copy(source, target, ignored, bounds)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _copy(source: Path, target: Path, ignored: Ignored, bounds: Bounds) -> None:
    room, files = bounds.total_bytes, 0
    if source.is_symlink():
        raise OSError("the submission is a symbolic link")
    todo: list[tuple[str, ...]] = [()]
    while todo:
        parts = todo.pop()
        with folder_beneath(source, parts) as folder:
            names = os.listdir(folder)
            skipped = set(ignored(str(source.joinpath(*parts)), names))
            for name in names:
                if name in skipped:
                    continue
                files += 1
                if files > bounds.files:
                    raise OSError("the submission contains too many files")
                copy = target.joinpath(*parts, name)
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    if len(parts) >= bounds.depth:
                        raise OSError(f"{shown(name)} is nested too deeply")
                    copy.mkdir()
                    todo.append((*parts, name))
                else:
                    room -= _copy_file(name, folder, copy, room)


def _copy_file(name: str, folder: int, copy: Path, room: int) -> int:
    """Copy one file of at most ``room`` bytes; returns its size."""
    with os.fdopen(open_file(name, dir_fd=folder), "rb") as source, copy.open("xb") as target:
        found = os.fstat(source.fileno())
        if found.st_nlink > 1:
            raise OSError(f"{shown(name)} has several names (hard links)")
        copied = 0
        while chunk := source.read(1024 * 1024):
            copied += len(chunk)
            if copied > room:
                raise OSError("the submission is too large")
            target.write(chunk)
        target.flush()
        os.fchmod(target.fileno(), 0o600 | (found.st_mode & 0o777))
        with suppress(OSError):
            os.utime(target.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
    return copied
