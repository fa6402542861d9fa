"""Whether files have changed since they were checked."""

import os
from collections.abc import Iterable

from services.formgrader_proxy.course_check.findings import Version


def version_of(path: str) -> Version:
    """The file as it is now. Only looks at its metadata."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return Version(path, 0, 0)
    return Version(path, found.st_mtime_ns, found.st_size)


def versions_of(paths: Iterable[str]) -> tuple[Version, ...]:
    """These files as they are now, each once."""
    return tuple(version_of(path) for path in dict.fromkeys(paths))


def any_changed(versions: Iterable[Version]) -> bool:
    """Whether one of the files is no longer as it was."""
    return any(version_of(version.path) != version for version in versions)
