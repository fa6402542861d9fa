"""A gradebook in PostgreSQL, by ``db_url_file``: assigned, autograded and graded there."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.formgrader_proxy.courses_file.file import load_courses
from tests.fakes.oauth import Answer, Browser
from tests.fakes.postgres import postgres, postgres_url
from tests.formgrader_proxy.site import COURSE, INSTRUCTOR, formgrader_site
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

pytest.importorskip("nbgrader")
pytest.importorskip("psycopg2")
__all__ = ["postgres", "postgres_url"]
ANA = f"{ASSIGNMENT}/ana"


async def test_grades_in_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """From an empty database to a grade, through the proxy, without any SQLite file."""
    course = course_by_nbgrader(tmp_path / "course")
    (course / "gradebook.db").unlink()  # only needed to create the submissions
    secret = tmp_path / "db_url"
    secret.write_text(postgres_url + "\n")
    text = (
        f'[[course]]\nid = "course101"\ndirectory = "{course}"\ndb_url_file = "{secret}"\n'
        'instructors = ["instructors"]\n'
    )
    async with formgrader_site(tmp_path) as site:
        await site.formgraders.replace(load_courses(text))
        browser = await site.browser(INSTRUCTOR)
        await until_up(browser)
        for action in (f"assignment/{ASSIGNMENT}/assign", f"submission/{ANA}/autograde"):
            answer = await send(browser, "POST", action)
            assert answer.json()["success"], answer.text
        (submission,) = (
            await send(browser, "GET", f"submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}")
        ).json()
        grades = (await send(browser, "GET", f"grades?submission_id={submission['id']}")).json()
        grade = next(one["id"] for one in grades if one["auto_score"] is None)
        body = {"manual_score": 4.5, "extra_credit": None}
        assert (await send(browser, "PUT", f"grade/{grade}", body)).status == 200
    assert found(postgres_url, f"select manual_score from grade where id = '{grade}'") == [4.5]  # noqa: S608 # nbgrader's own id
    assert found(postgres_url, "select id from student") == ["ana"]
    assert not (course / "gradebook.db").exists()


def found(url: str, query: str) -> list[Any]:
    """The first column of a query's result."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg2:", 1))
    try:
        with engine.connect() as connection:
            return list(connection.scalars(sa.text(query)))
    finally:
        engine.dispose()


async def until_up(browser: Browser) -> None:
    async with asyncio.timeout(180):
        while (await browser.go(COURSE + "formgrader/manage_assignments")).status != 200:
            await asyncio.sleep(0.2)


async def send(browser: Browser, method: str, path: str, body: Any = None) -> Answer:
    """Send a request as nbgrader's scripts do."""
    return await browser.fetch(
        f"{COURSE}formgrader/api/{path}",
        method=method,
        headers={"X-CSRFToken": browser.xsrf, "Content-Type": "application/json"},
        data=None if body is None else json.dumps(body),
    )
