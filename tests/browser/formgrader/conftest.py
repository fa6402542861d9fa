"""nbgrader's pages behind the formgrader proxy, a real Hub and CHP, with a course of their own."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import CHROMIUM, Visit
from tests.integration.formgrader_proxy.hub import PREFIX, course_by_nbgrader, formgrader_hub
from tests.integration.processes import proxy_command
from tests.integration.realhub import RealHub

PAGES = PREFIX + "formgrader/"
#: The page that waits for the formgrader has this status. It is no fault of the page.
EXPECTED = ("status of 503",)


@dataclass(frozen=True)
class Site:
    """The hub, and the directory of its course."""

    hub: RealHub
    course: Path

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the gradebook."""
        with sqlite3.connect(self.course / "gradebook.db") as database:
            return database.execute(query, values).fetchall()

    def change(self, statement: str, *values: Any) -> None:
        """Change the gradebook behind the formgrader's back."""
        with sqlite3.connect(self.course / "gradebook.db", timeout=20) as database:
            database.execute(statement, values)

    def submission(self, student: str, assignment: str) -> str:
        """The id of a student's notebook, which is part of its page's address."""
        query = (
            "select notebook.id from submitted_notebook notebook"
            " join submitted_assignment sent on notebook.assignment_id = sent.id"
            " join assignment on sent.assignment_id = assignment.id"
            " where sent.student_id = ? and assignment.name = ?"
        )
        return str(self.query(query, student, assignment)[0][0])

    def score(self, student: str, assignment: str, cell: str) -> dict[str, Any]:
        """The points of one cell of a student's notebook."""
        columns = ("auto_score", "manual_score", "extra_credit", "needs_manual_grade")
        query = (
            f"select {', '.join(columns)} from grade"  # noqa: S608 - the columns above
            " join base_cell on grade.cell_id = base_cell.id"
            " where grade.notebook_id = ? and base_cell.name = ?"
        )
        row = self.query(query, self.submission(student, assignment), cell)[0]
        return dict(zip(columns, row, strict=True))


@contextmanager
def site_of(module: str, directory: Path, *, more: str = "") -> Iterator[Site]:
    """A hub with the course that this module makes; ``more`` is as in formgrader_hub."""
    if proxy_command() is None:
        pytest.skip("configurable-http-proxy is missing: run `make setup`")
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    course = course_by_nbgrader(directory / "course", module=module)
    (directory / "hub").mkdir()
    with formgrader_hub(directory / "hub", course, more=more) as hub:
        yield Site(hub, course)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One hub for all these tests; each works on other students or assignments."""
    directory = tmp_path_factory.mktemp("pages")
    with site_of("tests.browser.formgrader.course", directory) as made:
        yield made


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
def formgrader(site: Site, visit: Visit) -> Open:
    """Opens a page of the formgrader as this user and waits until it is loaded.

    At the end of the test, no page may have reported an error or a violation of its policy.
    """

    async def open_page(user: str, path: str, **options: Any) -> Page:
        page = await visit(site.hub, user, PAGES + path, expected=EXPECTED, **options)
        # The tables are filled when their script has run; a submission has scores.
        ready = page.locator("table.dataTable tbody tr, input.score, #notebook-container")
        await expect(ready.first).to_be_visible(timeout=60_000)
        return page

    return open_page


async def acknowledge(page: Page, words: str) -> None:
    """Wait for nbgrader's dialog with these words, and close it."""
    dialog = page.locator("#success-modal, #error-modal")
    await expect(dialog).to_contain_text(words, timeout=60_000)
    await dialog.get_by_role("button", name="OK").click()
    await expect(dialog).to_have_count(0)


def row_of(page: Page, name: str) -> Locator:
    """The row of a table with a cell that says exactly this."""
    return page.locator("#main-table tr").filter(has=page.get_by_text(name, exact=True))


async def names(page: Page, column: str) -> list[str]:
    """The texts of this column's cells, from top to bottom."""
    return await page.locator(f"#main-table td.{column}").all_inner_texts()
