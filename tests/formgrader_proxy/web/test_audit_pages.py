"""The audit log of a course, as a page and as CSV."""

import csv
import dataclasses
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.store.audit import Change
from tests.formgrader_proxy.site import (
    ADMIN,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    Site,
    formgrader_site,
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


def change(site: Site, **fields: str) -> Change:
    plain = Change(
        at=site.clock.now(),
        course="course101",
        user="gail",
        role="grader",
        action="grade",
        path="formgrader/api/grade/g1",
        fields=("manual_score",),
    )
    return dataclasses.replace(plain, **fields)  # type: ignore[arg-type]  # only texts


@pytest.mark.parametrize(
    ("user", "status"), [(STUDENT, 403), (GRADER, 403), (INSTRUCTOR, 200), (ADMIN, 200)]
)
async def test_only_instructors_may_read_it(site: Site, user: str, status: int) -> None:
    """The page and the CSV file alike."""
    browser = await site.browser(user)
    for path in ("audit/course101", "audit/course101.csv"):
        assert (await browser.go(PREFIX + path)).status == status


async def test_an_unknown_course_looks_like_another_instructors(site: Site) -> None:
    """The response does not reveal whether there is such a course."""
    browser = await site.browser(INSTRUCTOR)
    for path in ("audit/other", "audit/other.csv"):
        assert (await browser.go(PREFIX + path)).status == 403


async def test_the_csv_contains_no_formula(site: Site) -> None:
    """A name that a spreadsheet would evaluate is text, and of this course only."""
    await site.audit.begin(change(site, user="=cmd()"))
    await site.audit.begin(change(site, user="elsewhere", course="other"))
    browser = await site.browser(INSTRUCTOR)
    answer = await browser.go(PREFIX + "audit/course101.csv")
    assert 'filename="audit-course101.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["who"], row["fields"], row["status"]) for row in rows] == [
        ("'=cmd()", "manual_score", "")
    ]


async def test_the_page_escapes_what_users_sent(site: Site) -> None:
    """Markup is shown as text."""
    await site.audit.begin(change(site, path="<b>x</b>"))
    page = await (await site.browser(INSTRUCTOR)).go(PREFIX + "audit/course101")
    assert "&lt;b&gt;x" in page.text
    assert "<b>x" not in page.text


@pytest.mark.parametrize(
    ("status", "succeeded", "outcome"),
    [
        (None, None, "unknown"),
        (200, None, "done"),
        (200, True, "done"),
        (200, False, "failed"),
        (404, None, "refused by nbgrader (404)"),
    ],
)
async def test_the_page_shows_the_outcome(
    site: Site, status: int | None, succeeded: bool | None, outcome: str
) -> None:
    """An entry without a status is a change whose outcome was not recorded."""
    number = await site.audit.begin(change(site))
    if status is not None:
        await site.audit.finish(number, status, succeeded)
    page = await (await site.browser(INSTRUCTOR)).go(PREFIX + "audit/course101")
    assert f"<td>{outcome}</td>" in page.text
    assert "The most recent change." in page.text


async def test_the_page_of_a_course_without_changes(site: Site) -> None:
    """It says so."""
    page = await (await site.browser(INSTRUCTOR)).go(PREFIX + "audit/course101")
    assert "No changes have been made yet." in page.text
