"""Open the database, for the service and for the commands."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from common.db.address import parse_address
from common.errors import ConfigError, StoreError, StoreUnavailable
from services.stats.pseudonyms import PLAIN, Pseudonyms
from services.stats.settings.exclusion import NOBODY, Exclusion
from services.stats.store.store import Store

log = logging.getLogger("stats")

LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class DatabaseSettings:
    """Which database, and how to use it."""

    url: str = field(repr=False)  # it may contain a password
    zone: ZoneInfo | None = None
    """The time zone in which days begin and end. None: that of the database, or UTC."""
    migrate: bool = True
    """Whether to create or migrate its tables if necessary."""
    pseudonyms: Pseudonyms | None = None
    hub_name: str = ""
    """What the service stores as the name of the hub, for reports."""
    exclusion: Exclusion = NOBODY
    """Who is not counted. The service keeps this in the database; commands may only repeat it."""

    @property
    def stored_exclusion(self) -> Exclusion:
        """With users' names in the form that the database has."""
        return self.exclusion.hashed(self.pseudonyms.name if self.pseudonyms else str)


def missing_database(url: str) -> list[str]:
    """A problem if there is no database at this URL. A command that reads must not create one."""
    address = parse_address(url)
    if not address.is_sqlite or address.file is None or address.file.exists():
        return []
    return [
        f"--db-url: there is no database {address.file}; write the URL of the service's database,"
        " such as sqlite:////var/lib/jupyterhub/stats.sqlite."
    ]


@asynccontextmanager
async def open_store(settings: DatabaseSettings, *, wait: bool = False) -> AsyncIterator[Store]:
    """Open the database and close it at exit.

    ``wait`` is for the service: retry for as long as a PostgreSQL server cannot be reached, and
    accept another time zone, in which the service counts the days again.

    :raises ConfigError: the database cannot be opened, has another schema, stores names in another
        form, counts its days in another time zone, or leaves out other users
    """
    store = await _connect(settings, wait=wait)
    pseudonyms = settings.pseudonyms
    try:
        if not wait:
            await _check_zone(store)
            await _check_exclusion(store, settings.stored_exclusion)
        await store.keep_names_as(pseudonyms.fingerprint() if pseudonyms else PLAIN)
        if wait:
            await store.keep_hub_name(settings.hub_name)
        gc.freeze()  # most objects by now are imported modules: collections can skip them
        yield store
    except StoreError as exc:
        raise ConfigError([str(exc)]) from exc
    finally:
        await store.close()


async def _check_zone(store: Store) -> None:
    kept = await store.kept_zone()
    if kept is not None and kept.key != store.zone.key:
        raise ConfigError(
            [
                f"--timezone: this database counts its days in {kept.key}; leave --timezone out."
                " To change the zone, start the service with another --timezone."
            ]
        )


async def _check_exclusion(store: Store, exclusion: Exclusion) -> None:
    """The days in a database were counted once, without certain users."""
    kept = await store.kept_exclusion()
    if await store.kept_zone() is None:
        return  # a new database, which the service will count as it is set then
    if exclusion and set(exclusion.patterns) != set(kept.patterns):
        listed = f"without {', '.join(kept.patterns)}" if kept else "with all users"
        raise ConfigError(
            [
                f"--exclude: the days in this database were counted {listed}; leave --exclude out."
                " To change who is counted, start the service with another --exclude."
            ]
        )


async def _connect(settings: DatabaseSettings, *, wait: bool) -> Store:
    pause = 1.0
    while True:
        try:
            return await Store.open(settings.url, settings.zone, migrate=settings.migrate)
        except StoreUnavailable as error:
            if not wait or parse_address(settings.url).is_sqlite:
                raise ConfigError([f"--db-url: cannot open the {error}"]) from error
            log.warning("Waiting for the database: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_WAIT_SECONDS)
