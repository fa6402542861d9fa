"""Every button, field and shortcut of a submission's page."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Locator, Page, expect

from tests.browser.formgrader.conftest import Open, Site
from tests.browser.formgrader.course import GRADED, NOTEBOOK, RICH, RIGHT, WRONG
from tests.integration.formgrader_proxy.hub import GRADER


async def loaded(page: Page) -> None:
    """Wait until nbgrader has loaded the scores and comments. Until then, it saves nothing."""
    for field in ("textarea#why-comment", "input.score#test"):
        await expect(page.locator(field)).to_have_attribute("placeholder", re.compile("."))


async def submission(formgrader: Open, site: Site, student: str) -> Page:
    """The page of this student's notebook."""
    page = await formgrader(GRADER, f"submissions/{site.submission(student, GRADED)}/")
    await loaded(page)
    return page


def panel(page: Page, cell: str) -> Locator:
    """The frame around a cell with its score and comment."""
    return page.locator(".nbgrader_cell", has=page.locator(f"input.score#{cell}"))


@asynccontextmanager
async def saved(page: Page, kind: str) -> AsyncIterator[None]:
    """Wait until a change made meanwhile is stored: "grade", "comment" or "flag"."""
    async with page.expect_response(
        lambda answer: f"/{kind}" in answer.url and answer.request.method in {"PUT", "POST"}
    ) as response:
        yield
    assert (await response.value).status == 200


async def test_scores(formgrader: Open, site: Site) -> None:
    """Typed, by the buttons, limited to the maximum, and with extra credit."""
    page = await submission(formgrader, site, WRONG)
    score = page.locator("input.score#test")
    extra = page.locator("input#test_extra_credit")
    await expect(score).to_have_attribute("placeholder", "0")

    async def stored(value: float | None, more: float | None) -> None:
        found = site.score(WRONG, GRADED, "test")
        assert (found["manual_score"], found["extra_credit"]) == (value, more)

    async with saved(page, "grade"):
        await panel(page, "test").get_by_role("button", name="Full credit").click()
    await expect(score).to_have_value("3")
    await stored(3, None)
    async with saved(page, "grade"):
        await extra.fill("0.5")
        await extra.blur()
    await stored(3, 0.5)
    async with saved(page, "grade"):
        await panel(page, "test").get_by_role("button", name="No credit").click()
    await expect(score).to_have_value("0")
    await stored(0, 0)
    for typed, value in (("1.5", 1.5), ("99", 3), ("-4", 0)):
        async with saved(page, "grade"):
            await score.fill(typed)
            await score.blur()
        await stored(value, 0)
    async with saved(page, "grade"):
        await score.fill("")
        await score.blur()
    await stored(None, 0)
    await expect(panel(page, "test").locator(".score-saved")).to_be_hidden()  # it fades out


async def test_resolving_a_manual_grade(formgrader: Open, site: Site) -> None:
    """A cell that needs a grade is marked until it has one; Resolve keeps what is there."""
    page = await submission(formgrader, site, RICH)
    score, resolve = page.locator("input.score#draw"), panel(page, "draw").get_by_text("Resolve")
    await expect(score).to_have_class(re.compile("needs_manual_grade"))
    assert site.score(RICH, GRADED, "draw")["needs_manual_grade"]
    async with saved(page, "grade"):
        await score.fill("2")
        await score.blur()
    await expect(score).not_to_have_class(re.compile("needs_manual_grade"))
    await expect(resolve).to_be_hidden()
    # A new version of the submission makes nbgrader ask for a grade again.
    site.change(
        "update grade set needs_manual_grade = 1 where notebook_id = ?"
        " and cell_id = (select id from base_cell where name = 'draw')",
        site.submission(RICH, GRADED),
    )
    await page.reload()
    await expect(resolve).to_be_visible()
    async with saved(page, "grade"):
        await resolve.click()
    await expect(resolve).to_be_hidden()
    assert site.score(RICH, GRADED, "draw")["manual_score"] == 2


async def test_comments(formgrader: Open, site: Site) -> None:
    """Any text is stored and shown as it was typed; the field grows with it."""
    page = await submission(formgrader, site, RIGHT)
    comment = page.locator("textarea#why-comment")
    text = 'Good <b>work</b>, $x^2$ & "quotes"\n' + "and more lines\n" * 8
    height = (await comment.bounding_box() or {"height": 0})["height"]
    async with saved(page, "comment"):
        await comment.fill(text)
        await comment.blur()
    await page.reload()
    await expect(comment).to_have_value(text)
    assert (await comment.bounding_box() or {"height": 0})["height"] > height + 50
    query = "select manual_comment from comment where notebook_id = ?"
    assert (text,) in site.query(query, site.submission(RIGHT, GRADED))


async def test_flagging(formgrader: Open, site: Site) -> None:
    """Control-Shift-F flags a submission, and removes the flag."""
    page = await submission(formgrader, site, RIGHT)
    query = "select flagged from submitted_notebook where id = ?"
    for words, flagged in (("Submission flagged", 1), ("Submission unflagged", 0)):
        async with saved(page, "flag"):
            await page.keyboard.press("Control+Shift+F")
        await expect(page.locator("#statusmessage")).to_have_text(words)
        assert site.query(query, site.submission(RIGHT, GRADED)) == [(flagged,)]


async def test_help(formgrader: Open, site: Site) -> None:
    """The dialog lists the shortcuts, and closes by both buttons."""
    page = await submission(formgrader, site, RIGHT)
    dialog = page.locator("#help-dialog")
    for button in dialog.locator("button.btn"), dialog.locator("button.close"):
        await page.locator(".help").click()
        await expect(dialog.locator(".shortcut-key")).to_have_count(9)
        await expect(dialog).to_contain_text("Flag the submission")
        await button.click()
        await expect(dialog).to_have_count(0)


async def test_the_students_name(formgrader: Open, site: Site) -> None:
    """Hidden at first; the eye shows and hides it, and has a tooltip, as all links have."""
    page = await submission(formgrader, site, RIGHT)
    name = page.locator("a.name-shown")
    number = page.locator("a.name-hidden")
    await expect(number).to_have_text(re.compile(r"Submission #\d"))
    await expect(name).to_be_hidden()
    await page.locator("span.glyphicon-eye-open").hover()
    await expect(page.locator(".tooltip").first).to_have_text("Show student name")
    await page.locator("span.glyphicon-eye-open").click()
    await expect(name).to_have_text(RIGHT)
    await expect(number).to_be_hidden()
    await name.hover()
    await expect(page.locator(".tooltip", has_text="Open live notebook")).to_be_visible()
    address = f"{site.hub.url}hub/user-redirect/lab/tree/courses/sums/autograded/{RIGHT}/{GRADED}/"
    await expect(name).to_have_js_property("href", f"{address}{NOTEBOOK}.ipynb")
    await page.locator("span.glyphicon-eye-close").click()
    await expect(name).to_be_hidden()
    await expect(number).to_be_visible()


async def test_moving_between_submissions(formgrader: Open, site: Site) -> None:
    """By the links and by the shortcuts, until the list at both ends; with saving on the way."""
    ordered = sorted((site.submission(one, GRADED), one) for one in (RIGHT, WRONG, RICH))
    page = await submission(formgrader, site, ordered[0][1])
    for identifier, _ in ordered[1:]:
        await page.locator("li.next a").click()
        await page.wait_for_url(f"**/submissions/{identifier}/**")
    await page.locator("li.next a").click()
    await page.wait_for_url(f"**/gradebook/{GRADED}/{NOTEBOOK}")

    page = await submission(formgrader, site, ordered[1][1])
    await page.locator("li.previous a").click()
    await page.wait_for_url(f"**/submissions/{ordered[0][0]}/**")
    await loaded(page)
    field = page.locator("textarea#draw-comment")
    await field.fill("on the way")
    async with saved(page, "comment"):
        await page.keyboard.press("Control+.")
    await page.wait_for_url(f"**/submissions/{ordered[1][0]}/?index=*")
    assert ("on the way",) in site.query("select manual_comment from comment")
    # There the score of the same cell is selected.
    await expect(page.locator("input.score#draw")).to_be_focused()
    await page.keyboard.press("Control+,")
    await page.wait_for_url(f"**/submissions/{ordered[0][0]}/?index=*")


async def test_moving_to_the_next_incorrect_submission(formgrader: Open, site: Site) -> None:
    """Only the submission with failed tests is visited, from either side."""
    wrong = site.submission(WRONG, GRADED)
    for student in (RIGHT, RICH):
        page = await submission(formgrader, site, student)
        forward = site.submission(student, GRADED) < wrong
        await page.keyboard.press("Control+Shift+Period" if forward else "Control+Shift+Comma")
        await page.wait_for_url(f"**/submissions/{wrong}/?index=*")


async def test_the_keyboard(formgrader: Open, site: Site) -> None:
    """Tab moves through the fields, Escape leaves one, and Enter returns to it."""
    page = await submission(formgrader, site, RIGHT)
    score, extra = page.locator("input.score#test"), page.locator("input#test_extra_credit")
    await score.focus()
    await page.keyboard.press("Tab")
    await expect(extra).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator("input.score#why")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await expect(score).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(score).not_to_be_focused()
    await page.keyboard.press("Enter")
    await expect(score).to_be_focused()
    assert "index=" in page.url
