"""Appends a course to the courses file, and changes nothing else in it."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from common.errors import ConfigError


class NotWritten(Exception):
    """The file was not changed. The text says why."""


def read_text(path: Path) -> str:
    """The text of the courses file, with its line breaks. :raises ConfigError: it has none"""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError([f"{path} cannot be read: {reason}"]) from None


def with_entry(text: str, entry: str) -> str:
    """The text with the entry at its end, with the same kind of line breaks."""
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else newline if text.endswith("\n") else 2 * newline
    return f"{text}{gap}{entry.replace(chr(10), newline)}"


def append_entry(path: Path, before: str, entry: str, check: Callable[[str], object]) -> None:
    """Append ``entry`` to the file, whose text is ``before``, and keep a copy as ``FILE.bak``.

    ``check`` raises an exception if the new text is invalid, before anything is written. The file
    is replaced at once, with its mode and owner.

    :raises NotWritten: it changed meanwhile, or cannot be replaced
    """
    path = path.resolve()
    check(with_entry(before, entry))
    try:
        old = path.read_bytes()
        if old.decode("utf-8-sig") != before:
            raise NotWritten(f"{path} has just been changed; run this command again")
        new = with_entry(old.decode(), entry)
        # Not a copy: a link that somebody made in place of the .bak is replaced, not followed.
        _write(path.with_name(path.name + ".bak"), old, path.stat())
        _write(path, new.encode(), path.stat())
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror}; append this yourself:\n\n{entry}") from None


def _write(path: Path, content: bytes, status: os.stat_result) -> None:
    """Replace a file at once, with the mode and owner in ``status``."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
