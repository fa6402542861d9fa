"""What is typed on a submission's page is saved, or the page says that it is not and keeps it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import psutil
import pytest
from playwright.async_api import Dialog, Locator, Page, Route, expect

from tests.browser.conftest import Visit
from tests.browser.formgrader.conftest import PAGES, Site, site_of
from tests.browser.formgrader.course import GRADED, RICH, RIGHT, WRONG
from tests.browser.formgrader.test_grading import loaded
from tests.integration.formgrader_proxy.hub import COURSE, GRADER, INSTRUCTOR

#: Seconds after which the formgrader stops. Writing a comment takes longer.
IDLE_SECONDS = 8
FORMGRADER = "services.formgrader_proxy.upstream.server"
SERVICE = "services.formgrader_proxy"
CHANGES = re.compile(r"/formgrader/api/(grade|comment)/")
GROUP = f"formgrade-{COURSE}"

WAITING_TABS = "async () => (await navigator.locks.query()).pending.length"
SCORES = "select manual_score, extra_credit from grade where notebook_id = ?"

Submission = Callable[..., Awaitable[Page]]
#: The names of what the pages keep in the browser's storage.
DRAFTS = "() => Object.keys(localStorage).filter((name) => name.startsWith('classroom-draft'))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub of their own, because these tests stop it."""
    directory = tmp_path_factory.mktemp("saving")
    more = f"idle_seconds = {IDLE_SECONDS}\n"
    with site_of("tests.browser.formgrader.course", directory, more=more) as made:
        yield made


@pytest.fixture
def submission(site: Site, visit: Visit) -> Submission:
    """Opens the page of a student's notebook, by default as the grader."""

    async def open_page(student: str, user: str = GRADER) -> Page:
        path = f"{PAGES}submissions/{site.submission(student, GRADED)}/"
        page = await visit(site.hub, user, path, expected="Failed to load resource")
        await expect(page.locator("input.score").first).to_be_visible(timeout=60_000)
        await loaded(page)
        return page

    return open_page


def programs(site: Site, words: str) -> list[psutil.Process]:
    """The processes of the hub with this word in their command line."""
    found = {}
    for pid in site.hub.processes():
        with suppress(psutil.Error):
            for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                if words in one.cmdline():
                    found[one.pid] = one
    return list(found.values())


async def drafts(page: Page, number: int) -> None:
    """Wait until the browser's storage has this number of drafts."""
    async with asyncio.timeout(20):
        while len(await page.evaluate(DRAFTS)) != number:
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.1)


def comments(site: Site, student: str) -> list[str]:
    query = "select manual_comment from comment where notebook_id = ?"
    return [row[0] for row in site.query(query, site.submission(student, GRADED))]


def state(page: Page, cell: str = "why") -> Locator:
    """What the page says beside the comment on this cell."""
    return page.locator(".nbgrader_cell", has=page.locator(f"#{cell}-comment")).locator(
        ".comment-saved + .classroom-state"
    )


def alert(page: Page) -> Locator:
    return page.locator("#classroom-saving").get_by_role("alert")


@asynccontextmanager
async def offline(page: Page) -> AsyncIterator[None]:
    """No change reaches the server, as without a network."""

    async def fail(route: Route) -> None:
        await route.abort("internetdisconnected")

    await page.route(CHANGES, lambda route: fail(route) if _changes(route) else route.continue_())
    yield
    await page.unroute(CHANGES)


def _changes(route: Route) -> bool:
    return route.request.method == "PUT"


def answering(status: int, body: str) -> Callable[[Route], Awaitable[None]]:
    """Answers a request as something between browser and service would."""

    async def answer(route: Route) -> None:
        await route.fulfill(status=status, content_type="text/html", body=body)

    return answer


async def sign_in_again(page: Page, *, form: bool) -> None:
    """Follow the notice's link; with ``form``, the Hub asks for name and password."""
    link = page.get_by_role("link", name="Sign in again")
    async with page.context.expect_page() as opened:
        await link.click()
    tab = await opened.value
    if form:
        await tab.fill("input[name=username]", GRADER)
        await tab.fill("input[name=password]", "any")
        await tab.click("#login_submit")
    await expect(tab.get_by_role("heading")).to_have_text(f"You are signed in as {GRADER}")
    await tab.close()


async def test_a_comment_written_for_longer_than_the_idle_timeout(
    submission: Submission, site: Site
) -> None:
    """The formgrader has stopped meanwhile. The comment is held until it runs again, and saved."""
    page = await submission(RIGHT)
    comment = page.locator("textarea#why-comment")
    await comment.press_sequentially("Well ")
    await until(lambda: not programs(site, FORMGRADER))
    await comment.press_sequentially("done.")
    await expect(state(page)).to_have_text("Not saved yet")
    await comment.blur()
    await expect(state(page)).to_have_text("Saved", timeout=60_000)
    assert "Well done." in comments(site, RIGHT)
    await expect(comment).to_have_value("Well done.")


async def test_an_answer_does_not_replace_what_was_typed_since(
    submission: Submission, site: Site
) -> None:
    """The newest text stays in the field and is the one that is saved."""
    page = await submission(RIGHT)
    comment = page.locator("textarea#draw-comment")
    waiting, go = asyncio.Event(), asyncio.Event()

    async def delay(route: Route) -> None:
        waiting.set()
        await go.wait()
        await route.continue_()

    await page.route(CHANGES, delay)
    await comment.fill("first")
    await comment.blur()
    await waiting.wait()
    await comment.fill("second")
    async with page.expect_response(CHANGES):
        go.set()
    await expect(state(page, "draw")).to_have_text("Not saved yet")
    await expect(comment).to_have_value("second")
    await comment.blur()
    await expect(state(page, "draw")).to_have_text("Saved")
    assert "second" in comments(site, RIGHT)


async def test_the_hub_and_the_service_are_restarted(submission: Submission, site: Site) -> None:
    """The page says that nothing is saved, keeps the text, and saves it after signing in again."""
    page = await submission(WRONG)
    comment, score = page.locator("textarea#why-comment"), page.locator("input.score#why")
    await comment.fill("Not saved during the restart.")
    site.hub.stop()
    try:
        await comment.blur()
        await score.fill("4")
        await score.blur()
        await expect(alert(page)).to_contain_text("2 changes are not saved.", timeout=60_000)
        await expect(state(page)).to_have_text("Not saved")
        await expect(comment).to_have_value("Not saved during the restart.")
        assert "Not saved during the restart." not in comments(site, WRONG)
    finally:
        site.hub.start()
    await expect(alert(page)).to_contain_text("You are no longer signed in.", timeout=60_000)
    await sign_in_again(page, form=False)
    await expect(state(page)).to_have_text("Saved", timeout=60_000)
    await expect(alert(page)).to_be_empty()
    assert "Not saved during the restart." in comments(site, WRONG)
    assert site.score(WRONG, GRADED, "why")["manual_score"] == 4


async def test_the_formgrader_is_killed_while_it_saves(submission: Submission, site: Site) -> None:
    """The score is sent to the next one. The grader sees only that it takes longer."""
    page = await submission(WRONG)
    score = page.locator("input.score#test")
    for points in ("1", "2", "3"):
        (formgrader,) = programs(site, FORMGRADER)
        await score.fill(points)
        await score.blur()
        formgrader.kill()
        panel = page.locator(".nbgrader_cell", has=score)
        await expect(panel.locator(".score-saved + .classroom-state")).to_have_text(
            "Saved", timeout=60_000
        )
        assert site.score(WRONG, GRADED, "test")["manual_score"] == float(points)


async def test_signing_in_again_does_not_lose_text(submission: Submission, site: Site) -> None:
    """The user has signed out of the Hub in another tab."""
    page = await submission(RICH)
    comment = page.locator("textarea#why-comment")
    await comment.press_sequentially("After the session.")
    tab = await page.context.new_page()
    await tab.goto(site.hub.url + "hub/logout")
    await tab.close()
    await comment.blur()
    await expect(alert(page)).to_contain_text("1 change is not saved. You are no longer signed in.")
    await expect(comment).to_have_value("After the session.")
    await sign_in_again(page, form=True)
    await expect(state(page)).to_have_text("Saved", timeout=60_000)
    assert "After the session." in comments(site, RICH)
    # The page's other requests have the new token, too.
    async with page.expect_response(lambda answer: answer.url.endswith("/flag")) as flagged:
        await page.keyboard.press("Control+Shift+F")
    assert (await flagged.value).status == 200


async def test_a_lost_permission(submission: Submission, site: Site) -> None:
    """The text stays, can be copied, and is saved if the permission returns."""
    page = await submission(RICH)
    comment = page.locator("textarea#draw-comment")
    await site.hub.leave_group(GROUP, [GRADER])
    try:
        await comment.fill("Keep this.")
        await comment.blur()
        await expect(alert(page)).to_contain_text("You do not grade this course any more.")
        await expect(alert(page)).to_contain_text("Copy what is not saved")
        await page.locator("#classroom-saving summary").click()
        shown = page.locator("#classroom-saving li")
        await expect(shown).to_contain_text("Comment on draw: Keep this.")
        await expect(comment).to_have_value("Keep this.")
        assert "Keep this." not in comments(site, RICH)
    finally:
        await site.hub.create_group(GROUP, [GRADER])
    await page.get_by_role("button", name="Try again now").click()
    await expect(state(page, "draw")).to_have_text("Saved", timeout=60_000)
    assert "Keep this." in comments(site, RICH)


async def test_leaving_the_page(submission: Submission, site: Site) -> None:
    """Links and shortcuts stay on it while it is not saved. The browser asks before it closes."""
    page = await submission(RIGHT)
    comment = page.locator("textarea#why-comment")
    address = page.url.partition("?")[0]
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    async with offline(page):
        await comment.fill("Before leaving.")
        await page.locator("li.next a").click()
        await expect(alert(page)).to_contain_text("You stay on this page")
        await comment.focus()
        await page.keyboard.press("Control+.")
        await page.close(run_before_unload=True)
        await until(lambda: asked)
        assert asked == ["beforeunload"]
        assert page.url.partition("?")[0] == address
    await page.get_by_role("button", name="Try again now").click()
    await expect(state(page)).to_have_text("Saved")
    await page.locator("li.next a").click()
    await page.wait_for_url(lambda url: url.partition("?")[0] != address)
    assert "Before leaving." in comments(site, RIGHT)


async def test_text_survives_a_reload(submission: Submission, site: Site) -> None:
    """As after a crash: what was not saved is restored and saved. Nobody else can read it."""
    page = await submission(RICH)
    comment = page.locator("textarea#why-comment")
    page.on("dialog", lambda dialog: dialog.accept())
    async with offline(page):
        await comment.fill("Survives the crash.")
        await comment.blur()
        await expect(alert(page)).to_contain_text("not saved")
        await drafts(page, 1)
        assert "Survives" not in await page.evaluate("() => Object.values(localStorage).join()")
        assert "Survives the crash." not in comments(site, RICH)
        address = page.url
        await page.goto("about:blank")
    await page.goto(address)
    await expect(state(page)).to_have_text("Saved", timeout=60_000)
    await expect(comment).to_have_value("Survives the crash.")
    assert "Survives the crash." in comments(site, RICH)
    await drafts(page, 0)


async def test_a_restored_text_does_not_replace_a_newer_one(
    submission: Submission, site: Site
) -> None:
    """Another grader has changed the comment since. The text is shown, and can be discarded."""
    page = await submission(WRONG)
    comment = page.locator("textarea#draw-comment")
    page.on("dialog", lambda dialog: dialog.accept())
    async with offline(page):
        await comment.fill("Mine.")
        await comment.blur()
        await drafts(page, 1)
        address = page.url
        await page.goto("about:blank")
    other = await submission(WRONG, INSTRUCTOR)
    await other.locator("textarea#draw-comment").fill("Theirs.")
    await other.locator("textarea#draw-comment").blur()
    await expect(state(other, "draw")).to_have_text("Saved", timeout=60_000)
    await page.goto(address)
    await expect(alert(page)).to_contain_text("It was changed since", timeout=60_000)
    await expect(comment).to_have_value("Theirs.")
    await page.locator("#classroom-saving summary").click()
    await expect(page.locator("#classroom-saving li")).to_contain_text("Mine.")
    await page.get_by_role("button", name="Discard").click()
    await expect(page.locator("#classroom-saving")).to_be_hidden()
    assert "Theirs." in comments(site, WRONG)


async def test_two_graders_of_one_submission(submission: Submission, site: Site) -> None:
    """What one has saved is not replaced by the page of the other, unless they want to."""
    page, other = await submission(WRONG), await submission(WRONG, INSTRUCTOR)
    mine, theirs = (one.locator("input.score").first for one in (page, other))
    for field, value in ((theirs, "1"), (page.locator("input.extra-credit").first, "0.5")):
        await field.fill(value)
        await field.blur()
        saved = field.page.locator(".score-saved + .classroom-state").first
        await expect(saved).to_have_text("Saved", timeout=60_000)
    await expect(mine).to_have_value("1")
    assert (1, 0.5) in site.query(SCORES, site.submission(WRONG, GRADED))
    await theirs.fill("2")
    await theirs.blur()
    await expect(other.locator("input.extra-credit").first).to_have_value("0.5")
    await mine.fill("0")
    await mine.blur()
    await expect(alert(page)).to_contain_text("This has been changed since")
    await expect(alert(page)).to_contain_text("score 2, extra credit 0.5")
    await expect(mine).to_have_value("0")
    assert (2, 0.5) in site.query(SCORES, site.submission(WRONG, GRADED))
    await mine.fill("0.25")
    await mine.blur()
    state_of_score = page.locator(".score-saved + .classroom-state").first
    await expect(state_of_score).to_have_text("Saved", timeout=60_000)
    await expect(page.locator("#classroom-saving")).to_be_hidden()
    assert (0.25, 0.5) in site.query(SCORES, site.submission(WRONG, GRADED))
    await theirs.fill("3")
    await theirs.blur()
    await expect(alert(other)).to_contain_text("This has been changed since")
    await other.get_by_role("button", name="Discard").click()
    await expect(theirs).to_have_value("0.25")
    await drafts(other, 0)


async def test_a_proxy_responds_instead_of_the_service(submission: Submission, site: Site) -> None:
    """As one that has lost its routes: the comment is sent again. A flag is not called saved."""
    page = await submission(RIGHT)
    comment = page.locator("textarea#why-comment")
    for status, said in (
        (404, "The server responded with status 404."),
        (405, "The server responded with status 405."),
        (403, "The server responded with status 403."),
        (503, "The grading service is unavailable."),
    ):
        await page.route(re.compile("/api/comment/|/xsrf-token"), answering(status, "<h1>No</h1>"))
        await comment.fill(f"Despite {status}.")
        await comment.blur()
        await expect(alert(page)).to_contain_text(said)
        await expect(alert(page)).to_contain_text("Saving is tried again automatically.")
        await page.unroute_all()
        await expect(state(page)).to_have_text("Saved", timeout=60_000)
        assert f"Despite {status}." in comments(site, RIGHT)
    await page.route(re.compile("/flag$"), answering(200, "<h1>Free Wi-Fi</h1>"))
    await page.keyboard.press("Control+Shift+F")
    await expect(alert(page)).to_contain_text("It is not known whether this was saved.")
    await page.unroute_all()
    await page.get_by_role("button", name="Discard").click()


async def test_text_of_another_user_of_the_computer_stays(submission: Submission) -> None:
    """Until they return. Only pages of that user can read it."""
    page = await submission(RIGHT)
    name = await page.evaluate("() => `classroom-draft 0123 ${base_url}/api/comment/1`")
    await page.evaluate("(name) => localStorage.setItem(name, `${Date.now()} AAAA`)", name)
    await page.reload()
    await expect(page.locator("input.score").first).to_be_visible()
    comment = page.locator("textarea#why-comment")
    async with offline(page):
        await comment.fill("Mine.")
        await drafts(page, 2)
        assert name in await page.evaluate(DRAFTS)
    await comment.blur()
    await drafts(page, 1)
    await page.evaluate("() => localStorage.clear()")


async def test_two_tabs_of_one_submission(submission: Submission, site: Site) -> None:
    """The second does not save what is still being typed in the first."""
    page = await submission(RICH)
    comment = page.locator("textarea#why-comment")
    before = comments(site, RICH)
    await comment.fill("Half of")
    await drafts(page, 1)
    other = await page.context.new_page()
    await other.goto(page.url)
    await loaded(other)
    await expect(other.locator("textarea#why-comment")).to_be_visible()
    async with asyncio.timeout(30):
        for number in (1, 0):  # it waits for the first tab, and gives up
            while await other.evaluate(WAITING_TABS) != number:
                await asyncio.sleep(0.02)
    assert comments(site, RICH) == before
    await other.close()
    await comment.fill("Half of a sentence.")
    await comment.blur()
    await expect(state(page)).to_have_text("Saved", timeout=60_000)
    assert "Half of a sentence." in comments(site, RICH)


async def test_nobody_can_plant_a_score(submission: Submission, site: Site) -> None:
    """What another page of the origin writes into the browser's storage is not restored."""
    page = await submission(RICH)
    page.on("dialog", lambda dialog: dialog.accept())
    before = comments(site, RICH)
    async with offline(page):
        await page.locator("textarea#why-comment").fill("Moved.")
        await page.locator("textarea#why-comment").blur()
        await drafts(page, 1)
        # A valid draft of another field, and one that was made without the key.
        grade = await page.evaluate(
            "() => formgrader.comments.find((one) => one.get('name') === 'draw').url()"
        )
        await page.evaluate(
            "([grade]) => { const [name] = Object.keys(localStorage).filter((one) =>"
            " one.startsWith('classroom-draft')); const value = localStorage.getItem(name);"
            " localStorage.setItem(name.replace(/ \\S+$/, ' ' + grade), value);"
            " localStorage.setItem(name, Date.now() + ' ' + btoa('x'.repeat(100))); }",
            [grade],
        )
        address = page.url
        await page.goto("about:blank")
    await page.goto(address)
    await loaded(page)
    await drafts(page, 0)
    assert comments(site, RICH) == before
