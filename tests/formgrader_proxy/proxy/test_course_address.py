"""The address of a course without a page, as it is in the documentation."""

from pathlib import Path

import pytest

from tests.formgrader_proxy.site import COURSE, GRADER, PREFIX, STUDENT, formgrader_site


@pytest.mark.parametrize("mode", ["listed", "full"])
async def test_it_leads_to_the_formgrader(tmp_path: Path, mode: str) -> None:
    """With and without a slash at the end, after signing in, and without arguments."""
    async with formgrader_site(tmp_path, mode=mode) as site:
        browser = await site.browser()
        await browser.log_in(GRADER)
        for address in (COURSE, COURSE.rstrip("/"), COURSE + "?next=//evil.example"):
            page = await browser.go(address)
            assert (page.status, page.url) == (200, COURSE + "formgrader")
        assert {seen.raw_target for seen in site.seen} == {COURSE + "formgrader"}


async def test_only_for_graders_of_an_existing_course(tmp_path: Path) -> None:
    """A student is refused; an unknown course is not found, but only after signing in."""
    async with formgrader_site(tmp_path) as site:
        student = await site.browser(STUDENT)
        assert (await student.go(COURSE)).status == 403
        assert (await student.go(PREFIX + "nothing/")).status == 404
        stranger = await site.browser()
        for course in ("course101/", "nothing/"):
            answer = await stranger.fetch(PREFIX + course)
            assert answer.status == 401
        assert site.seen == []
