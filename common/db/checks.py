"""What this machine lacks for a database, found before anything is connected."""

from importlib.util import find_spec

from common.db.address import DatabaseAddress, parse_address
from common.errors import ConfigError


def database_problems(db_url: str, *, option: str = "--db-url") -> list[str]:
    """Why the database can never be used from here, each with what to do; empty if it can.

    A directory that does not exist is none of them: it may be mounted later, and a service
    waits for its database.
    """
    try:
        address = parse_address(db_url, option=option)
    except ConfigError as error:
        return list(error.problems)
    return [f"{option}: {problem}" for problem in _missing(address)]


def _missing(address: DatabaseAddress) -> list[str]:
    if not address.is_sqlite:
        return [] if find_spec("asyncpg") else [MISSING_DRIVER]
    if address.file is None:
        return []
    if address.file.is_dir():
        return [f"{address.file} is a directory; write the name of a file in it"]
    return []


MISSING_DRIVER = "PostgreSQL needs asyncpg; pip install 'jupyterhub-classroom[postgresql]'"
