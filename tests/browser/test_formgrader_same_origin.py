"""Attacks on the formgrader by a page on a student's own server, in a grader's browser."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import CHROMIUM
from tests.browser.hostile_page import READS, open_hostile_page, run, sign_in, start_hostile_server
from tests.integration.conftest import needs_proxy
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK
from tests.integration.formgrader_proxy.hub import (
    GRADER,
    PREFIX,
    course_by_nbgrader,
    formgrader_hub,
)
from tests.integration.realhub import RealHub

PAGES = PREFIX + "formgrader/"
LIST = f"{PAGES}gradebook/{ASSIGNMENT}/{NOTEBOOK}"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    needs_proxy()
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    course: Path = course_by_nbgrader(tmp_path_factory.mktemp("attacked") / "course")
    with formgrader_hub(tmp_path_factory.mktemp("attacked-hub"), course) as hub:
        yield hub


@pytest.fixture
async def own(hub: RealHub, context: BrowserContext) -> Page:
    """A grader's page of the formgrader, while eve's server runs."""
    await start_hostile_server(hub)
    page = await sign_in(context, hub, GRADER, LIST)
    await expect(page.locator("table td a").first).to_be_visible(timeout=90_000)
    return page


def path_of(hub: RealHub, path: str) -> str:
    return urlsplit(hub.url).path + path


@pytest.mark.attack("grades_read_and_changed")
async def test_grades_are_not_read_or_changed(
    hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """Neither the page nor nbgrader's API, and the token is not in any response."""
    element = own.locator('meta[name="formgrader-xsrf"]')
    token = await element.get_attribute("content")
    assert token
    page = await open_hostile_page(context, hub)
    for path in (LIST, f"{PAGES}api/submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}"):
        for how, script in READS.items():
            text = await run(page, script, path_of(hub, path))
            assert token not in text, how
            assert "ana" not in text, how
            await page.goto(f"{hub.url}user/eve/page.html")
    send = """async url => String((await fetch(url, {method: "PUT", body: "{}"})).status)"""
    assert await run(page, send, path_of(hub, f"{PAGES}api/grade/g1")) == "403"


COOKIE_OF_AN_ERROR_PAGE = """async url => {
    const frame = document.createElement("iframe");
    frame.src = url + "x".repeat(9000);
    const loaded = new Promise(done => { frame.onload = done; });
    document.body.append(frame);
    await loaded;
    return frame.contentDocument?.cookie ?? "";
}"""


@pytest.mark.attack("readable_cookie")
async def test_no_cookie_is_read_through_an_error_page(
    hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """A request that is too long is answered without headers, so its page can be framed.

    Its address is below the service's, so a page in the frame's parent reads the cookies there.
    """
    page = await open_hostile_page(context, hub)
    address = path_of(hub, PREFIX)
    assert await run(page, COOKIE_OF_AN_ERROR_PAGE, address) == ""
    await page.evaluate("path => { document.cookie = `readable=1; path=${path}`; }", address)
    assert await run(page, COOKIE_OF_AN_ERROR_PAGE, address) == "readable=1"
