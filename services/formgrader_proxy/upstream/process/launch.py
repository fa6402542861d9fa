"""Launching a course's formgrader: its environment, and its settings on standard input.

Nothing of this service's environment or the Hub's is passed on except what :data:`INHERITED`
names. The token goes through standard input, because autograding runs students' code in a child
of the formgrader, and a child can read its parent's environment.
"""

import errno
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.formgrader_proxy.autograding.files.open_beneath import read_beneath
from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.course_check.start_errors import require_nbgrader
from services.formgrader_proxy.upstream.process.listener import Listener
from services.formgrader_proxy.upstream.process.process import Account, Process

_SERVER = "services.formgrader_proxy.upstream.server"
#: Environment variables that are passed on: for finding programs, locales and certificates.
INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
#: Longer than any URL of a database.
_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True)
class LaunchSettings:
    """How a course's formgrader is launched.

    ``user`` is a system account, only for a service that runs as root. ``db_url_file`` contains
    the URL of the gradebook's database; None is nbgrader's default.
    """

    course_id: str
    directory: Path
    base_url: str
    user: str | None = None
    db_url_file: Path | None = None
    #: A digest of that file: with other content, processes would use another gradebook.
    db_url_version: str = field(default="", repr=False)
    autograding: AutogradingSettings = field(default_factory=AutogradingSettings)
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (
        sys.executable,
        "-I",
        "-m",
        _SERVER,
    )


def launch(settings: LaunchSettings, private: Path, listener: Listener, token: str) -> Process:
    """Start the formgrader, which will serve the connections to ``listener``.

    ``private`` is a directory that only this service can read; it is given to the formgrader's
    account, and removed when it has ended. This process keeps no copy of the listening socket.

    :raises OSError: it cannot be started, or ``db_url_file`` cannot be read
    :raises LookupError: there is no such account, or nbgrader is not installed
    """
    if _SERVER in settings.command:
        require_nbgrader()
    account = Account.named(settings.user)
    start = {
        "course_id": settings.course_id,
        "base_url": settings.base_url,
        "listener": listener.fileno(),
        "token": token,
        "db_url": read_secret(settings.db_url_file, settings.directory),
        "db_url_file": str(settings.db_url_file) if settings.db_url_file else None,
        "autograding": settings.autograding.to_json(),
    }
    if account.uid is not None:
        os.chown(private, account.uid, account.gid or -1)
    process = Process(
        settings.command,
        account=account,
        directory=settings.directory,
        environment=environment_of(account)
        | {"JUPYTER_RUNTIME_DIR": str(private / "runtime")}
        | dict(settings.environment),
        stdin=json.dumps(start).encode(),
        inherited=(listener.fileno(),),
        private=private,
    )
    listener.close_socket()
    return process


def environment_of(account: Account) -> dict[str, str]:
    """The environment of a process that this service starts as an account."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # nbgrader runs alembic and jupyter by name. They are installed next to this Python.
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join((programs, environment.get("PATH", os.defpath)))
    return environment | {
        "PATH": path,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
    }


def read_secret(path: Path | None, course: Path | None = None) -> str | None:
    """The content of a file without surrounding white space; None without a file.

    Below ``course``, the directory of a course, no link is followed: the course's account could
    let this process, which may be root, read a file for it, or wait for ever.

    :raises OSError, UnicodeDecodeError: it cannot be read
    """
    if path is None:
        return None
    if course is None or not path.is_relative_to(course):
        return path.read_text(encoding="utf-8").strip()
    try:
        content = read_beneath(course, path.relative_to(course).parts, at_most=_SECRET_BYTES)
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(error.errno or errno.EINVAL, why, str(path)) from None
    return content.decode().strip()
