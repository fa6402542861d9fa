"""The page and the API of a course's jobs, through the service with a fake formgrader."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.formgrader_proxy.store.job import Item, State
from tests.fakes.formgrader import until
from tests.fakes.nbgrader import FakeNbgrader, fake_nbgrader
from tests.fakes.oauth import Answer, Browser
from tests.formgrader_proxy.jobs.values import job
from tests.formgrader_proxy.site import (
    ACCESS,
    ADMIN,
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    Site,
    formgrader_site,
)

JOBS = PREFIX + "courses/course101/jobs"
#: The same API for nbgrader's pages.
COURSE_JOBS = "formgrader/api/classroom-jobs"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture
async def nbgrader() -> AsyncIterator[FakeNbgrader]:
    async with fake_nbgrader() as made:
        made.students = {"ana": False, "ben": True}
        yield made


@pytest.fixture
async def site(tmp_path: Path, nbgrader: FakeNbgrader) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path, url=nbgrader.url, token="secret") as made:
        yield made


async def post(browser: Browser, path: str, **fields: str) -> Answer:
    """Send a form of the jobs page, as a browser does."""
    page = await browser.go(JOBS)
    assert page.status == 200
    return await browser.post(path, fields | {"_xsrf": browser.xsrf}, follow=False)


async def start(browser: Browser, which: str = "all") -> Answer:
    return await post(browser, JOBS, action="autograde", assignment="ps1", which=which)


async def jobs_of(browser: Browser, query: str = "") -> Any:
    await browser.go(JOBS)  # whose token is valid here
    headers = {"X-XSRFToken": browser.xsrf}
    answer = await browser.fetch(JOBS + query, headers=headers)
    assert answer.status == 200
    return answer.json()


async def until_ended(browser: Browser) -> list[dict[str, Any]]:
    """The jobs when all have ended."""
    while True:
        found: list[dict[str, Any]] = (await jobs_of(browser))["jobs"]
        if found and all(one["state"] not in {"queued", "running"} for one in found):
            return found


@pytest.mark.attack("job of another role or course")
@pytest.mark.parametrize(
    ("user", "reads", "starts"),
    [(STUDENT, 403, 403), (GRADER, 200, 403), (INSTRUCTOR, 200, 303), (ADMIN, 200, 303)],
)
async def test_graders_watch_and_instructors_start(
    site: Site, nbgrader: FakeNbgrader, user: str, reads: int, starts: int
) -> None:
    """The page, its JSON, and every change."""
    browser = await site.browser(user)
    assert (await browser.go(JOBS)).status == reads
    headers = {"X-XSRFToken": browser.xsrf}
    assert (await browser.fetch(JOBS, headers=headers)).status == reads
    fields = {"_xsrf": browser.xsrf, "action": "autograde", "assignment": "ps1", "which": "all"}
    assert (await browser.post(JOBS, fields, follow=False)).status == starts
    for what, status in (("cancel", 404), ("stop", 404), ("retry", 404)):
        answer = await browser.post(f"{JOBS}/99/{what}", fields, follow=False)
        assert answer.status == (status if starts == 303 else 403)
    assert bool(nbgrader.begun) is (starts == 303)


@pytest.mark.attack("job without a token")
async def test_a_change_without_the_token_of_the_page(site: Site, nbgrader: FakeNbgrader) -> None:
    """Another page of the origin cannot start or cancel a job, or read the list."""
    browser = await site.browser(INSTRUCTOR)
    fields = {"action": "autograde", "assignment": "ps1", "which": "all"}
    for token in ({}, {"_xsrf": "wrong"}):
        assert (await browser.post(JOBS, fields | token)).status == 403
        assert (await browser.post(JOBS + "/1/cancel", token)).status == 403
    assert (await browser.fetch(JOBS)).status == 403
    assert (await browser.fetch(COURSE + COURSE_JOBS)).status == 403
    start = f"{COURSE}{COURSE_JOBS}/ps1/autograde/all"
    assert (await browser.fetch(start, method="POST")).status == 403
    assert nbgrader.begun == []


@pytest.mark.attack("job of another role or course")
async def test_a_job_of_another_course(site: Site) -> None:
    """Its number is not known here, to whatever it is applied."""
    other = job(items=[Item("ana", State.FAILED, lines=("secret",))], course="other")
    other.state = State.FAILED
    number = await site.jobs_store.add(other)
    browser = await site.browser(INSTRUCTOR)
    assert "secret" not in (await browser.go(JOBS)).text
    assert (await browser.go(f"{JOBS}/{number}")).status == 404
    for what in ("cancel", "stop", "retry"):
        assert (await post(browser, f"{JOBS}/{number}/{what}")).status == 404
    await browser.go(COURSE + "formgrader")
    headers = {"X-CSRFToken": browser.xsrf}
    for what in ("cancel", "stop", "retry"):
        path = f"{COURSE}{COURSE_JOBS}/{number}/{what}"
        assert (await browser.fetch(path, method="POST", headers=headers)).status == 404


@pytest.mark.attack("job of another role or course")
async def test_an_unknown_course_looks_like_another_ones(site: Site) -> None:
    """The response does not reveal whether there is such a course."""
    browser = await site.browser(INSTRUCTOR)
    assert (await browser.go(PREFIX + "courses/other/jobs")).status == 403
    assert (await browser.go(PREFIX + "courses/other/jobs/1")).status == 403


async def test_from_start_to_end(site: Site, nbgrader: FakeNbgrader) -> None:
    """Everything that a program reads, and what only counts the submissions that need it."""
    browser = await site.browser(INSTRUCTOR)
    assert (await start(browser)).status == 303
    (found,) = await until_ended(browser)
    assert {name: found[name] for name in ("title", "user", "state", "total", "done")} == {
        "title": "Autograde ps1: 2 submissions",
        "user": INSTRUCTOR,
        "state": "done",
        "total": 2,
        "done": 2,
    }
    await start(browser, "needed")
    await until_ended(browser)
    assert nbgrader.begun == ["autograde/ana", "autograde/ben", "autograde/ana"]
    headers = {"X-XSRFToken": browser.xsrf}
    one = (await browser.fetch(f"{JOBS}/{found['id']}", headers=headers)).json()
    assert [(item["student"], item["state"]) for item in one["items"]] == [
        ("ana", "done"),
        ("ben", "done"),
    ]
    assert (await browser.fetch(f"{JOBS}/99", headers=headers)).status == 404


async def test_feedback_is_for_what_is_autograded(site: Site, nbgrader: FakeNbgrader) -> None:
    """As nbgrader's own request for all feedback."""
    browser = await site.browser(INSTRUCTOR)
    fields = {"action": "generate_feedback", "assignment": "ps1", "which": "needed"}
    assert (await post(browser, JOBS, **fields)).status == 303
    await until_ended(browser)
    assert nbgrader.begun == ["generate_feedback/ben"]
    nbgrader.students = {"ana": False}
    assert "are autograded" in (await post(browser, JOBS, **fields)).text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"assignment": ""}, "no assignment"),
        ({"assignment": "../ps1"}, "no assignment"),
        ({"assignment": "*"}, "no assignment"),
        ({"action": "assign"}, "no such kind"),
        ({"which": "some"}, "no such kind"),
    ],
)
async def test_invalid_jobs(site: Site, fields: dict[str, str], words: str) -> None:
    """They are refused with the reason."""
    browser = await site.browser(INSTRUCTOR)
    valid = {"action": "autograde", "assignment": "ps1", "which": "all"}
    answer = await post(browser, JOBS, **(valid | fields))
    assert answer.status == 409
    assert words in answer.text


async def test_nothing_to_autograde(site: Site, nbgrader: FakeNbgrader) -> None:
    """The page says so."""
    browser = await site.browser(INSTRUCTOR)
    nbgrader.students = {"ben": True}
    answer = await start(browser, "needed")
    assert (answer.status, "need autograding" in answer.text) == (409, True)
    nbgrader.students = {}
    assert "have been submitted" in (await start(browser)).text


@pytest.mark.attack("script in the log of a job")
async def test_the_page_shows_failures_as_text(site: Site, nbgrader: FakeNbgrader) -> None:
    """Nothing that a student's code printed is markup, in the list and on the job's page."""
    nbgrader.results["ana"] = {"success": False, "log": f"first\n{HOSTILE}", "error": HOSTILE}
    browser = await site.browser(INSTRUCTOR)
    await start(browser)
    await until_ended(browser)
    for path in (JOBS, JOBS + "/1"):
        page = (await browser.go(path)).text
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;\n" in page
        assert "1 of 2 done, 1 failed" in page
        assert "ended with 1 failure" in page
        assert 'id="retry-1"' in page


async def test_the_page_while_a_job_runs(site: Site, nbgrader: FakeNbgrader) -> None:
    """Progress, the current student and a button; a grader gets no buttons."""
    nbgrader.held = {"ana"}
    browser, grader = await site.browser(INSTRUCTOR), await site.browser(GRADER)
    await start(browser)
    await nbgrader.until_begun("autograde/ana")
    page = (await browser.go(JOBS)).text
    assert '<progress max="2" value="0"' in page
    assert "Now: ana" in page
    assert "left" not in page
    assert 'id="cancel-1"' in page
    watched = (await grader.go(JOBS)).text
    assert "Now: ana" in watched
    assert '<form method="post" action="' + JOBS not in watched
    assert (await post(browser, JOBS + "/1/cancel")).status == 303
    page = (await browser.go(JOBS)).text
    assert "finishing the current submission" in page
    assert 'id="stop-1"' in page
    nbgrader.release("ana")
    (found,) = await until_ended(browser)
    assert (found["state"], found["done"], found["cancelled"]) == ("cancelled", 1, 1)
    assert (await post(browser, JOBS + "/1/retry")).status == 303
    assert [one["state"] for one in await until_ended(browser)] == ["done", "cancelled"]
    assert (await post(browser, JOBS + "/1/cancel")).status == 409


async def test_interrupted_jobs_are_shown(site: Site) -> None:
    """With what to do, and never as done."""
    left = job(items=[Item("ana", State.DONE), Item("ben", State.RUNNING)], state=State.RUNNING)
    await site.jobs_store.add(left)
    page = (await (await site.browser(INSTRUCTOR)).go(JOBS)).text
    assert "interrupted</span>" in page
    assert "1 of 2 done, 1 interrupted" in page
    assert "a retry includes it" in page


async def test_a_list_that_did_not_change(site: Site, nbgrader: FakeNbgrader) -> None:
    """Only its version is sent."""
    browser = await site.browser(INSTRUCTOR)
    await start(browser)
    await until_ended(browser)
    version = (await jobs_of(browser))["version"]
    assert await jobs_of(browser, f"?since={version}") == {"version": version, "unchanged": True}
    assert not (await jobs_of(browser, "?since=other-1"))["unchanged"]


@pytest.mark.parametrize(("user", "status"), [(GRADER, 403), (INSTRUCTOR, 202)])
async def test_the_api_of_nbgraders_pages(
    site: Site, nbgrader: FakeNbgrader, user: str, status: int
) -> None:
    """It accepts the token of the course, follows the roles, and forwards nothing."""
    browser = await site.browser(user)
    headers = {"X-CSRFToken": browser.xsrf}

    async def send(method: str, path: str) -> Answer:
        return await browser.fetch(f"{COURSE}{COURSE_JOBS}{path}", method=method, headers=headers)

    listed = await send("GET", "")
    assert listed.json() | {"version": ""} == {
        "version": "",
        "unchanged": False,
        "complete": True,
        "may_change": user == INSTRUCTOR,
        "page": JOBS,
        "jobs": [],
    }
    nbgrader.held = {"ana"}
    assert (await send("POST", "/ps1/autograde/all")).status == status
    if user == INSTRUCTOR:
        assert (await send("POST", "/ps1/autograde/all")).status == 200  # the same job
        assert (await send("POST", "/1/cancel")).json()["cancelled_by"] == INSTRUCTOR
        nbgrader.release("ana")
        await until(lambda: not site.jobs.queue("course101").jobs)
        assert (await send("POST", "/1/retry")).status == 202
        assert (await send("POST", "/99/retry")).status == 404
        assert (await send("POST", "/ps1/autograde/some")).status == 404
        assert (await send("GET", "?since=x&y=1")).status == 400
        await until(lambda: not site.jobs.queue("course101").jobs)
    else:
        assert (await send("POST", "/1/cancel")).status == 403
    assert not any("classroom-jobs" in seen for seen in nbgrader.begun)


async def test_a_button_of_nbgrader_is_a_job(site: Site, nbgrader: FakeNbgrader) -> None:
    """The browser gets nbgrader's own response, and the page lists the job."""
    browser = await site.browser(INSTRUCTOR)
    nbgrader.results["ana"] = {"success": False, "error": "broken", "log": "[ERROR] x"}
    answer = await browser.fetch(
        COURSE + "formgrader/api/submission/ps1/ana/autograde",
        method="POST",
        headers={"X-CSRFToken": browser.xsrf},
    )
    assert (answer.status, json.loads(answer.text)) == (200, nbgrader.results["ana"])
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    (found,) = (await jobs_of(browser))["jobs"]
    assert (found["title"], found["state"]) == ("Autograde ps1: ana", "failed")
    assert [one.action for one in await site.audit.newest("course101")] == ["autograde"]


async def test_a_button_whose_job_is_cancelled(site: Site, nbgrader: FakeNbgrader) -> None:
    """nbgrader's dialog shows who cancelled it."""
    browser = await site.browser(INSTRUCTOR)
    nbgrader.held = {"ana"}
    await start(browser)
    await nbgrader.until_begun("autograde/ana")
    waiting = asyncio.create_task(
        browser.fetch(
            COURSE + "formgrader/api/submission/ps1/ben/autograde",
            method="POST",
            headers={"X-CSRFToken": browser.xsrf},
        )
    )
    (made,) = site.jobs.queue("course101").jobs
    await until(lambda: made.items[1].urgent)
    await post(browser, JOBS + "/1/cancel")
    answer = json.loads((await waiting).text)
    assert (answer["success"], answer["error"]) == (False, f"Cancelled by {INSTRUCTOR}.")
    nbgrader.release("ana")


async def test_too_large_a_form(site: Site) -> None:
    """It is refused before it is read."""
    browser = await site.browser(INSTRUCTOR)
    answer = await browser.post(JOBS, {"assignment": "x" * 20_000})
    assert answer.status == 413


async def test_permissions_are_checked_after_the_request_was_received(
    site: Site, nbgrader: FakeNbgrader
) -> None:
    """A slow body does not keep a role that was removed meanwhile."""
    token = site.hub.add_token(INSTRUCTOR, ACCESS)
    body = json.dumps({"assignment": "ps1"}).encode()
    host, port = site.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {JOBS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    await writer.drain()
    other = await site.browser(GRADER)  # which takes several requests: this one has been read
    assert (await other.go(JOBS)).status == 200
    site.hub.users[INSTRUCTOR].groups.clear()
    writer.write(body)
    status = (await reader.readline()).split()[1]
    writer.close()
    assert (status, nbgrader.begun) == (b"403", [])


async def test_a_name_that_is_no_text_does_not_stop_the_others(
    site: Site, nbgrader: FakeNbgrader
) -> None:
    """Such as after unpacking an archive with names in Latin-1."""
    nbgrader.students = {"J\udcfcrgen": False, "ben": False}
    browser = await site.browser(INSTRUCTOR)
    assert (await start(browser)).status == 303
    (found,) = await until_ended(browser)
    assert (found["done"], found["failed"]) == (1, 1)
    assert nbgrader.begun == ["autograde/ben"]
    page = await browser.go(JOBS)
    assert "J?rgen" in page.text
    assert "does not accept this name" in page.text
