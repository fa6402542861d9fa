"""The address of a course's gradebook."""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traitlets.config import Config


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


def given_settings(course_id: str, directory: str, db_url: str | None) -> "Config":
    """What this service sets for nbgrader in a course. ``db_url`` has its driver."""
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = directory
    config.CourseDirectory.course_id = course_id
    if db_url:
        config.CourseDirectory.db_url = db_url
    return config


def course_gradebook_url(course_id: str, configured: str | None) -> str:
    """The URL that a formgrader uses in the current directory.

    ``configured`` is the one in the courses file, which the course's own configuration overrides.
    """
    from nbgrader.apps.baseapp import NbGrader

    url = gradebook_url(configured) if configured else None
    app = NbGrader(config=given_settings(course_id, os.getcwd(), url))
    app.initialize([])
    return str(app.coursedir.db_url)
