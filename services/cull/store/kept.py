"""The last valid policy, read before the service runs."""

from pathlib import Path

from common.db.address import parse_address
from services.cull.store.store import CullStore


async def kept_policy(db_url: str, path: Path) -> str | None:
    """The last valid text of the policy file at ``path``; None if there is none.

    Creates no database.

    :raises ConfigError: a newer release created the database
    :raises StoreError: it is out of reach
    """
    file = parse_address(db_url).file
    if file is not None and not file.exists():
        return None
    async with CullStore(db_url) as store:
        return await store.kept_policy(path)
