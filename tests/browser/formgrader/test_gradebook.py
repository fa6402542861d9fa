"""Every button of the pages for manual grading, except a submission's own."""

from playwright.async_api import expect

from tests.browser.formgrader.conftest import PAGES, Open, Site, names, row_of
from tests.browser.formgrader.course import GRADED, NOTEBOOK, RICH, RIGHT, WRONG
from tests.integration.formgrader_proxy.hub import GRADER


async def test_from_the_assignments_to_a_submission(formgrader: Open) -> None:
    """By links through the three levels, and back by the breadcrumbs and the sidebar."""
    page = await formgrader(GRADER, "gradebook")
    row = row_of(page, GRADED)
    await expect(row.locator(".num-submissions")).to_have_text("3")
    await page.get_by_role("columnheader", name="Assignment ID").click()
    await page.get_by_role("searchbox").fill(GRADED)
    assert await names(page, "name") == [GRADED]
    await row.locator(".name a").click()
    await page.wait_for_url(f"**/gradebook/{GRADED}")
    row = row_of(page, NOTEBOOK)
    await expect(row.locator(".needs-manual-grade .glyphicon-ok")).to_be_visible()
    await row.locator(".name a").click()
    await page.wait_for_url(f"**/gradebook/{GRADED}/{NOTEBOOK}")
    await row_of(page, "Submission #1").locator(".name a.name-hidden").click()
    await page.wait_for_url("**/submissions/*/**")
    await expect(page.locator("input.score#why")).to_be_visible()

    await page.locator(".breadcrumb a", has_text=NOTEBOOK).click()
    await page.wait_for_url(f"**/gradebook/{GRADED}/{NOTEBOOK}")
    await page.locator(".breadcrumb a", has_text=GRADED).click()
    await page.wait_for_url(f"**/gradebook/{GRADED}")
    for name, address in (
        ("Manual Grading", "gradebook"),
        ("Manage Students", "manage_students"),
        ("Manage Assignments", "manage_assignments"),
    ):
        await page.locator(".nav-stacked").get_by_role("link", name=name).click()
        await page.wait_for_url(f"**/{address}")


async def test_the_submissions_of_a_notebook(formgrader: Open, site: Site) -> None:
    """Failed tests are marked, columns sort, and the search finds them."""
    page = await formgrader(GRADER, f"gradebook/{GRADED}/{NOTEBOOK}")
    failed = page.locator("#main-table tr", has=page.locator(".tests-failed .glyphicon-ok"))
    await expect(failed).to_have_count(1)
    link = failed.locator("a.name-hidden")
    wrong = site.submission(WRONG, GRADED)
    await expect(link).to_have_attribute("href", f"/{PAGES}submissions/{wrong}")
    await page.get_by_role("columnheader", name="Code Score").click()
    assert (await names(page, "code-score"))[0] == "0 / 3"
    await page.get_by_role("searchbox").fill("tests failed")
    assert await names(page, "code-score") == ["0 / 3"]


async def test_one_name_is_shown_and_hidden(formgrader: Open) -> None:
    """By its eye, with a tooltip."""
    page = await formgrader(GRADER, f"gradebook/{GRADED}/{NOTEBOOK}")
    row = page.locator("#main-table tr").first
    shown, hidden = row.locator("a.name-shown"), row.locator("a.name-hidden")
    await expect(hidden).to_have_text("Submission #1")
    await expect(shown).to_be_hidden()
    eye = row.locator("span.glyphicon-eye-open")
    await eye.hover()
    await expect(page.locator(".tooltip").first).to_have_text("Show student name")
    await eye.click()
    await expect(shown).to_be_visible()
    await expect(hidden).to_be_hidden()
    await expect(page.locator("a.name-shown:visible")).to_have_count(1)
    await row.locator("span.glyphicon-eye-close").click()
    await expect(shown).to_be_hidden()
    await expect(hidden).to_be_visible()


async def test_all_names_are_shown_and_hidden(formgrader: Open) -> None:
    """By the button, whose label follows the table, also when single names are shown."""
    page = await formgrader(GRADER, f"gradebook/{GRADED}/{NOTEBOOK}")
    button = page.locator("#toggle_names")
    await expect(button).to_have_text("Show All Names")
    await button.click()
    await expect(page.locator("a.name-shown:visible")).to_have_count(3)
    assert {RIGHT, RICH} < set(await page.locator("a.name-shown").all_inner_texts())
    await expect(button).to_have_text("Hide All Names")
    await page.locator("span.glyphicon-eye-close").first.click()
    await expect(button).to_have_text("Show All Names")
    await button.click()
    await expect(page.locator("a.name-shown:visible")).to_have_count(3)
    await button.click()
    await expect(page.locator("a.name-shown:visible")).to_have_count(0)
    await expect(button).to_have_text("Show All Names")
