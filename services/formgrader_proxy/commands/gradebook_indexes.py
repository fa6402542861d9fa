"""``gradebook-indexes FILE COURSE``: create or remove the indexes of a course's gradebook.

The database is opened in another process, as the course's account and in its directory: this one
may run as root.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from common.errors import ConfigError
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.process.launch import INHERITED, read_secret
from services.formgrader_proxy.upstream.process.process import Account

_COMMAND = (sys.executable, "-I", "-m", "services.formgrader_proxy.gradebook.database.command")
#: Seconds. A gradebook with 100,000 grades needs less than one.
_SECONDS = 600


def gradebook_indexes(course: Course, *, remove: bool) -> str:
    """Create the missing indexes, or remove all; returns a sentence for the terminal.

    :raises ConfigError: it was not possible; the text says why
    """
    if course.directory is None:
        raise ConfigError([f"{course.id} has its own formgrader (url), so its gradebook is there"])
    try:
        names, problem = _run(course.directory, course, remove=remove)
    except LookupError:
        raise ConfigError([f'there is no account "{course.user}"']) from None
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigError([f"{course.id}: {_reason(error)}"]) from None
    if problem:
        raise ConfigError([f"{course.id}: {problem}"])
    if not names:
        return f"{course.id}: nothing to do."
    done = "Removed" if remove else "Created"
    return f"{course.id}: {done} {len(names)} indexes: {', '.join(names)}"


def _run(directory: Path, course: Course, *, remove: bool) -> tuple[list[str], str]:
    account = Account.named(course.user)
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    start = {"course_id": course.id, "db_url": read_secret(course.db_url_file), "remove": remove}
    done = subprocess.run(  # noqa: S603 - fixed arguments
        _COMMAND,
        input=json.dumps(start),
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment | {"HOME": account.home, "USER": account.name},
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        timeout=_SECONDS,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["names"], found["problem"]


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        return str(error.stderr).strip().splitlines()[-1]
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}"
    return str(error)
