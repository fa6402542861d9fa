"""The audit of changes, on SQLite and PostgreSQL."""

import asyncio
import dataclasses
import os
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import ConfigError, StoreUnavailable
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.store.kept import kept_courses
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.fakes.postgres import Postgres

__all__ = ["db_url", "postgres", "postgres_url"]

CHANGE = Change(
    at=datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC),
    course="sums",
    user="名前 o'hara",
    role="grader",
    action="grade",
    path="formgrader/api/grade/abc",
    fields=("extra_credit", "manual_score"),
)


@pytest.fixture
async def audit(db_url: str) -> AsyncIterator[Audit]:
    """An open audit in an empty database."""
    audit = Audit(db_url)
    await audit.open()
    yield audit
    await audit.close()


async def test_a_change_is_recorded_completely(audit: Audit) -> None:
    """First without a status, then with the formgrader's."""
    number = await audit.begin(CHANGE)
    assert list(await audit.newest("sums")) == [CHANGE]
    await audit.finish(number, 200, succeeded=False)
    expected = dataclasses.replace(CHANGE, status=200, succeeded=False)
    assert list(await audit.newest("sums")) == [expected]


async def test_a_course_sees_only_its_own_changes(audit: Audit) -> None:
    """Another course's changes are neither in its list nor in its export."""
    await audit.begin(CHANGE)
    assert list(await audit.newest("other")) == []
    assert [part async for part in audit.every("other")] == []


async def test_the_latest_change_of_each_course(audit: Audit) -> None:
    """Only of the courses in question that have one."""
    assert await audit.latest([]) == {}
    for course, path in (("sums", "1"), ("other", "2"), ("sums", "3"), ("third", "4")):
        await audit.begin(dataclasses.replace(CHANGE, course=course, path=path))
    found = await audit.latest(["sums", "other", "none"])
    assert {course: change.path for course, change in found.items()} == {"sums": "3", "other": "2"}


async def test_every_change_is_exported_in_order(audit: Audit) -> None:
    """The export is oldest first, however it is read in parts; the list is newest first."""
    for number in range(5):
        await audit.begin(dataclasses.replace(CHANGE, path=str(number)))
    exported = [change.path async for part in audit.every("sums", step=2) for change in part]
    assert exported == ["0", "1", "2", "3", "4"]
    assert [change.path for change in await audit.newest("sums", limit=2)] == ["4", "3"]


async def test_concurrent_changes(audit: Audit) -> None:
    """Each of many graders who save at the same moment gets a row."""
    numbers = await asyncio.gather(
        *(audit.begin(dataclasses.replace(CHANGE, user=f"g{one}")) for one in range(40))
    )
    await asyncio.gather(*(audit.finish(number, 200) for number in numbers))
    changes = await audit.newest("sums")
    assert len(set(numbers)) == 40
    assert {change.user for change in changes} == {f"g{one}" for one in range(40)}
    assert {change.status for change in changes} == {200}


async def test_changes_survive_a_restart(audit: Audit, db_url: str) -> None:
    """Opening a database again changes nothing in it."""
    await audit.begin(CHANGE)
    again = Audit(db_url)
    await again.open()
    assert list(await again.newest("sums")) == [CHANGE]
    await again.close()


async def test_a_database_that_is_unavailable(tmp_path: Path) -> None:
    """The error names the database, without the password."""
    for url, name in (
        (f"sqlite:///{tmp_path}/absent/audit.sqlite", f"sqlite:///{tmp_path}/absent/audit.sqlite"),
        (f"postgresql://u:secret@/x?host={tmp_path}", "postgresql://u@/x"),
    ):
        audit = Audit(url)
        with pytest.raises(StoreUnavailable, match=re.escape(name)) as unavailable:
            await audit.open()
        assert "secret" not in str(unavailable.value)
        await audit.close()


async def test_a_change_while_the_database_is_unavailable(postgres: Postgres) -> None:
    """The change is refused, so that none is made without its row; later changes are recorded."""
    audit = Audit(postgres.database().replace("@/", ":secret@/"))
    await audit.open()
    number = await audit.begin(CHANGE)
    postgres.stop()
    try:
        for recording in (audit.begin(CHANGE), audit.finish(number, 200)):
            with pytest.raises(StoreUnavailable) as unavailable:
                await recording
            assert "secret" not in str(unavailable.value)
    finally:
        postgres.start()
    await audit.finish(number, 200)
    assert [change.status for change in await audit.newest("sums")] == [200]
    await audit.close()


async def test_an_audit_that_is_not_open() -> None:
    """Using it raises the error of a database that is unavailable."""
    with pytest.raises(StoreUnavailable, match="not open"):
        await Audit("sqlite://").begin(CHANGE)


async def test_reading_does_not_wait_for_writers(tmp_path: Path) -> None:
    """While another process holds SQLite's write lock, the audit can be read."""
    path = tmp_path / "audit.sqlite"
    audit = Audit(f"sqlite:///{path}")
    await audit.open()
    await audit.begin(CHANGE)
    with closing(sqlite3.connect(path, isolation_level=None)) as process:
        process.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(5):
            assert list(await audit.newest("sums")) == [CHANGE]
            assert [part async for part in audit.every("sums")] == [[CHANGE]]
    await audit.close()


@pytest.mark.parametrize("url", ["", "mysql://x", "audit.sqlite", "postgresql:/x"])
def test_an_unusable_url(url: str) -> None:
    """It is refused with what to write instead."""
    with pytest.raises(ConfigError, match="sqlite:///FILE"):
        Audit(url)


async def test_the_last_valid_courses(db_url: str, tmp_path: Path) -> None:
    """The latest text of one file, after a restart, too; another file has none."""
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    assert await kept_courses(db_url, first) is None
    audit = Audit(db_url)
    await audit.open()
    try:
        await audit.keep_courses(first, "one")
        await audit.keep_courses(first, "two")
    finally:
        await audit.close()
    assert await kept_courses(db_url, first) == "two"
    assert await kept_courses(db_url, second) is None


async def test_reading_the_last_valid_courses_creates_no_database(tmp_path: Path) -> None:
    """The courses file is invalid, so the service may not run at all."""
    assert await kept_courses(f"sqlite:///{tmp_path}/none.sqlite", tmp_path / "a.toml") is None
    assert os.listdir(tmp_path) == []
