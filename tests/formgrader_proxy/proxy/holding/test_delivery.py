"""Changes that arrive while the formgrader, a real process, is stopped, dies or is replaced."""

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.upstream import formgrader as module
from services.formgrader_proxy.upstream.endpoint import Work
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import State
from tests.fakes.oauth import Answer, Browser
from tests.formgrader_proxy.site import COURSE, GRADER, Site, formgrader_site

#: Saves changes as lines of a file. A comment "die" ends it after it was saved, once. It does not
#: start where there is a file "broken".
SERVER = """
import json, os, pathlib, socket, sys
from aiohttp import web
start = json.load(sys.stdin)
if pathlib.Path("broken").exists():
    sys.exit(1)
saved, died = pathlib.Path("saved"), pathlib.Path("died")
async def status(request):
    return web.json_response({"status": True})
async def change(request):
    body = await request.text()
    if request.method == "GET":
        return web.Response(text="a page", content_type="text/html")
    with saved.open("a") as file:
        file.write(f"{request.method} {body}\\n")
    if "die" in body or "die" in request.path:
        if not died.exists():
            died.touch()
            os._exit(1)
    return web.Response(text="saved")
app = web.Application()
app.router.add_get(start["base_url"] + "formgrader/api/status", status)
app.router.add_route("*", "/{tail:.*}", change)
web.run_app(app, sock=socket.socket(fileno=start["listener"]), print=None)
"""
GRADE = "formgrader/api/grade/g1"
FLAG = "formgrader/api/submitted_notebook/die/flag"


@dataclass
class Course:
    """A course whose formgrader is a process of this script."""

    site: Site
    directory: Path

    @property
    def formgrader(self) -> Formgrader:
        """The one that the courses file has now."""
        found = self.site.formgraders.get("course101")
        assert found is not None
        return found

    @property
    def state(self) -> str:
        return self.formgrader.state

    async def run(self) -> None:
        assert await self.formgrader.until_ready(Work.PAGES, 60)

    def saved(self) -> list[str]:
        path = self.directory / "saved"
        return path.read_text().splitlines() if path.exists() else []

    async def send(self, browser: Browser, method: str, path: str, body: Any = None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-CSRFToken": browser.xsrf, "Content-Type": "application/json"}
        return await browser.fetch(COURSE + path, method=method, headers=headers, data=data)

    async def metric(self, outcome: str) -> float:
        answer = await (await self.site.browser()).fetch("/services/formgrader/metrics")
        line = f'jupyterhub_formgrader_held_changes_total{{outcome="{outcome}"}} '
        return float(answer.text.partition(line)[2].split()[0])


async def manage(site: Site, directory: Path, settings: str = "") -> None:
    """Let the site's course have a formgrader of its own, with more settings."""
    text = f'[[course]]\nid = "course101"\ndirectory = "{directory}"\nidle_seconds = 0\n'
    await site.formgraders.replace(load_courses(text + settings))


@pytest.fixture
async def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Course]:
    command = (sys.executable, "-c", SERVER)
    monkeypatch.setattr(module, "LaunchSettings", partial(LaunchSettings, command=command))
    directory = tmp_path / "course"
    directory.mkdir()
    async with formgrader_site(tmp_path) as site:
        await manage(site, directory)

        async def tick() -> None:
            while True:
                await asyncio.sleep(0.01)
                site.clock.advance(0.01)

        ticking = asyncio.create_task(tick())
        yield Course(site, directory)
        ticking.cancel()


@pytest.fixture
async def grader(course: Course) -> Browser:
    """A grader with a page that is open; the formgrader was stopped since."""
    await course.run()
    browser = await course.site.browser(GRADER)
    upstream = course.formgrader.ready()
    assert upstream is not None
    await course.formgrader.interrupt(upstream)
    return browser


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_score_for_a_stopped_formgrader_is_saved(course: Course, grader: Browser) -> None:
    """It starts the formgrader, waits for it, and is forwarded and recorded once."""
    answer = await course.send(grader, "PUT", GRADE, {"manual_score": 3})
    assert (answer.status, answer.text) == (200, "saved")
    assert course.saved() == ['PUT {"manual_score": 3}']
    (change,) = await course.site.audit.newest("course101")
    assert (change.action, change.status) == ("grade", 200)
    assert await course.metric("forwarded") == 1


async def test_a_flag_for_a_stopped_formgrader_is_made_once(
    course: Course, grader: Browser
) -> None:
    """A change without a body is held as well."""
    answer = await course.send(grader, "POST", FLAG.replace("die", "s1"))
    assert answer.status == 200
    assert course.saved() == ["POST "]


async def test_a_score_is_sent_again_if_the_formgrader_dies(
    course: Course, grader: Browser
) -> None:
    """To the next process. The audit log has one entry, with the final outcome."""
    answer = await course.send(grader, "PUT", GRADE, {"manual_comment": "die"})
    assert answer.status == 200
    assert course.saved() == ['PUT {"manual_comment": "die"}'] * 2
    assert [change.status for change in await course.site.audit.newest("course101")] == [200]
    assert await course.metric("resent") == 1


async def test_a_flag_is_not_sent_again(course: Course, grader: Browser) -> None:
    """It would be removed. The user reads that the outcome is unknown, as does the audit log."""
    answer = await course.send(grader, "POST", FLAG)
    assert answer.status == 502
    assert "not known whether this change was saved" in answer.json()["message"]
    assert answer.json()["saved"] is None
    assert course.saved() == ["POST "]
    assert [change.status for change in await course.site.audit.newest("course101")] == [None]
    assert await course.metric("unknown") == 1


async def test_a_formgrader_that_does_not_start(course: Course, grader: Browser) -> None:
    """When the time is over, the user reads that the change was not saved, and why."""
    (course.directory / "broken").touch()
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: course.state == State.PAUSING)
    course.site.clock.advance(60)
    answer = await sending
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["message"] == (
        "This change was not saved. The formgrader of this course is not running."
        " It was held for 60 s. Try again in a moment."
    )
    assert answer.json()["saved"] is False
    assert await course.site.audit.newest("course101") == []


async def test_a_change_that_fails_after_its_browser_has_left(
    course: Course, grader: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so in one line, because no browser gets the response."""
    (course.directory / "broken").touch()
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: course.state == State.PAUSING)
    sending.cancel()
    await until(sending.done)

    def logged() -> bool:
        course.site.clock.advance(1)  # in steps, so that the service sees the disconnection first
        return "its browser has disconnected: The formgrader of" in caplog.text

    await until(logged)
    gc.collect()  # reports the errors of tasks that nobody has retrieved
    assert "never retrieved" not in caplog.text
    assert course.saved() == []


async def test_who_lost_the_permission_meanwhile_changes_nothing(
    course: Course, grader: Browser
) -> None:
    """The permission is checked when the formgrader runs, after the wait."""
    course.site.hub.hold.clear()  # the Hub does not respond yet, and then it says no
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await course.site.hub.waiting.wait()
    course.site.hub.users[GRADER].groups.clear()
    course.site.hub.hold.set()
    assert (await sending).status == 403
    assert course.saved() == []


async def test_a_permission_lost_while_the_formgrader_starts(
    course: Course, grader: Browser
) -> None:
    """It was permitted when it arrived, and is not any more when the formgrader runs."""
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: course.state == State.STARTING)
    course.site.hub.users[GRADER].groups.clear()
    assert (await sending).status == 403
    assert course.saved() == []
    assert await course.metric("refused") == 1


async def test_a_hub_that_is_away_for_a_moment(course: Course, grader: Browser) -> None:
    """The change waits for it, and is not permitted without it."""
    course.site.hub.down = True
    asked = len(course.site.hub.requests)
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: len(course.site.hub.requests) > asked + 1)
    assert course.saved() == []
    course.site.hub.down = False
    assert (await sending).status == 200
    assert len(course.saved()) == 1


async def test_a_course_that_is_replaced(course: Course, grader: Browser) -> None:
    """The change goes to the formgrader that the courses file now has."""
    await course.run()
    await manage(course.site, course.directory, "limits = { seconds = 60 }")
    assert (await course.send(grader, "PUT", GRADE, {"manual_score": 3})).status == 200
    assert course.state == State.RUNNING
    assert len(course.saved()) == 1


async def test_a_course_that_is_replaced_while_a_change_waits(
    course: Course, grader: Browser
) -> None:
    """It is made once, by the new formgrader."""
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: course.state == State.STARTING)
    await manage(course.site, course.directory, "limits = { seconds = 60 }")
    assert (await sending).status == 200
    assert len(course.saved()) == 1


async def test_a_removed_course(course: Course, grader: Browser) -> None:
    """A change that waits gets a clear response at once."""
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: course.state == State.STARTING)
    await course.site.formgraders.replace({})
    assert (await sending).status in {403, 404}  # the sign-in was that of the course's page
    assert course.saved() == []


async def test_a_shutdown_responds_to_what_waits(course: Course, grader: Browser) -> None:
    """503 at once, so that the browser knows that it was not saved."""
    sending = asyncio.create_task(course.send(grader, "PUT", GRADE, {"manual_score": 3}))
    await until(lambda: course.state == State.STARTING)
    course.site.stopping.set()
    answer = await sending
    assert answer.status == 503
    assert "The service is restarting" in answer.text
    assert course.saved() == []


async def test_an_external_formgrader_that_is_away(tmp_path: Path) -> None:
    """Nothing was sent, so the response says that nothing was saved."""
    async with formgrader_site(tmp_path, url="http://127.0.0.1:9") as site:
        browser = await site.browser(GRADER)
        headers = {"X-CSRFToken": browser.xsrf}
        answer = await browser.fetch(COURSE + GRADE, method="PUT", headers=headers, data=b"{}")
        assert answer.status == 502
        assert "This change was not saved" in answer.json()["message"]
        assert answer.json()["saved"] is False
