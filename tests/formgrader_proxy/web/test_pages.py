"""The list of courses, a formgrader's log, and the redirects from services named like courses."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.courses_file.file import load_courses
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
async def test_the_home_page_lists_the_users_courses(site: Site, user: str, role: str) -> None:
    """With the user's role in each."""
    page = await (await site.browser(user)).go(PREFIX)
    assert page.status == 200
    assert "Sums" in page.text
    assert f"You are {role} in this course." in page.text
    assert ("Audit log" in page.text) == (user != GRADER)


async def test_a_student_sees_no_course(site: Site) -> None:
    """The page explains which group its graders are in."""
    page = await (await site.browser(STUDENT)).go(PREFIX)
    assert page.status == 200
    assert "Sums" not in page.text
    assert "formgrade-" in page.text


@pytest.mark.parametrize(("user", "shown"), [(INSTRUCTOR, False), (ADMIN, True)])
async def test_administrators_see_problems_with_the_courses_file(
    site: Site, tmp_path: Path, user: str, shown: bool
) -> None:
    """While the file is invalid, the previous courses stay."""
    browser = await site.browser(user)
    (tmp_path / "courses.toml").write_text('[[course]]\nid = "a b"\ndirectory = "/srv/x"\n')
    page = await browser.go(PREFIX)
    assert "Sums" in page.text
    assert ("courses file is invalid" in page.text) is shown
    assert ("such as course101" in page.text) is shown


@pytest.mark.parametrize(
    ("user", "status"), [(STUDENT, 403), (GRADER, 403), (INSTRUCTOR, 403), (ADMIN, 200)]
)
async def test_only_administrators_may_read_a_log(
    site: Site, tmp_path: Path, user: str, status: int
) -> None:
    """The page shows the state before the formgrader was started."""
    browser = await site.browser(user)
    text = f'[[course]]\nid = "course101"\ndirectory = "{tmp_path}"\n'
    await site.formgraders.replace(load_courses(text))
    page = await browser.go(PREFIX + "admin/course101/log")
    assert page.status == status
    assert ("State: stopped." in page.text) == (status == 200)


@pytest.mark.parametrize("course", ["course101", "other"])
async def test_an_external_formgrader_has_no_log(site: Site, course: str) -> None:
    """Nor does an unknown course."""
    browser = await site.browser(ADMIN)
    assert (await browser.go(f"{PREFIX}admin/{course}/log")).status == 404


@pytest.mark.parametrize("tail", ["lab?formgrader=true", "lab/tree", "", "formgrader"])
async def test_a_service_named_like_a_course_redirects_to_it(site: Site, tail: str) -> None:
    """nbgrader's course list in JupyterLab links to such a service."""
    browser = await site.browser(GRADER)
    answer = await browser.go(f"/services/course101/{tail}", follow=False)
    assert answer.status == 302
    assert answer.headers["Location"] == COURSE + "formgrader"


@pytest.mark.parametrize("name", ["audit", "a%20b", "-x"])
async def test_other_names_are_not_redirected(site: Site, name: str) -> None:
    """Only a valid course id is put into an address."""
    browser = await site.browser(GRADER)
    assert (await browser.go(f"/services/{name}/lab", follow=False)).status == 404


async def test_twelve_courses_can_be_filtered(site: Site) -> None:
    """With few courses there is no filter. The filter is a form, so it works without scripts."""
    browser = await site.browser(INSTRUCTOR)
    assert 'name="q"' not in (await browser.go(PREFIX)).text
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    courses = {
        f"c{n}": dataclasses.replace(formgrader.course, id=f"c{n}", title=f"Course <{n}>")
        for n in range(1, 13)
    }
    await site.formgraders.replace(courses)
    page = (await browser.go(PREFIX)).text
    assert 'name="q"' in page
    assert "Course &lt;12&gt;" in page
    page = (await browser.go(PREFIX + "?q=c12")).text
    assert "1 of 12 courses." in page
    assert 'value="c12"' in page
    assert "Course &lt;12&gt;" in page
    assert "Course &lt;11&gt;" not in page
    assert "No course has" in (await browser.go(PREFIX + "?q=%3Cb%3E")).text


@pytest.mark.parametrize(
    ("user", "status"), [(STUDENT, 403), (GRADER, 403), (INSTRUCTOR, 200), (ADMIN, 200)]
)
async def test_instructors_choose_how_to_export_grades(site: Site, user: str, status: int) -> None:
    """The list of courses links to the form."""
    browser = await site.browser(user)
    page = await browser.go(PREFIX + "courses/course101/grades")
    assert page.status == status
    assert ("courses/course101/grades.csv" in page.text) == (status == 200)
    assert ("courses/course101/grades" in (await browser.go(PREFIX)).text) == (status == 200)
