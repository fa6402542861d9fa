"""Opening files below a folder without following any symbolic link.

A name that somebody else may replace at any time is opened first and checked afterwards, through
its descriptor: a check by name could look at one file and open another one.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Never waits for the other end of a FIFO, and never makes a terminal the controlling one.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


def open_folder(name: str | Path, *, dir_fd: int | None = None) -> int:
    """A descriptor of a folder that is not a symbolic link.

    :raises OSError: there is no such folder, or it is something else
    """
    return os.open(name, _FOLDER, dir_fd=dir_fd)


def open_file(name: str, *, dir_fd: int | None = None) -> int:
    """A descriptor of a regular file that is not a symbolic link.

    :raises OSError: there is no such file, or it is something else, such as a FIFO or a device
    """
    # Opening a device can have effects, so its kind is looked at first; a file that is replaced
    # between these two lines is recognized by the second look.
    found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{name!r} is not a regular file")
    descriptor = os.open(name, _FILE, dir_fd=dir_fd)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name!r} is not a regular file")
    return descriptor


@contextmanager
def folder_beneath(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of the folder ``parts`` below ``root``; ``root`` itself may be a link.

    :raises OSError: there is no such folder, or one of the parts is a symbolic link
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            _check(part)
            deeper = open_folder(part, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def open_beneath(root: Path, parts: Sequence[str]) -> int:
    """A descriptor of the regular file ``parts`` below ``root``; ``root`` itself may be a link.

    :raises OSError: there is no such file, it is not a regular file, or one of the parts is a
        symbolic link
    """
    if not parts:
        raise OSError("the file's name is missing")
    with folder_beneath(root, parts[:-1]) as folder:
        _check(parts[-1])
        return open_file(parts[-1], dir_fd=folder)


def read_beneath(root: Path, parts: Sequence[str], *, at_most: int) -> bytes:
    """The content of a regular file; see :func:`open_beneath`.

    :raises OSError: as :func:`open_beneath`, or the file is longer than ``at_most`` bytes
    """
    with os.fdopen(open_beneath(root, parts), "rb") as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise OSError(f"{parts[-1]!r} is longer than {at_most} bytes")
    return content


def _check(part: str) -> None:
    if part in {"", ".", ".."} or "/" in part or "\0" in part:
        raise OSError(f"{part!r} is not a file name")
