"""``gradebook-indexes FILE COURSE``: create or remove the indexes of a course's gradebook."""

import msgspec

from common.errors import ConfigError
from services.formgrader_proxy.commands.as_account import NotRun, run_as_account, shown
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.process.launch import read_secret

_MODULE = "services.formgrader_proxy.gradebook.database.command"
#: Seconds. A gradebook with 100,000 grades needs less than one.
_SECONDS = 600.0


class _Found(msgspec.Struct):
    """What the module did."""

    names: tuple[str, ...] = ()
    problem: str | None = None


def gradebook_indexes(course: Course, *, remove: bool) -> str:
    """Create the missing indexes, or remove all; returns a sentence for the terminal.

    :raises ConfigError: it was not possible; the text says why
    """
    if course.directory is None:
        raise ConfigError([f"{course.id} has its own formgrader (url), so its gradebook is there"])
    try:
        url = read_secret(course.db_url_file, course.directory)
        start = {"course_id": course.id, "db_url": url, "remove": remove}
        found = run_as_account(
            _MODULE, start, course.directory, course.user, kind=_Found, seconds=_SECONDS
        )
    except (NotRun, OSError, ValueError) as error:
        raise ConfigError([f"{course.id}: {error}"]) from None
    if found.problem:
        raise ConfigError([f"{course.id}: {shown(found.problem)}"])
    if not found.names:
        return f"{course.id}: nothing to do."
    done = "Removed" if remove else "Created"
    names = shown(", ".join(found.names))
    return f"{course.id}: {done} {len(found.names)} indexes: {names}"
