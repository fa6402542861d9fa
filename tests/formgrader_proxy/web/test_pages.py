"""The pages beside the formgrader: my courses, the audit, a course's own service address."""

import csv
import dataclasses
import io
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.store.audit import Change
from tests.formgrader_proxy.site import (
    ADMIN,
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    Site,
    formgrader_site,
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("user", "role"),
    [(GRADER, "a grader"), (INSTRUCTOR, "an instructor"), (ADMIN, "an administrator")],
)
async def test_my_courses(site: Site, user: str, role: str) -> None:
    """Each sees their courses, and what they are there."""
    browser = await site.browser(user)
    page = await browser.go(PREFIX)
    assert page.status == 200
    assert "Sums" in page.text
    assert role in page.text


async def test_a_student_sees_no_course(site: Site) -> None:
    """The list is there and empty."""
    browser = await site.browser(STUDENT)
    page = await browser.go(PREFIX)
    assert page.status == 200
    assert "Sums" not in page.text


@pytest.mark.parametrize(("user", "status"), [(GRADER, 403), (INSTRUCTOR, 200), (ADMIN, 200)])
async def test_the_audit_is_the_instructors(site: Site, user: str, status: int) -> None:
    """Page and CSV alike."""
    browser = await site.browser(user)
    for path in ("audit/course101", "audit/course101.csv"):
        assert (await browser.go(PREFIX + path)).status == status


async def test_the_csv_holds_no_formula(site: Site) -> None:
    """A name that a spreadsheet would calculate is a text there; markup is one on the page."""
    change = Change(
        at=site.clock.now(),
        course="course101",
        user="=cmd()",
        role="grader",
        action="grade",
        path="<b>x</b>",
        fields=("manual_score",),
    )
    await site.audit.begin(change)
    await site.audit.begin(dataclasses.replace(change, course="other", user="elsewhere"))
    browser = await site.browser(INSTRUCTOR)
    text = (await browser.go(PREFIX + "audit/course101.csv")).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["who"], row["fields"], row["status"]) for row in rows] == [
        ("'=cmd()", "manual_score", "")
    ]
    page = (await browser.go(PREFIX + "audit/course101")).text
    assert "&lt;b&gt;x" in page
    assert "not known" in page


@pytest.mark.parametrize("tail", ["lab?formgrader=true", "lab/tree", "", "formgrader"])
async def test_a_service_named_like_the_course_leads_to_it(site: Site, tail: str) -> None:
    """nbgrader's course list in JupyterLab finds the course so."""
    browser = await site.browser(GRADER)
    answer = await browser.go(f"/services/course101/{tail}", follow=False)
    assert answer.status == 302
    assert answer.headers["Location"] == COURSE + "formgrader"


async def test_a_course_that_is_gone(site: Site) -> None:
    """Taken out of the file, it is there for nobody from then on."""
    browser = await site.browser(GRADER)
    await site.courses.change({})
    assert (await browser.go(COURSE + "formgrader")).status == 404


async def test_a_formgrader_that_is_away(site: Site, tmp_path: Path) -> None:
    """The page says whom to tell; nothing of the address inside."""
    browser = await site.browser(GRADER)
    formgrader = site.courses.get("course101")
    assert formgrader is not None
    course = dataclasses.replace(formgrader.course, url="http+unix://%2Fnowhere%2Fsocket")
    await site.courses.change({"course101": course})
    answer = await browser.go(COURSE + "formgrader")
    assert answer.status == 502
    assert "Tell whoever runs" in answer.text
    assert "nowhere" not in answer.text


async def test_a_full_formgrader_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What mode = "full" means, for whoever set it."""
    with caplog.at_level(logging.WARNING):
        async with formgrader_site(tmp_path, mode="full"):
            pass
    (line,) = [one.message for one in caplog.records if 'mode = "full"' in one.message]
    assert "course101" in line
    assert "gradebook" in line


async def test_only_the_hubs_own_pages_may_frame_it(site: Site) -> None:
    """JupyterLab does, from the hub's origin; nothing else, and no frame is in it."""
    browser = await site.browser(GRADER)
    policy = (await browser.go(COURSE + "formgrader")).headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "frame-src 'none'" in policy
