"""nbgrader's tables, drawn by ``tables.js`` under the policy. The benchmark has more rows."""

from typing import Any

import pytest

pytest.importorskip("nbgrader")
from playwright.async_api import Browser, Page, expect

from tests.browser.rendering.pages import COURSE, ORIGIN, Site, nbgrader_page

STUDENTS = 200
#: The width of each heading, as it is set and as it is.
HEADINGS = """() => [...document.querySelectorAll("table.dataTable thead th")].map(
    (heading) => [heading.style.width, heading.getBoundingClientRect().width])"""
SCORES = {
    f"{prefix}{kind}score": value
    for kind in ("", "code_", "written_", "task_")
    for prefix, value in (("", 2.5), ("max_", 10.0))
}


def submission(number: int) -> dict[str, Any]:
    """A row of any of the tables."""
    return {
        "id": f"id{number:04}",
        "name": "ps1",
        "student": f"student{number:04}",
        "last_name": f"Family {number:04}",
        "first_name": "Ada",
        "email": None,
        "index": number,
        "timestamp": f"2026-01-{number % 28 + 1:02}T12:00:00",
        "display_timestamp": f"2026-01-{number % 28 + 1:02} 12:00:00 UTC",
        "submitted": True,
        "autograded": number % 3 > 0,
        "needs_manual_grade": number % 2 == 0,
        "failed_tests": number % 5 == 0,
        "flagged": number % 7 == 0,
        **SCORES,
    }


ROWS = [submission(number) for number in range(STUDENTS)]
#: The template, its values, the path of its page and that of its data.
TABLES = {
    "submissions": (
        "manage_submissions.tpl",
        {"assignment_id": "ps1", "course_dir": "/c"},
        "manage_submissions/ps1",
        "submissions/ps1",
    ),
    "notebooks": (
        "gradebook_notebook_submissions.tpl",
        {"assignment_id": "ps1", "notebook_id": "sums"},
        "gradebook/ps1/sums",
        "submitted_notebooks/ps1/sums",
    ),
    "students": ("manage_students.tpl", {}, "manage_students", "students"),
    "student": (
        "manage_students_assignments.tpl",
        {"student_id": "ana"},
        "manage_students/ana",
        "student_submissions/ana",
    ),
}


async def opened(chromium: Browser, table: str, *, faster: bool = True) -> tuple[Page, Site]:
    """The page with this table. Its script can be replaced by an empty one."""
    template, values, path, data = TABLES[table]
    context = await chromium.new_context(viewport={"width": 1280, "height": 720})
    site = Site(context, policy=True)
    site.api[data] = ROWS
    if not faster:
        site.replaced["tables.js"] = ""
    tab = await site.open(f"{ORIGIN}{COURSE}formgrader/{path}", nbgrader_page(template, **values))
    await expect(tab.locator("table.dataTable tbody tr")).to_have_count(STUDENTS, timeout=60_000)
    return tab, site


@pytest.mark.parametrize("table", TABLES)
async def test_the_table_looks_as_without_the_script(chromium: Browser, table: str) -> None:
    """The same rows in the same order, and columns of the same widths, also while searching."""
    seen = []
    for faster in (True, False):
        tab, _ = await opened(chromium, table, faster=faster)
        widths = await tab.evaluate(HEADINGS)
        texts = await tab.locator("table.dataTable").inner_text()
        controls = await tab.locator(".dataTables_wrapper").evaluate(
            "(wrapper) => [wrapper.parentElement.className, wrapper.children.length,"
            " document.querySelectorAll('.dataTables_wrapper').length]"
        )
        await tab.get_by_role("searchbox").fill("no such text")
        await expect(tab.locator("td.dataTables_empty")).to_be_visible()
        seen.append((widths, texts, controls, await tab.evaluate(HEADINGS)))
        await tab.context.close()
    assert seen[0] == seen[1]
    assert all(width.endswith("px") for width, _ in seen[0][0])


@pytest.mark.parametrize("table", TABLES)
async def test_the_script_lays_the_rows_out_once(chromium: Browser, table: str) -> None:
    """DataTables asks for sizes while it works, and without the script the rows are there."""
    rows = {}
    for faster in (True, False):
        template, values, path, data = TABLES[table]
        context = await chromium.new_context()
        await context.add_init_script(
            "window.laidOut = [];"
            "for (const name of ['offsetWidth', 'clientWidth']) {"
            "  const type = name === 'offsetWidth' ? HTMLElement : Element;"
            "  const {get} = Object.getOwnPropertyDescriptor(type.prototype, name);"
            "  Object.defineProperty(type.prototype, name, {get() {"
            "    window.laidOut.push(document.querySelectorAll('#main-table tr').length);"
            "    return get.call(this);"
            "  }});"
            "}"
        )
        site = Site(context, policy=True)
        site.api[data] = ROWS
        if not faster:
            site.replaced["tables.js"] = ""
        url = f"{ORIGIN}{COURSE}formgrader/{path}"
        tab = await site.open(url, nbgrader_page(template, **values))
        await expect(tab.locator("table.dataTable tbody tr")).to_have_count(STUDENTS)
        rows[faster] = max(await tab.evaluate("window.laidOut"), default=0)
        await context.close()
    assert rows == {True: 0, False: STUDENTS}


async def test_rows_are_searched_and_sorted(chromium: Browser) -> None:
    """All of them, and their buttons act on their own student."""
    tab, site = await opened(chromium, "submissions")
    site.api["submission/ps1/student0199/autograde"] = {"success": True, "log": "done"}
    site.api["submission/ps1/student0199"] = ROWS[199]
    heading = tab.get_by_role("columnheader", name="Student ID")
    await heading.click()
    await heading.click()
    await expect(tab.locator("#main-table td.student-id").first).to_have_text("student0199")
    await tab.get_by_role("searchbox").fill("Family 0199")
    row = tab.locator("#main-table tr")
    await expect(row).to_have_count(1)
    await row.locator("td.autograde a").click()
    await expect(tab.locator("#success-modal, #error-modal")).to_contain_text("student0199")
    assert any(url.endswith("/submission/ps1/student0199/autograde") for url in site.requested)


async def test_the_keyboard_reaches_headings_and_rows(chromium: Browser) -> None:
    """The order of the focus is that of the page: search, headings, rows."""
    tab, _ = await opened(chromium, "students")
    await tab.get_by_role("searchbox").focus()
    await tab.keyboard.press("Tab")
    focused = "document.activeElement.textContent.trim()"
    assert await tab.evaluate(focused) == "Name"
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("columnheader", name="Name")).to_have_attribute(
        "aria-sort", "descending"
    )
    await expect(tab.locator("#main-table td.name").first).to_have_text("Family 0199, Ada")
    for _ in range(4):
        await tab.keyboard.press("Tab")
    assert await tab.evaluate(focused) == "Family 0199, Ada"


async def test_names_are_shown_and_hidden(chromium: Browser) -> None:
    """The eye of a row shows its name, and the button those of all rows."""
    tab, _ = await opened(chromium, "notebooks")
    first = tab.locator("#main-table tr").first
    await first.locator("span.name-hidden").click()
    await expect(first.locator("a.name-shown")).to_be_visible()
    await expect(first.locator("a.name-hidden")).to_be_hidden()
    assert await tab.locator("a.name-shown:visible").count() == 1


async def test_a_new_student_gets_a_row(chromium: Browser) -> None:
    """nbgrader adds it to the finished table."""
    tab, site = await opened(chromium, "students")
    site.api["student/zoe"] = {**ROWS[0], "id": "zoe", "last_name": "New", "first_name": "Zoe"}
    await tab.get_by_text("Add new student...").click()
    dialog = tab.locator("#add-student-modal")
    await dialog.locator("input.id").fill("zoe")
    await dialog.get_by_role("button", name="Save").click()
    await expect(tab.locator("#main-table tr")).to_have_count(STUDENTS + 1)
    await tab.get_by_role("searchbox").fill("zoe")
    await expect(tab.locator("#main-table td.id")).to_have_text(["zoe"])
