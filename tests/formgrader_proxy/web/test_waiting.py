"""The page that is shown until a formgrader has started."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.upstream.process import life
from services.formgrader_proxy.upstream.supervisor import State
from tests.formgrader_proxy.site import COURSE, GRADER, Site, formgrader_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A course whose own formgrader never responds, or cannot start: see each test."""
    async with formgrader_site(tmp_path) as made:
        yield made


async def manage(site: Site, directory: Path) -> None:
    text = f'[[course]]\nid = "course101"\ntitle = "Sums"\ndirectory = "{directory}"\n'
    await site.formgraders.replace(load_courses(text))


async def test_a_page_while_it_starts(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with the progress, and the page refreshes itself; a script gets JSON."""
    browser = await site.browser(GRADER)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    await manage(site, tmp_path)
    page = await browser.go(COURSE + "formgrader")
    assert (page.status, page.headers["Retry-After"]) == (503, "1")
    assert "is starting" in page.text
    assert "<progress" in page.text
    assert 'http-equiv="refresh" content="1"' in page.text
    token = browser.xsrf
    answer = await browser.fetch(COURSE + "formgrader/api/status", token=token)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "starting" in answer.json()["message"]


async def test_a_page_while_it_waits_for_a_restart(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason and the delay."""
    browser = await site.browser(GRADER)

    def refuse(*_words: object) -> None:
        raise ValueError("the machine is full")

    monkeypatch.setattr(life, "launch", refuse)
    await manage(site, tmp_path)
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    assert formgrader.pool is not None
    for _ in range(3):  # failures, so that the delay is long enough to be seen
        async with asyncio.timeout(60):
            while formgrader.pool.paused_for:
                await asyncio.sleep(0.01)
            formgrader.ready()
            while formgrader.pool.state is not State.PAUSING:
                await asyncio.sleep(0.01)
    page = await browser.go(COURSE + "formgrader")
    assert page.status == 503
    assert "is not running: it could not be started: the machine is full." in page.text
    assert f"restarted in {page.headers['Retry-After']} s" in page.text
    assert 1 <= int(page.headers["Retry-After"]) <= 4
