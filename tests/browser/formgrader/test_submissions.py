"""Every button of the page that manages submissions."""

import pytest
from playwright.async_api import expect

from tests.browser.formgrader.conftest import Open, Site, acknowledge, names, row_of
from tests.browser.formgrader.course import DORA, ELI, GRADED, NOTEBOOK, RIGHT, SUBMITTED, WRONG
from tests.integration.formgrader_proxy.hub import GRADER, INSTRUCTOR


@pytest.mark.parametrize("student", [DORA, ELI])
async def test_from_a_submission_to_its_feedback(
    formgrader: Open, site: Site, student: str
) -> None:
    """Autograde, generate feedback and release it, for one student."""
    page = await formgrader(INSTRUCTOR, f"manage_submissions/{SUBMITTED}")
    row = row_of(page, student)
    await expect(row.locator(".status")).to_have_text("needs autograding")
    await expect(row.locator(".student-name a")).to_have_count(0)
    for button, words in (
        ("autograde", f"Successfully autograded '{SUBMITTED}' for student '{student}'"),
        ("generate-feedback", "Successfully generated feedback"),
        ("release-feedback", "Successfully released feedback"),
    ):
        await row.locator(f".{button} a").click()
        await acknowledge(page, words)
    await expect(row.locator(".status")).to_have_text("graded")
    assert (site.course / "feedback" / student / SUBMITTED / f"{NOTEBOOK}.html").is_file()
    await row.locator(".student-name a").click()
    await page.wait_for_url(f"**/manage_students/{student}/{SUBMITTED}")
    await expect(row_of(page, NOTEBOOK).locator(".name a")).to_be_visible()


async def test_a_failure_is_shown_with_its_log(formgrader: Open, site: Site) -> None:
    """A submission that nbgrader cannot read gets a dialog with nbgrader's log."""
    folder = site.course / "submitted" / "fay" / SUBMITTED
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NOTEBOOK}.ipynb").write_text("<b>this is no notebook</b>")
    page = await formgrader(INSTRUCTOR, f"manage_submissions/{SUBMITTED}")
    await row_of(page, "fay").locator(".autograde a").click()
    dialog = page.locator("#error-modal")
    await expect(dialog.locator("pre").first).to_contain_text("[ERROR]", timeout=60_000)
    await acknowledge(page, "There was an error autograding")


async def test_links_and_the_table(formgrader: Open) -> None:
    """The instructions unfold with the course's directory, and columns sort."""
    page = await formgrader(GRADER, f"manage_submissions/{GRADED}")
    await page.get_by_text("Instructions (click to expand)").click()
    await expect(page.get_by_text(f'nbgrader autograde "{GRADED}"')).to_be_visible()
    scores = dict(zip(await names(page, "student-id"), await names(page, "score"), strict=True))
    assert scores[RIGHT].startswith("3 / ")
    assert scores[WRONG].startswith("0 / ")
    await page.get_by_role("columnheader", name="Student ID").click()
    ascending = await names(page, "student-id")
    assert ascending == sorted(ascending)
    await page.get_by_role("columnheader", name="Student ID").click()
    assert await names(page, "student-id") == ascending[::-1]
    await page.get_by_role("searchbox").fill(WRONG)
    assert await names(page, "student-id") == [WRONG]
    await page.get_by_role("link", name="Assignments", exact=True).click()
    await page.wait_for_url("**/manage_assignments")
