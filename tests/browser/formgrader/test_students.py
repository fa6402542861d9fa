"""Every button of the pages about students."""

import re

from playwright.async_api import expect

from tests.browser.formgrader.conftest import Open, Site, names, row_of
from tests.browser.formgrader.course import GRADED, NOTEBOOK, RIGHT, WRONG
from tests.integration.formgrader_proxy.hub import COURSE, GRADER, INSTRUCTOR

PAGE = "manage_students"
FIELDS = {"first-name": "Zoë", "last-name": "O'Neill-Łąka", "email": "zoe+x@example.org"}


async def test_the_link_to_the_statistics(formgrader: Open) -> None:
    """For those to whom the statistics show the students of the course."""
    page = await formgrader(GRADER, PAGE)
    link = page.get_by_role("link", name="statistics of the course")
    address = f"/services/stats/users?group=nbgrader-{COURSE}&sort=last_active"
    await expect(link).to_have_attribute("href", address)
    page = await formgrader(INSTRUCTOR, PAGE)
    await expect(page.locator("#course-statistics")).to_have_count(0)


async def test_adding_a_student(formgrader: Open, site: Site) -> None:
    """With names that contain letters of other scripts and an apostrophe."""
    page = await formgrader(INSTRUCTOR, PAGE)
    await page.get_by_text("Add new student...").click()
    dialog = page.locator("#add-student-modal")
    await dialog.locator("input.id").fill("zoe")
    for name, text in FIELDS.items():
        await dialog.locator(f"input.{name}").fill(text)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    row = row_of(page, "zoe")
    await expect(row.locator(".name")).to_have_text("O'Neill-Łąka, Zoë")
    await expect(row.locator(".email")).to_have_text("zoe+x@example.org")
    await expect(row.locator(".score")).to_have_text(re.compile(r"0 / \d+"))
    query = "select first_name, last_name, email from student where id = ?"
    assert site.query(query, "zoe") == [tuple(FIELDS.values())]


async def test_editing_a_student(formgrader: Open) -> None:
    """The changes are shown, also after a reload; an emptied field is stored as missing."""
    page = await formgrader(INSTRUCTOR, PAGE)
    edit = row_of(page, WRONG).locator(".edit a")
    dialog = page.locator("#edit-student-modal")
    for fields, shown in ((FIELDS, "O'Neill-Łąka, Zoë"), (dict.fromkeys(FIELDS, ""), "None, None")):
        await edit.click()
        await expect(dialog.locator("h4")).to_have_text(f"Editing {WRONG}")
        for name, text in fields.items():
            await dialog.locator(f"input.modal-{name}").fill(text)
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
        await expect(row_of(page, WRONG).locator(".name")).to_have_text(shown)
        await page.reload()
        await expect(row_of(page, WRONG).locator(".name")).to_have_text(shown)


async def test_cancelling_dialogs(formgrader: Open) -> None:
    """Both dialogs close and change nothing, also without an id."""
    page = await formgrader(INSTRUCTOR, PAGE)
    before = await names(page, "id")
    for opener, dialog in (
        (page.get_by_text("Add new student..."), page.locator("#add-student-modal")),
        (row_of(page, RIGHT).locator(".edit a"), page.locator("#edit-student-modal")),
    ):
        for button in ("Cancel", "Close"):
            await opener.click()
            await dialog.get_by_role("button", name=button, exact=True).click()
            await expect(dialog).to_have_count(0)
    await page.get_by_text("Add new student...").click()
    await page.locator("#add-student-modal").get_by_role("button", name="Save").click()
    await expect(page.locator("#add-student-modal")).to_have_count(0)
    assert await names(page, "id") == before


async def test_from_a_student_to_a_submission(formgrader: Open, site: Site) -> None:
    """By links through the three levels, and back by the breadcrumbs."""
    page = await formgrader(GRADER, PAGE)
    await page.get_by_role("columnheader", name="Student ID").click()
    ascending = await names(page, "id")
    assert ascending == sorted(ascending)
    search = page.get_by_role("searchbox")
    await search.fill(WRONG)
    assert await names(page, "id") == [WRONG]
    await search.fill("")

    await row_of(page, RIGHT).locator(".name a").click()
    await page.wait_for_url(f"**/manage_students/{RIGHT}")
    await expect(page.locator(".breadcrumb .active")).to_have_text(RIGHT)
    row = row_of(page, GRADED)
    await expect(row.locator(".code-score")).to_have_text("3 / 3")
    await row.locator(".name a").click()
    await page.wait_for_url(f"**/manage_students/{RIGHT}/{GRADED}")
    row = row_of(page, NOTEBOOK)
    await expect(row.locator(".needs-manual-grade .glyphicon-ok")).to_be_visible()
    await page.get_by_role("columnheader", name="Notebook ID").click()
    await row.locator(".name a").click()
    await page.wait_for_url(f"**/submissions/{site.submission(RIGHT, GRADED)}/**")
    await expect(page.locator("input.score#why")).to_be_visible()

    await page.go_back()
    await page.locator(".breadcrumb a", has_text=RIGHT).click()
    await page.wait_for_url(f"**/manage_students/{RIGHT}")
    await page.locator(".breadcrumb a", has_text="Students").click()
    await page.wait_for_url("**/manage_students")
