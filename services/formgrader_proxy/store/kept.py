"""The last valid courses, read before the service runs."""

from pathlib import Path

from common.db.address import parse_address
from services.formgrader_proxy.store.audit import Audit


async def kept_courses(db_url: str, path: Path) -> str | None:
    """The last valid text of the courses file at ``path``; None if there is none.

    Creates no database.

    :raises ConfigError: a newer release created the database
    :raises StoreError: it is out of reach
    """
    file = parse_address(db_url).file
    if file is not None and not file.exists():
        return None
    audit = Audit(db_url)
    await audit.open()
    try:
        return await audit.kept_courses(path)
    finally:
        await audit.close()
