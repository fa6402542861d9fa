"""The audit in its database, on SQLite and PostgreSQL."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from common.db.engine import make_engine, parse_url
from common.errors import ConfigError, ServiceError
from services.formgrader_proxy.store.audit import Audit, AuditUnavailable, Change
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

CHANGE = Change(
    at=datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC),
    course="sums",
    user="名前 o'hara",
    role="grader",
    action="grade",
    path="formgrader/api/grade/abc",
    fields=("extra_credit", "manual_score"),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/audit.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def audit(db_url: str) -> AsyncIterator[Audit]:
    audit = Audit(db_url)
    await audit.open()
    yield audit
    await audit.close()


async def test_a_change_is_noted_whole(audit: Audit) -> None:
    """First without an end, then with the formgrader's answer."""
    number = await audit.begin(CHANGE)
    assert list(await audit.newest("sums")) == [CHANGE]
    await audit.finish(number, 200)
    assert list(await audit.newest("sums")) == [dataclasses.replace(CHANGE, status=200)]


async def test_a_course_sees_its_own_only(audit: Audit) -> None:
    """Another course's changes are not in its list, nor in its export."""
    await audit.begin(CHANGE)
    assert list(await audit.newest("other")) == []
    assert [part async for part in audit.every("other")] == []


async def test_every_change_is_exported_in_order(audit: Audit) -> None:
    """Oldest first, across the parts in which they are read; the list shows the newest first."""
    for number in range(5):
        await audit.begin(dataclasses.replace(CHANGE, path=str(number)))
    exported = [change.path async for part in audit.every("sums", step=2) for change in part]
    assert exported == ["0", "1", "2", "3", "4"]
    assert [change.path for change in await audit.newest("sums", limit=2)] == ["4", "3"]


async def test_many_at_once(audit: Audit) -> None:
    """Graders who save at the same moment each get their line."""
    numbers = await asyncio.gather(
        *(audit.begin(dataclasses.replace(CHANGE, user=f"g{one}")) for one in range(40))
    )
    await asyncio.gather(*(audit.finish(number, 200) for number in numbers))
    changes = await audit.newest("sums")
    assert len(set(numbers)) == 40
    assert {change.user for change in changes} == {f"g{one}" for one in range(40)}
    assert {change.status for change in changes} == {200}


async def test_it_is_there_after_a_restart(audit: Audit, db_url: str) -> None:
    """Opening a database anew changes nothing in it."""
    await audit.begin(CHANGE)
    again = Audit(db_url)
    await again.open()
    assert list(await again.newest("sums")) == [CHANGE]
    await again.close()


async def test_a_newer_database_is_refused(audit: Audit, db_url: str) -> None:
    """It says so, and what to do."""
    engine = make_engine(parse_url(db_url))
    async with engine.begin() as connection:
        await connection.execute(sa.text("update formgrader_schema set version = 99"))
    await engine.dispose()
    again = Audit(db_url)
    with pytest.raises(ServiceError, match="newer release"):
        await again.open()
    await again.close()


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    """It is told in words, without the URL."""
    for url in (
        f"sqlite:///{tmp_path}/absent/audit.sqlite",
        f"postgresql://u:secret@/x?host={tmp_path}",
    ):
        audit = Audit(url)
        with pytest.raises(AuditUnavailable) as away:
            await audit.open()
        assert "secret" not in str(away.value)
        await audit.close()


async def test_a_change_while_the_database_is_away(tmp_path: Path) -> None:
    """It is refused, so that it is not made without its line."""
    audit = Audit(f"postgresql://u:secret@/x?host={tmp_path}")
    with pytest.raises(AuditUnavailable) as away:
        await audit.begin(CHANGE)
    assert "secret" not in str(away.value)
    await audit.close()


@pytest.mark.parametrize("url", ["", "mysql://x", "audit.sqlite", "postgresql:/x"])
def test_a_url_that_is_none(url: str) -> None:
    """It is refused with what to write instead."""
    with pytest.raises(ConfigError, match="sqlite:///FILE"):
        Audit(url)
