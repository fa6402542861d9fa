"""Where a course's gradebook is."""

import os
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


def gradebook_url(url: str) -> str:
    """The URL with the PostgreSQL driver that is installed.

    SQLAlchemy's choice for a URL without a driver depends on its version.

    :raises SystemExit: no driver is installed; the message says what to install
    """
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres"}:
        return url
    for driver in ("psycopg", "psycopg2"):
        if find_spec(driver):
            return f"postgresql+{driver}://{rest}"
    raise SystemExit("A gradebook in PostgreSQL needs a driver: pip install 'psycopg[binary]'")


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
