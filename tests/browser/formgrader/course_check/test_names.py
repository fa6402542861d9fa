"""Names on which nbgrader would fail later, in its dialogs; and data that cannot be read."""

import pytest
from playwright.async_api import Route, expect

from services.formgrader_proxy.new_names import What, is_possible
from tests.browser.formgrader.conftest import Open, row_of
from tests.browser.formgrader.course import GRADED
from tests.integration.formgrader_proxy.hub import GRADER, INSTRUCTOR

NAMES = (
    *("ps1", "ps 1", "Übung 3", "課題", "a.b-c_d", "it\u2019s", "o'brien@example.org", "x" * 120),
    *("ps[1]", "ps (1)", "a+b", "a;b", "DOM\\user", " ps1", "ps1 ", ".ps1", "ps1.", "", "a/b"),
    *("é" * 61, "x" * 121, "a\u202eb", "\u0301a", "*", "a=b", "<b>", "a\nb"),
)


@pytest.mark.parametrize("name", ["ps[1]", "ps (1)", "a+b", "a;b", "DOM\\ps", ".ps", "ps."])
async def test_an_assignment_with_an_impossible_name(formgrader: Open, name: str) -> None:
    """The dialog shows the rule, keeps the input and sends nothing."""
    page = await formgrader(INSTRUCTOR, "manage_assignments")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    await page.get_by_role("link", name="Add new assignment...").click()
    dialog = page.locator("#add-assignment-modal")
    await dialog.locator("input.name").fill(name)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text(
        "The name of an assignment may contain letters and digits"
    )
    await expect(dialog.locator("input.name")).to_have_value(name)
    await expect(dialog.locator("input.name")).to_be_focused()
    assert "PUT" not in sent


async def test_a_student_with_an_impossible_id(formgrader: Open) -> None:
    """After a correction the student is added."""
    page = await formgrader(INSTRUCTOR, "manage_students")
    await page.get_by_role("link", name="Add new student...").click()
    dialog = page.locator("#add-student-modal")
    await dialog.locator("input.id").fill("DOMAIN\\zoe")
    await dialog.locator("input.first-name").fill("Zoe")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("“DOMAIN\\zoe” cannot be used.")
    await expect(dialog.locator("input.first-name")).to_have_value("Zoe")
    await dialog.locator("input.id").fill("zoja")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    await expect(row_of(page, "zoja")).to_be_visible()


async def test_the_dialogs_and_the_server_have_the_same_rules(formgrader: Open) -> None:
    """For assignments and students, in the browser's regular expressions."""
    page = await formgrader(INSTRUCTOR, "manage_assignments")
    found = await page.evaluate(
        """(names) => {
            const rules = JSON.parse(
                document.querySelector("meta[name='classroom-names']").content);
            const possible = ({ pattern, bytes }, name) => new RegExp(pattern, "u").test(name)
                && new TextEncoder().encode(name).length <= bytes;
            return Object.fromEntries(Object.keys(rules).map((what) =>
                [what, names.map((name) => possible(rules[what], name))]));
        }""",
        NAMES,
    )
    assert found == {what: [is_possible(what, name) for name in NAMES] for what in What}


async def test_data_that_cannot_be_loaded(formgrader: Open) -> None:
    """Instead of "Loading" for ever, the page says why and offers to try again."""
    page = await formgrader(GRADER, "manage_assignments")

    async def fail(route: Route) -> None:
        await route.fulfill(status=503, json={"message": "The gradebook is locked."})

    await page.route("**/api/assignments", fail)
    await page.reload()
    notice = page.locator("#load-failure")
    await expect(notice).to_contain_text("The list could not be loaded: The gradebook is locked.")
    await expect(page.get_by_text("Loading, please wait")).to_have_count(0)
    await page.unroute("**/api/assignments")
    await notice.get_by_role("button", name="Retry").click()
    await expect(row_of(page, GRADED)).to_be_visible()
    await expect(notice).to_have_count(0)
