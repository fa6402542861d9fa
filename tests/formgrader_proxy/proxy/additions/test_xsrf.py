"""The XSRF token in nbgrader's pages, and which pages may have a formgrader's responses."""

from pathlib import Path

import pytest

from common.oauth.xsrf import Exposure
from services.formgrader_proxy.access import Content, Mode
from services.formgrader_proxy.proxy.additions.xsrf import (
    BACKBONE_XSRF,
    exposure_of,
    token_element,
    token_script,
)
from tests.formgrader_proxy.site import COURSE, GRADER, PREFIX, formgrader_site

GRADE = "formgrader/api/grade/g1"


def test_element_is_html() -> None:
    """Whatever the token is, it is one attribute's value; without a token there is no element."""
    assert token_element('a"><script>') == (
        b'\n<meta name="formgrader-xsrf" content="a&quot;&gt;&lt;script&gt;">\n'
    )
    assert token_element("") == b""


def test_only_one_script_is_changed() -> None:
    """The one with nbgrader's function that reads the cookie."""
    assert b"getCookie = function" in token_script(BACKBONE_XSRF)
    assert token_script(("formgrader", "static", "js", "utils.js")) == b""


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (Content.PAGE, Mode.LISTED, Exposure.PRIVATE),
        (Content.API, Mode.LISTED, Exposure.PRIVATE),
        (Content.ATTACHMENT, Mode.LISTED, Exposure.EMBEDDED),
        (Content.STATIC, Mode.LISTED, Exposure.PUBLIC),
        (Content.PAGE, Mode.FULL, Exposure.EMBEDDED),
        (Content.API, Mode.FULL, Exposure.PRIVATE),
    ],
)
def test_exposure(content: Content, mode: Mode, expected: Exposure) -> None:
    """Grades are for nbgrader's pages only; pictures can be embedded; scripts are public."""
    assert exposure_of(content, mode) is expected


async def test_token_is_in_the_page_and_not_in_a_cookie(tmp_path: Path) -> None:
    """It allows changes in this course, and nowhere else in the service."""
    async with formgrader_site(tmp_path) as site:
        browser = await site.browser(GRADER)
        assert "_xsrf" not in browser.cookies()
        assert await site.send(browser, "PUT", GRADE, data=b"{}") == 200
        answer = await browser.post(PREFIX + "logout", {"_xsrf": browser.xsrf})
        assert answer.status == 403


@pytest.mark.parametrize(
    ("mode", "dest"), [("cors", "empty"), ("no-cors", "image"), ("navigate", "iframe")]
)
async def test_no_other_page_gets_the_token(tmp_path: Path, mode: str, dest: str) -> None:
    """A page that fetches, embeds or frames the formgrader is refused."""
    async with formgrader_site(tmp_path) as site:
        browser = await site.browser(GRADER)
        token = browser.xsrf
        fetch = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin"}
        for path in ("formgrader", GRADE):
            answer = await browser.request("GET", COURSE + path, headers=fetch)
            assert answer.status in {403, 405}
            assert token not in answer.text


async def test_full_mode_also_sets_a_cookie(tmp_path: Path) -> None:
    """Jupyter's own pages read the token from there. It is limited to the course."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        page = await browser.go(COURSE + "tree")
        assert page.text == "formgrader"
        cookie = page.cookies["_xsrf"]
        assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == (COURSE, "Lax", "")
        headers = {"X-XSRFToken": cookie.value}
        answer = await browser.fetch(COURSE + "api/contents", method="PUT", headers=headers)
        assert answer.status == 200
        assert (await browser.post(PREFIX + "logout", {"_xsrf": cookie.value})).status == 403
