"""Stored names on nbgrader's pages: of students, assignments and notebooks, they stay text.

Each page is opened with its policy, which must not have to stop anything, and without, so that
the escaping alone has to suffice. Names are directory names in ``submitted/``, or come from the
gradebook.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.attacks.pages.names import NAMES
from tests.attacks.pages.rendered import bare_page, render
from tests.browser.conftest import Visit
from tests.browser.formgrader.conftest import EXPECTED, PAGES, Site, site_of
from tests.browser.formgrader.hostile_course import (
    ASSIGNMENT,
    HOSTILE,
    NOTEBOOK,
    NOTEBOOKS,
    STUDENT,
)
from tests.integration.formgrader_proxy.hub import INSTRUCTOR

#: By page: the class of the column with hostile names. Each page is reached through honest names.
TABLES = {
    "manage_assignments": "name",
    "gradebook": "name",
    f"gradebook/{NOTEBOOKS}": "name",
    f"gradebook/{ASSIGNMENT}/{NOTEBOOK}": "name",
    "manage_students": "id",
    f"manage_students/{STUDENT}": "name",
    f"manage_students/{STUDENT}/{NOTEBOOKS}": "name",
    f"manage_submissions/{ASSIGNMENT}": "student-id",
}
#: Names in links are refused by the proxy, or lead to pages that do not exist.
REFUSED = (*EXPECTED, "status of 400", "status of 404")
#: All of them: each contains a character that no address may contain.
REFUSED_NAMES = len(HOSTILE)
POLICY = pytest.mark.parametrize("policy", [True, False], ids=["with policy", "without policy"])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub with the hostile course."""
    directory = tmp_path_factory.mktemp("hostile")
    with site_of("tests.browser.formgrader.hostile_course", directory) as made:
        yield made


async def check_harmless(page: Page) -> None:
    """Nothing of a name has become an element, an attribute or a script."""
    await page.evaluate("new Promise(requestAnimationFrame)")
    assert await page.evaluate("window.hostile") is None, page.url
    found = "[onerror], [onload], [onfocus], [autofocus], img[src=x], [href^='javascript:']"
    assert await page.locator(found).count() == 0, page.url


@pytest.mark.attack("stored-names-tables")
@POLICY
async def test_names_in_tables_and_dialogs(hostile: Site, visit: Visit, policy: bool) -> None:
    """On every page with a table; also while sorting, searching, editing and after an error."""
    first = f"{PAGES}manage_assignments"
    page = await visit(hostile.hub, INSTRUCTOR, first, expected=REFUSED, bypass_csp=not policy)
    for path, column in TABLES.items():
        await page.goto(f"{hostile.hub.url}{PAGES}{path}")
        cells = page.locator(f"#main-table td.{column}")
        await expect(cells.nth(len(HOSTILE))).to_be_attached(timeout=60_000)
        shown = "\n".join(await cells.evaluate_all("all => all.map(one => one.textContent)"))
        for name in HOSTILE:
            assert name in shown, (path, name)
        for head in await page.get_by_role("columnheader").all():
            await head.click()
        await page.get_by_role("searchbox").fill("<")
        await check_harmless(page)
        await page.get_by_role("searchbox").fill("")
        if await page.locator("td.edit a").count():
            for link in await page.locator("td.edit a").all():
                await link.evaluate("one => one.click()")
                await page.locator(".modal.in button.close").first.click()
                await expect(page.locator(".modal")).to_have_count(0)
        await check_harmless(page)
    # On the last page: the proxy refuses these names, and nbgrader's message contains them.
    await page.locator("td.autograde a").evaluate_all(
        """(all, honest) => all
            .filter(one => !one.closest("tr").textContent.includes(honest))
            .forEach(one => one.click())""",
        STUDENT,
    )
    await expect(page.locator("#error-modal")).to_have_count(REFUSED_NAMES)
    for text in await page.locator("#error-modal .modal-body").all_text_contents():
        assert any(name in text for name in HOSTILE)
    await check_harmless(page)


@pytest.mark.attack("stored-names-submission")
@POLICY
async def test_names_on_the_page_of_a_submission(hostile: Site, visit: Visit, policy: bool) -> None:
    """The student's, the notebook's and the assignment's; the page can be used."""
    query = (
        "select submitted.id, sent.student_id, assignment.name, notebook.name"
        " from submitted_notebook submitted join notebook on submitted.notebook_id = notebook.id"
        " join submitted_assignment sent on submitted.assignment_id = sent.id"
        " join assignment on sent.assignment_id = assignment.id"
    )
    page = await visit(
        hostile.hub, INSTRUCTOR, f"{PAGES}gradebook", expected=REFUSED, bypass_csp=not policy
    )
    await expect(page.locator("table.dataTable")).to_be_visible(timeout=60_000)
    for identifier, student, assignment, notebook in hostile.query(query):
        await page.goto(f"{hostile.hub.url}{PAGES}submissions/{identifier}/")
        score = page.locator("input.score#why")
        await expect(score).to_have_class(re.compile("needs_manual_grade"))
        await page.locator("span.glyphicon-eye-open").click()
        title = page.locator(".breadcrumb")
        for name in {assignment, notebook} | ({student} - {STUDENT}):
            assert name in str(await title.text_content())
            # A browser strips the ASCII white space of a title.
            shown = re.sub(r"[\t\n\f\r ]+", " ", notebook).strip(" ")
            assert await page.title() == shown
        await check_harmless(page)


@pytest.mark.attack("stored-names-submission")
async def test_names_run_on_a_bare_formgraders_page(chromium: Browser) -> None:
    """nbgrader prints the same names into scripts and attributes without escaping them."""
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}
    context = await chromium.new_context(offline=True)
    ran: dict[str, list[bool]] = {"bare": [], "ours": []}
    for name in (NAMES["string"], NAMES["element"], NAMES["svg"]):
        names = dict.fromkeys(("notebook_id", "assignment_id", "student", "last_name"), name)
        pages = {"bare": bare_page(notebook, **names), "ours": render(notebook, **names)}
        for kind, text in pages.items():
            page = await context.new_page()
            await page.set_content(text, wait_until="commit")
            await page.evaluate("new Promise(done => setTimeout(done))")
            ran[kind].append(await page.evaluate("window.hostile") is not None)
            await page.close()
    await context.close()
    assert ran == {"bare": [True] * 3, "ours": [False] * 3}
