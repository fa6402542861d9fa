"""A page whose sign-in has ended gets a new XSRF token, and no other page does."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.store.audit import Audit
from tests.fakes.oauth import Answer, Browser
from tests.formgrader_proxy.site import (
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    Site,
    formgrader_site,
)

OWN = PREFIX + "courses/course101/"
GRADE = "formgrader/api/grade/g1"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


async def key_of(browser: Browser) -> str:
    """The key in a page that this browser opens."""
    page = await browser.go(COURSE + "formgrader/gradebook")
    found = re.search(r'name="formgrader-page" content="([^"]+)"', page.text)
    assert found is not None
    return found[1]


async def renew(browser: Browser, key: str, **headers: str) -> Answer:
    headers = {"X-Formgrader-Page": key} | headers
    return await browser.fetch(OWN + "xsrf-token", method="POST", headers=headers)


async def sign_in_anew(browser: Browser, user: str) -> None:
    """Sign out of the Hub and in again, without opening a page of the course."""
    await browser.request("GET", "/hub/logout")
    await browser.log_in(user)
    page = await browser.go(OWN + "signed-in")
    assert page.status == (403 if user == STUDENT else 200)


async def test_an_open_page_saves_after_a_new_sign_in(site: Site) -> None:
    """Its old token is refused, and its key is worth a new one."""
    browser = await site.browser(GRADER)
    key, old = await key_of(browser), browser.xsrf
    await sign_in_anew(browser, GRADER)
    browser.xsrf = old
    assert await site.send(browser, "PUT", GRADE, data=b"{}") == 403
    answer = await renew(browser, key)
    assert (answer.status, answer.json()["user"]) == (200, GRADER)
    assert answer.headers["Cache-Control"] == "no-store"
    browser.xsrf = answer.json()["token"]
    assert await site.send(browser, "PUT", GRADE, data=b"{}") == 200


async def test_without_a_sign_in(site: Site) -> None:
    """401, so that the page asks the user to sign in."""
    browser = await site.browser(GRADER)
    key = await key_of(browser)
    await browser.request("GET", "/hub/logout")
    assert (await renew(browser, key)).status == 401
    assert (await renew(await site.browser(), key)).status == 401


@pytest.mark.parametrize("user", [None, STUDENT])
async def test_nobody_learns_which_courses_there_are(site: Site, user: str | None) -> None:
    """The answer is the same for a course that does not exist."""
    browser = await site.browser(user)
    headers = {"X-Formgrader-Page": "x"}
    answers = [
        await browser.fetch(f"{PREFIX}courses/{course}/xsrf-token", method="POST", headers=headers)
        for course in ("course101", "other")
    ]
    assert {answer.status for answer in answers} == {403 if user else 401}
    assert answers[0].text == answers[1].text


@pytest.mark.parametrize("key", ["", "x" * 43, "é"])
async def test_without_the_key_no_page_gets_a_token(site: Site, key: str) -> None:
    """A page of a student's server can send the request, too."""
    browser = await site.browser(GRADER)
    answer = await renew(browser, key)
    assert answer.status == 403
    assert "token" not in answer.json()


async def test_another_user_gets_no_token(site: Site) -> None:
    """The page belongs to the user who opened it, also on a shared computer."""
    browser = await site.browser(GRADER)
    key = await key_of(browser)
    await sign_in_anew(browser, INSTRUCTOR)
    answer = await renew(browser, key)
    assert (answer.status, answer.json()["reason"]) == (403, "user")
    assert INSTRUCTOR in answer.json()["message"]
    assert await key_of(browser) != key


async def test_who_lost_the_role_gets_no_token(site: Site) -> None:
    """And reads why."""
    browser = await site.browser(GRADER)
    key = await key_of(browser)
    site.hub.users[GRADER].groups.clear()
    answer = await renew(browser, key)
    assert (answer.status, answer.json()["reason"]) == (403, "role")
    assert "You do not grade this course any more." in answer.json()["message"]


async def test_another_site_gets_no_token(site: Site) -> None:
    """Even with the key."""
    browser = await site.browser(GRADER)
    answer = await renew(browser, await key_of(browser), **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403


async def test_the_page_after_signing_in(site: Site) -> None:
    """It leads through the Hub's login, and says what to do next."""
    browser = await site.browser()
    await browser.log_in(GRADER)
    page = await browser.go(OWN + "signed-in")
    assert page.status == 200
    assert "You are signed in as gail" in page.text
    assert "Close this tab" in page.text
    assert (await browser.go(PREFIX + "courses/other/signed-in")).status == 404
    student = await site.browser()
    await student.log_in(STUDENT)
    assert (await student.go(OWN + "signed-in")).status == 403


async def test_keys_outlive_a_restart(tmp_path: Path) -> None:
    """The secret is created once, also by two instances that start together."""
    url = f"sqlite:///{tmp_path}/audit.sqlite"
    found = []
    for _ in range(2):
        audit = Audit(url)
        await audit.open()
        found.append(audit.page_secret)
        await audit.close()
    assert found[0] == found[1]
    assert len(found[0]) == 32
