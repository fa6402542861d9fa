"""The open gradebooks of this process: normally one."""

import os
import time
from dataclasses import dataclass

from nbgrader.api import Gradebook
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool
from tornado.log import app_log

from services.formgrader_proxy.gradebook.database import indexes
from services.formgrader_proxy.gradebook.database.sqlite_file import (
    sqlite_path,
    use_write_ahead_log,
    wait_for_locks,
)

#: How often the indexes are checked: ``nbgrader db upgrade`` can remove them. In seconds.
CHECK_SECONDS = 60.0


@dataclass
class _Opened:
    engine: Engine
    file: tuple[int, int] | None
    checked: float
    problem: str = ""


_opened: dict[tuple[str, str], _Opened] = {}


def gradebook_engine(url: str, course_id: str) -> Engine:
    """Connections to a gradebook, which is created if it does not exist.

    nbgrader creates and checks the tables for each request. Here that happens once, and again
    for another file in the same place, such as a restored copy.

    :raises SQLAlchemyError: the database cannot be opened
    """
    key, now = (url, course_id), time.monotonic()
    found, file = _opened.get(key), _identity(url)
    if found is None or found.file != file or (file is None and sqlite_path(url) is not None):
        Gradebook(url, course_id).close()
        if found is not None:
            found.engine.dispose()
        engine = found.engine if found is not None else new_engine(url)
        found = _opened[key] = _Opened(engine, _identity(url), now, _prepare(url, engine))
    elif now - found.checked > CHECK_SECONDS:
        found.checked = now
        found.problem = indexes.create_or_log(found.engine, found.problem)
    return found.engine


def prepare_existing(url: str) -> None:
    """At the start: create the indexes of a gradebook that exists. Problems are only logged."""
    wait_for_locks()
    try:
        path = sqlite_path(url)
        if path is not None and not path.exists():
            return
        engine = new_engine(url)
    except (ArgumentError, ImportError) as error:
        app_log.warning("The gradebook cannot be opened: %s", error)
        return
    _prepare(url, engine)
    engine.dispose()


def new_engine(url: str) -> Engine:
    """Connections for short sessions. :raises ArgumentError, ImportError: the URL is invalid"""
    if sqlite_path(url) is not None:
        # A connection that is kept would go on to use a file that has been replaced.
        return create_engine(url, poolclass=NullPool)
    # A few per process, because a course has several processes. Those that a restart of the
    # server has closed are replaced.
    return create_engine(
        url,
        pool_size=2,
        max_overflow=6,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10} if url.startswith("postgres") else {},
    )


def _prepare(url: str, engine: Engine) -> str:
    if (path := sqlite_path(url)) is not None:
        use_write_ahead_log(path)
    return indexes.create_or_log(engine)


def _identity(url: str) -> tuple[int, int] | None:
    """What differs between two files with the same name."""
    path = sqlite_path(url)
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)
