"""Which files of a submission are refused, and why.

nbgrader copies what a symbolic link points to, and waits forever for a FIFO. So a submission is
inspected before nbgrader reads any of it, without following links.
"""

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.formgrader_proxy.autograding.files.open_beneath import folder_beneath

#: Problems that are reported of one submission.
MOST_PROBLEMS = 10
#: Characters that change the direction of the text after them, and so disguise a name.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True)
class Bounds:
    """What a submission may contain at most. ``total_bytes`` is the sum of all file sizes."""

    files: int = 5000
    total_bytes: int = 1024**3
    notebook_bytes: int = 64 * 1024**2
    depth: int = 20


def problems(folder: Path, bounds: Bounds, *, links_count: bool = False) -> list[str]:
    """Why the submission in ``folder`` is refused, a sentence for each file; empty if it is not.

    With ``links_count`` a file with several names (hard links) is refused, too: a student who
    can write to the exchange could give a name there to a file of another user.
    """
    for part in (folder.parent, folder):
        if part.is_symlink():
            return [f"The folder {shown(part.name)} is a symbolic link."]
    found = list(islice(_problems(folder, bounds, links_count=links_count), MOST_PROBLEMS + 1))
    if len(found) > MOST_PROBLEMS:
        found[MOST_PROBLEMS:] = ["There are more problems of this kind."]
    return found


def _problems(folder: Path, bounds: Bounds, *, links_count: bool) -> Iterator[str]:
    files = total = 0
    try:
        for path, found in _walk(folder, bounds.depth):
            name = path.rpartition("/")[2]
            if not readable(name):
                yield f"The name {shown(path)} contains invalid or invisible characters."
            if found is None:
                yield f"The folder {shown(path)} is nested too deeply (limit: {bounds.depth})."
                continue
            files += 1
            if files > bounds.files:
                yield f"It contains more than {bounds.files:,} files."
                return
            yield from _file_problems(path, found, bounds, links_count=links_count)
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    except OSError as error:
        yield f"It cannot be read: {shown(str(error.filename or folder.name))}: {error.strerror}."
    if total > bounds.total_bytes:
        yield f"Its files are larger than {size(bounds.total_bytes)} in total."


def _file_problems(
    path: str, found: os.stat_result, bounds: Bounds, *, links_count: bool
) -> Iterator[str]:
    mode, notebook = found.st_mode, path.endswith(".ipynb")
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            yield f"{shown(path)} is {kind}. Submit a regular file instead."
            return
    if stat.S_ISDIR(mode):
        if notebook:
            yield f"{shown(path)} is a folder, not a notebook."
        return
    if mode & (stat.S_ISUID | stat.S_ISGID):
        yield f"{shown(path)} has the set-user-ID or set-group-ID permission."
    if links_count and found.st_nlink > 1:
        yield f"{shown(path)} has several names (hard links). Submit a copy instead."
    if notebook and found.st_size > bounds.notebook_bytes:
        yield f"{shown(path)} is larger than {size(bounds.notebook_bytes)}."


def _walk(folder: Path, depth: int) -> Iterator[tuple[str, os.stat_result | None]]:
    """Everything below a folder, as path and status. None is a folder that is too deep."""
    todo: list[tuple[str, ...]] = [()]
    while todo:
        parts = todo.pop()
        with folder_beneath(folder, parts) as descriptor, os.scandir(descriptor) as entries:
            names = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        for name, found in names:
            path = "/".join((*parts, name))
            is_folder = stat.S_ISDIR(found.st_mode)
            if is_folder and len(parts) >= depth:
                yield path, None
                continue
            yield path, found
            if is_folder:
                todo.append((*parts, name))


def readable(name: str) -> bool:
    """Whether a file name can be shown: valid UTF-8 without control or direction characters."""
    return not any(
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in _DIRECTIONS
        for char in name
    )


def shown(path: str) -> str:
    """A file name for logs and pages: at most 120 characters, unreadable ones escaped."""
    text = "".join(
        char if readable(char) else char.encode("unicode_escape", "replace").decode()
        for char in path
    )
    return f'"{text}"' if len(text) <= 120 else f'"{text[:100]}…{text[-15:]}"'


def size(number: int) -> str:
    """A number of bytes for people, such as "64 MB"."""
    megabytes = number / 1024**2
    return f"{megabytes / 1024:,.3g} GB" if megabytes >= 1024 else f"{megabytes:,.3g} MB"
