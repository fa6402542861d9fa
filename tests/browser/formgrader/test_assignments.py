"""Every button of the page that manages assignments."""

from playwright.async_api import expect

from tests.browser.formgrader.conftest import Open, Site, acknowledge, names, row_of
from tests.browser.formgrader.course import DRAFT, GRADED, NOTEBOOK, RIGHT
from tests.integration.formgrader_proxy.hub import COURSE, INSTRUCTOR

ADD = "Add new assignment..."
PAGE = "manage_assignments"
LAB = "hub/user-redirect/lab/tree/courses/sums/"


async def test_creating_an_assignment(formgrader: Open, site: Site) -> None:
    """The dialog reports an invalid name, suggests a due date, and creates the folder."""
    page = await formgrader(INSTRUCTOR, PAGE)
    await page.get_by_role("link", name=ADD).click()
    dialog = page.locator("#add-assignment-modal")
    await dialog.locator("input.name").fill("a+b")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("“a+b” cannot be used.")
    await expect(dialog.locator("input.name")).to_have_value("a+b")
    await dialog.locator("input.name").fill("ps9")
    due = dialog.locator("input.duedate")
    await due.focus()
    assert (await due.input_value()).endswith("T00:00")
    await due.fill("2027-03-01T12:00")
    await expect(dialog.locator("input.timezone")).to_have_value("+0000")
    async with page.expect_response(lambda answer: "api/assignment/ps9" in answer.url) as saved:
        await dialog.get_by_role("button", name="Save").click()
    assert (await saved.value).status == 200
    await expect(dialog).to_have_count(0)
    row = row_of(page, "ps9")
    await expect(row.locator(".duedate")).to_contain_text("2027-03-01 12:00:00")
    await expect(row.locator(".status")).to_have_text("draft")
    assert (site.course / "source" / "ps9").is_dir()


async def test_cancelling_dialogs(formgrader: Open) -> None:
    """Both dialogs close by their buttons and change nothing."""
    page = await formgrader(INSTRUCTOR, PAGE)
    before = await names(page, "name")
    for opener, dialog in (
        (
            page.get_by_role("link", name="Add new assignment..."),
            page.locator("#add-assignment-modal"),
        ),
        (row_of(page, GRADED).locator(".edit a"), page.locator("#edit-assignment-modal")),
    ):
        for button in ("Cancel", "Close"):
            await opener.click()
            await dialog.get_by_role("button", name=button, exact=True).click()
            await expect(dialog).to_have_count(0)
    assert await names(page, "name") == before


async def test_editing_an_assignment(formgrader: Open) -> None:
    """A due date is saved and shown, also after a reload."""
    page = await formgrader(INSTRUCTOR, PAGE)
    await row_of(page, GRADED).locator(".edit a").click()
    dialog = page.locator("#edit-assignment-modal")
    await expect(dialog.locator("h4")).to_have_text(f"Editing {GRADED}")
    await dialog.locator("input.modal-duedate").fill("2027-05-06T07:08")
    await dialog.locator("input.modal-timezone").fill("+0100")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    due = row_of(page, GRADED).locator(".duedate")
    await expect(due).to_contain_text("2027-05-06")
    await page.reload()
    await expect(due).to_contain_text("2027-05-06")


async def test_from_a_draft_to_its_submissions(formgrader: Open, site: Site) -> None:
    """Generate, preview, release, collect and unrelease."""
    page = await formgrader(INSTRUCTOR, PAGE)
    row = row_of(page, DRAFT)
    await expect(row.locator(".preview a")).to_have_count(0)

    await row.locator(".assign a").click()
    await acknowledge(page, f"Successfully created the student version of '{DRAFT}'")
    assert (site.course / "release" / DRAFT / f"{NOTEBOOK}.ipynb").is_file()
    preview = row.locator(".preview a")
    await expect(preview).to_have_js_property("href", f"{site.hub.url}{LAB}release/{DRAFT}")

    await row.locator(".release a").click()
    await acknowledge(page, f"Successfully released '{DRAFT}'")
    await expect(row.locator(".status")).to_have_text("released")
    released = site.course / "exchange" / COURSE / "outbound" / DRAFT
    assert released.is_dir()

    await row.locator(".collect a").click()
    await acknowledge(page, f"Successfully collected submissions of '{DRAFT}'")
    await expect(row.locator(".num-submissions")).to_have_text("1")
    assert (site.course / "submitted" / RIGHT / DRAFT / f"{NOTEBOOK}.ipynb").is_file()

    await row.locator(".release a").click()
    await acknowledge(page, f"Successfully unreleased '{DRAFT}'")
    await expect(row.locator(".status")).to_have_text("draft")
    assert not released.exists()


async def test_feedback_for_all_submissions(formgrader: Open, site: Site) -> None:
    """Generated for every student, and released to the exchange."""
    page = await formgrader(INSTRUCTOR, PAGE)
    row = row_of(page, GRADED)
    await row.locator(".generate-feedback a").click()
    await acknowledge(page, f"Successfully generated feedback of '{GRADED}'")
    assert len(list(site.course.glob(f"feedback/*/{GRADED}/{NOTEBOOK}.html"))) == 3
    await row.locator(".release-feedback a").click()
    await acknowledge(page, f"Successfully released feedback of '{GRADED}'")
    released = site.course / "exchange" / COURSE / "feedback"
    assert len(list(released.glob("*.html"))) >= 3


async def test_links_and_the_table(formgrader: Open, site: Site) -> None:
    """The instructions unfold, columns sort, the search filters, and names and numbers link."""
    page = await formgrader(INSTRUCTOR, PAGE)
    text = page.get_by_text("To edit assignment files")
    await expect(text).to_be_hidden()
    await page.get_by_text("Instructions (click to expand)").click()
    await expect(text).to_be_visible()
    await expect(page.locator("#warning-exchange, #warning-course-id")).to_have_count(0)

    ascending = await names(page, "name")
    assert ascending == sorted(ascending)
    await page.get_by_role("columnheader", name="Name").click()
    assert await names(page, "name") == ascending[::-1]
    search = page.get_by_role("searchbox")
    await search.fill(GRADED)
    assert await names(page, "name") == [GRADED]
    await search.fill("nothing like it")
    await expect(page.get_by_text("No matching records found")).to_be_visible()
    await search.fill("")

    row = row_of(page, GRADED)
    address = f"{site.hub.url}{LAB}source/{GRADED}"
    await expect(row.locator(".name a")).to_have_js_property("href", address)
    await row.locator(".num-submissions a").click()
    await page.wait_for_url(f"**/manage_submissions/{GRADED}")
    await expect(row_of(page, RIGHT).locator(".status")).to_be_visible()
