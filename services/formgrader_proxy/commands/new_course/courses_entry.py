"""Appends a course to the courses file, and changes nothing else in it."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


class NotWritten(Exception):
    """The file was not changed. The text says why."""


def append_entry(path: Path, before: str, entry: str, check: Callable[[str], object]) -> None:
    """Append ``entry`` to the file, whose text is ``before``, and keep a copy as ``FILE.bak``.

    ``check`` raises an exception if the new text is invalid, before anything is written. The file
    is replaced at once, with its mode and owner.

    :raises NotWritten: it changed meanwhile, or cannot be replaced
    """
    path = path.resolve()
    check(_joined(before, entry))
    try:
        old = path.read_bytes()
        if old.decode("utf-8-sig") != before:
            raise NotWritten(f"{path} has just been changed; run this command again")
        new = _joined(old.decode(), entry)
        shutil.copy2(path, path.with_name(path.name + ".bak"))
        _replace(path, new.encode())
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror}; append this yourself:\n\n{entry}") from None


def _joined(text: str, entry: str) -> str:
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}{entry}"


def _replace(path: Path, content: bytes) -> None:
    status = path.stat()
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
