"""The path of a request through the gateway: target, who, may, forward, audit, answer."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.proxy.request_head import CACHE_SECONDS
from tests.formgrader_proxy.site import (
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    TOKEN,
    Site,
    formgrader_site,
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


async def test_a_page_is_forwarded_with_the_upstreams_token(site: Site) -> None:
    """The path is unchanged, and the formgrader's response is returned, with the XSRF token."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    page = await browser.go(COURSE + "formgrader/submissions/s1/?index=1")
    assert page.status == 200
    found = re.fullmatch(
        'formgrader\n<meta name="formgrader-xsrf" content="(.+)">\n<meta name="formgrader-page"'
        f' content="(.+)" data-own-path="{PREFIX}courses/course101/">\n',
        page.text,
    )
    assert found is not None
    assert (found[1], len(found[2])) == (browser.xsrf, 43)
    (seen,) = site.seen
    assert seen.raw_target == COURSE + "formgrader/submissions/s1/?index=1"
    assert seen.headers["Authorization"] == f"token {TOKEN}"


async def test_an_invalid_address_is_refused_before_sign_in(site: Site) -> None:
    """400 with the reason, even for an anonymous client."""
    answer = await (await site.browser()).fetch(COURSE + "formgrader?path=/tmp")
    assert answer.status == 400
    assert "path query" in answer.text


async def test_a_user_without_a_role_is_refused(site: Site) -> None:
    """Nothing is forwarded."""
    browser = await site.browser(STUDENT)
    site.seen.clear()
    page = await browser.go(COURSE + "formgrader")
    assert page.status == 403
    assert "You do not grade this course." in page.text
    assert site.seen == []


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "files/gradebook.db", 404, "no such page"),
        ("DELETE", "formgrader/api/grade/g1", 405, "this kind of request"),
        ("POST", "formgrader/api/assignment/ps1/release", 403, "Only an instructor"),
    ],
)
async def test_each_refusal_has_its_status_and_reason(
    site: Site, method: str, path: str, status: int, words: str
) -> None:
    """What is not on the list, another method, and another role."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    headers = {"X-CSRFToken": browser.xsrf}
    answer = await browser.fetch(COURSE + path, method=method, headers=headers)
    assert answer.status == status
    assert words in answer.text
    assert site.seen == []


async def test_a_removed_course_is_not_found(site: Site) -> None:
    """As soon as it is no longer served."""
    browser = await site.browser(GRADER)
    await site.formgraders.replace({})
    page = await browser.go(COURSE + "formgrader")
    assert page.status == 404
    assert "no such course" in page.text


async def test_a_new_course_is_found_with_its_first_request(site: Site, tmp_path: Path) -> None:
    """The courses file is read again for a course that is not known."""
    browser = await site.browser(GRADER)
    path = tmp_path / "courses.toml"
    path.write_text(path.read_text() + '[[course]]\nid = "new"\nurl = "http://127.0.0.1:9"\n')
    assert (await browser.go(PREFIX + "new/formgrader")).status == 403
    assert (await browser.go(PREFIX + "newer/formgrader")).status == 404


@pytest.mark.parametrize(
    "changes",
    [{"url": "http+unix://%2Fnowhere%2Fsocket"}, {"token_file": Path("/nowhere/token")}],
    ids=["no server", "no token file"],
)
async def test_an_unreachable_formgrader_is_502(
    site: Site, changes: dict[str, str | Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The page says what to do and reveals no internal address; the log has the reason."""
    browser = await site.browser(GRADER)
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    course = dataclasses.replace(formgrader.course, **changes)  # type: ignore[arg-type]  # one field
    await site.formgraders.replace({"course101": course})
    page = await browser.go(COURSE + "formgrader")
    assert page.status == 502
    assert "Ask the administrator of this course" in page.text
    assert "nowhere" not in page.text
    assert "course course101: the formgrader cannot be reached" in caplog.text


async def test_a_change_is_recorded_with_its_outcome(site: Site) -> None:
    """Who, as what, which action, where, which fields, and the formgrader's status."""
    browser = await site.browser(GRADER)
    site.status = 201
    path = "formgrader/api/grade/g1"
    assert await site.send(browser, "PUT", path, data=b'{"manual_score": 3}') == 201
    (change,) = await site.audit.newest("course101")
    assert (change.user, change.role, change.action) == (GRADER, "grader", "grade")
    assert (change.path, change.fields, change.status) == (path, ("manual_score",), 201)
    assert site.seen[-1].body == b'{"manual_score": 3}'


async def test_a_read_is_not_recorded(site: Site) -> None:
    """The audit log contains changes only."""
    await (await site.browser(INSTRUCTOR)).go(COURSE + "formgrader/gradebook")
    assert await site.audit.newest("course101") == []


async def test_pages_have_a_policy(site: Site) -> None:
    """No page may frame them, and they connect to their own course only."""
    browser = await site.browser(GRADER)
    policy = (await browser.go(COURSE + "formgrader")).headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert f"connect-src {site.origin}{COURSE}" in policy


async def test_the_policy_has_the_pages_nonce(site: Site) -> None:
    """The formgrader's header with it is not passed on."""
    site.answer = {"Formgrader-Nonce": "0123456789abcdef0123456789abcdef"}
    browser = await site.browser(GRADER)
    answer = await browser.go(COURSE + "formgrader")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'nonce-0123456789abcdef0123456789abcdef';" in policy
    assert "Formgrader-Nonce" not in answer.headers


async def test_links_are_repaired_in_one_script(site: Site) -> None:
    """utils.js gets the appended script, other scripts do not."""
    browser = await site.browser(GRADER)
    token = browser.xsrf
    utils = await browser.fetch(COURSE + "formgrader/static/js/utils.js", token=token)
    assert utils.text.startswith("formgrader\n/* added by formgrader_proxy")
    other = await browser.fetch(COURSE + "formgrader/static/js/other.js", token=token)
    assert other.text == "formgrader"


async def test_the_cache_of_heads_expires_by_itself(site: Site) -> None:
    """Without a further request, since heads contain cookies."""
    await site.browser(GRADER)
    heads = site.gateway._heads
    assert len(heads) > 0
    async with asyncio.timeout(60):
        while len(heads):
            site.clock.advance(CACHE_SECONDS)
            await asyncio.sleep(0)
