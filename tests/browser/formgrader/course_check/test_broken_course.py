"""A course that is broken, in a browser: the page says why, and goes on when it is corrected."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import CHROMIUM, Visit
from tests.browser.formgrader.conftest import EXPECTED, PAGES
from tests.integration.formgrader_proxy.hub import GRADER, INSTRUCTOR, formgrader_hub
from tests.integration.processes import proxy_command

pytest.importorskip("nbgrader")


async def test_the_waiting_page_of_a_broken_course(tmp_path: Path, visit: Visit) -> None:
    """The reason for instructors, a milder sentence for graders, and then the formgrader."""
    if proxy_command() is None or CHROMIUM is None:
        pytest.skip("no browser or no proxy here: run `make setup`")
    course = tmp_path / "course"
    course.mkdir()
    (tmp_path / "home").mkdir()
    config = course / "nbgrader_config.py"
    config.write_text("c.Exchange.root = \n")
    (tmp_path / "hub").mkdir()
    with formgrader_hub(tmp_path / "hub", course) as hub:
        path = PAGES + "manage_assignments"
        page = await visit(hub, INSTRUCTOR, path, expected=EXPECTED)
        words = "nbgrader_config.py, line 1: SyntaxError"
        await expect(page.get_by_role("alert")).to_contain_text(words, timeout=60_000)
        grader = await visit(hub, GRADER, path, expected=EXPECTED)
        await expect(grader.get_by_role("alert")).to_contain_text("are not available")
        await expect(grader.get_by_text("SyntaxError")).to_have_count(0)
        config.write_text("")
        await expect(page.get_by_role("link", name="Add new assignment...")).to_be_visible(
            timeout=60_000
        )
