"""Creates or removes the indexes of the gradebook of the course in the current directory.

``gradebook-indexes`` runs ``python -I -m services.formgrader_proxy.gradebook.database.command``
as the course's account. Standard input is ``{"course_id", "db_url", "remove"}`` as JSON; the
output is ``{"names": [...], "problem": text}``.
"""

import json
import sys
from contextlib import redirect_stdout

from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from services.formgrader_proxy.gradebook.database import indexes
from services.formgrader_proxy.gradebook.database.address import course_gradebook_url
from services.formgrader_proxy.gradebook.database.opened import new_engine
from services.formgrader_proxy.gradebook.database.sqlite_file import sqlite_path


def main() -> None:
    """Read, act and print."""
    start = json.load(sys.stdin)
    names, problem = [], ""
    try:
        with redirect_stdout(sys.stderr):  # what nbgrader_config.py prints
            url = course_gradebook_url(start["course_id"], start["db_url"])
        names = act(url, start["remove"])
    except (ArgumentError, ImportError, SQLAlchemyError, FileNotFoundError) as error:
        problem = indexes.reason(error)
    print(json.dumps({"names": names, "problem": problem}))


def act(url: str, remove: bool) -> list[str]:
    """Create the missing indexes or remove all; returns their names.

    :raises FileNotFoundError: there is no gradebook yet
    :raises ArgumentError, ImportError, SQLAlchemyError: it cannot be opened or changed
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise FileNotFoundError(f"there is no gradebook at {path}")
    engine = new_engine(url)
    try:
        return indexes.remove(engine) if remove else indexes.create(engine)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
