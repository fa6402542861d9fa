"""Where a course's gradebook is."""

import os
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


def sqlite_path(db_url: str) -> Path | None:
    """The file of a SQLite gradebook; None for a database server."""
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        return None
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(os.path.abspath(url.database))


def files_of(db_url: str) -> list[str]:
    """The files that decide whether the gradebook can be used."""
    path = sqlite_path(db_url)
    return [] if path is None else [str(path), str(path.parent), f"{path}-wal", f"{path}-journal"]
