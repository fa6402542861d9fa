"""Opening the database, or refusing to."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from common.errors import ConfigError, StoreError
from services.stats.database import DatabaseSettings, open_store
from services.stats.pseudonyms import Pseudonyms
from services.stats.records import Changes, Poll
from services.stats.settings.exclusion import Exclusion
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.conftest import Run


def test_no_migrate(run: Run) -> None:
    """With --no-migrate, a database without tables is rejected."""
    code, _, err = run("demo-data", "--no-migrate")
    assert code == 1
    assert "no tables yet and --no-migrate is set" in err


def test_newer_database(demo: Run, tmp_path: Path) -> None:
    """A database of a newer version is rejected with one clear line."""
    with sqlite3.connect(tmp_path / "stats.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    code, _, err = demo("report")
    assert code == 1
    assert err.count("\n") == 1
    assert "Upgrade jupyterhub-classroom" in err


def test_names_are_not_mixed(demo: Run, tmp_path: Path) -> None:
    """A database with plain names is rejected if pseudonyms are switched on."""
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    code, _, err = demo("report", "--pseudonymise", f"--pseudonym-key-file={key}")
    assert code == 1
    assert "names in this database are kept as they are" in err


def settings(path: Path, **changes: Any) -> DatabaseSettings:
    """An SQLite file, with days in UTC."""
    return DatabaseSettings(f"sqlite:///{path}", ZoneInfo("UTC"), **changes)


async def test_the_same_key_opens_the_database_again(tmp_path: Path) -> None:
    """A database with pseudonyms can be reopened with its key, and with no other."""
    path = tmp_path / "stats.sqlite"
    key, other = Pseudonyms(b"0123456789abcdef"), Pseudonyms(b"fedcba9876543210")
    for _ in range(2):
        async with open_store(settings(path, pseudonyms=key)) as store:
            assert isinstance(store, Store)
    with pytest.raises(ConfigError, match="cannot be mixed"):
        async with open_store(settings(path, pseudonyms=other)):
            pass


async def test_an_unusable_file_is_reported_at_once(tmp_path: Path) -> None:
    """Waiting does not help if an SQLite file cannot be opened, so it is an error."""
    with pytest.raises(ConfigError, match="--db-url: cannot open the database"):
        async with open_store(settings(tmp_path / "missing" / "stats.sqlite"), wait=True):
            pass


async def test_an_error_of_the_store_becomes_a_message(tmp_path: Path) -> None:
    """A command that the store rejects ends with its message rather than a traceback."""
    with pytest.raises(ConfigError, match="not now"):
        async with open_store(settings(tmp_path / "stats.sqlite")):
            raise StoreError("not now")


async def test_the_zone_of_the_database_is_the_default(tmp_path: Path) -> None:
    """A command without --timezone counts days as the service does; a new database is in UTC."""
    path = tmp_path / "stats.sqlite"
    async with open_store(DatabaseSettings(f"sqlite:///{path}")) as store:
        assert store.zone.key == "UTC"
    await keep_in_berlin(path)
    async with open_store(DatabaseSettings(f"sqlite:///{path}")) as store:
        assert store.zone.key == "Europe/Berlin"


async def test_a_command_does_not_change_the_zone(tmp_path: Path) -> None:
    """A report in another zone would shift hours between days; only the service counts again."""
    path = tmp_path / "stats.sqlite"
    await keep_in_berlin(path)
    with pytest.raises(ConfigError, match="counts its days in Europe/Berlin"):
        async with open_store(settings(path)):
            pass
    async with open_store(settings(path), wait=True) as store:
        assert store.zone.key == "UTC"


async def test_a_command_does_not_change_who_is_counted(tmp_path: Path) -> None:
    """A report without other users is refused: the days were counted once, by the service."""
    path = tmp_path / "stats.sqlite"
    await keep_in_berlin(path)
    store = await Store.open(f"sqlite:///{path}", None)
    kept = Exclusion(("bot-*", "group:staff"))
    await store.keep_exclusion(kept, leader=await store.take_leadership())
    await store.close()
    url = f"sqlite:///{path}"
    for patterns in ((), ("group:staff", "bot-*")):
        async with open_store(DatabaseSettings(url, exclusion=Exclusion(patterns))) as opened:
            assert await opened.kept_exclusion() == kept
    message = "--exclude: the days in this database were counted without bot-[*], group:staff"
    with pytest.raises(ConfigError, match=message):
        async with open_store(DatabaseSettings(url, exclusion=Exclusion(("ana",)))):
            pass
    async with open_store(DatabaseSettings(url, exclusion=Exclusion(("ana",))), wait=True):
        pass


async def test_a_new_database_has_no_exclusion_to_keep(tmp_path: Path) -> None:
    """An import before the service has run may have the service's configuration."""
    url = f"sqlite:///{tmp_path / 'stats.sqlite'}"
    async with open_store(DatabaseSettings(url, exclusion=Exclusion(("ana",)))) as store:
        assert not await store.kept_exclusion()


async def keep_in_berlin(path: Path) -> None:
    """Write a poll to a database, with days in Berlin."""
    store = await Store.open(f"sqlite:///{path}", ZoneInfo("Europe/Berlin"))
    now = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    poll = Poll(now, 300, 10, whole=True, full=True, users=0, servers=0, active=0)
    await store.write(Changes(polls={now: poll}), leader=await store.take_leadership())
    await store.close()


async def test_the_service_keeps_the_name_of_the_hub(tmp_path: Path) -> None:
    """Commands read it from the database, and do not change it."""
    url = f"sqlite:///{tmp_path / 'stats.sqlite'}"
    for wait, name, kept in ((True, "Ours", "Ours"), (False, "", "Ours"), (True, "", "")):
        async with open_store(DatabaseSettings(url=url, hub_name=name), wait=wait) as store:
            assert await Queries(store).hub_name() == kept
