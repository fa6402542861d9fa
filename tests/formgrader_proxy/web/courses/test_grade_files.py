"""The export of grades through the service, with a real formgrader and a real gradebook."""

import asyncio
import csv
import dataclasses
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.formgrader_proxy.access import Mode
from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.upstream.endpoint import Work
from services.formgrader_proxy.web.courses import grade_files
from tests.fakes.oauth import Answer, Browser
from tests.formgrader_proxy.program import environment
from tests.formgrader_proxy.site import COURSE, GRADER, INSTRUCTOR, PREFIX, Site, formgrader_site

pytest.importorskip("nbgrader")

from tests.formgrader_proxy.gradebook.grades.sample_course import sample
from tests.paths import ROOT

FILE = PREFIX + "courses/course101/grades.csv"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with every kind of submission."""
    directory = tmp_path_factory.mktemp("grades")
    sample(directory)
    (directory / "nbgrader_config.py").write_text("print('ignored')\nc = get_config()\n")
    return directory


@pytest.fixture
async def site(tmp_path: Path, course: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as site:
        text = f'[[course]]\nid = "course101"\ntitle = "Sums"\ndirectory = "{course}"\n'
        await site.formgraders.replace(load_courses(text + 'instructors = ["instructors"]\n'))
        yield site


async def download(browser: Browser, query: str = "") -> Answer:
    async with asyncio.timeout(120):
        return await browser.go(FILE + query)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


async def test_an_instructor_downloads_the_grades(site: Site) -> None:
    """In each format. The formgrader starts if necessary, and the audit log has every export."""
    browser = await site.browser(INSTRUCTOR)
    answer = await download(browser)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="grades-course101-csv.csv"' in answer.headers["Content-Disposition"]
    header, *found = rows(answer.text)
    assert len(found) == 14
    scores = {(row[3], row[0]): row[header.index("score")] for row in found}
    assert scores["ana", "ps1"] == "9.5"
    assert scores["zoe", "ps1"] == ""

    canvas = rows((await download(browser, "?format=canvas&missing=zero")).text)
    assert canvas[1][5:] == ["8", "8"]
    assert [row[5:] for row in canvas if row[3] == "ben"] == [["6.5", "0"]]
    moodle = rows((await download(browser, "?format=moodle&assignment=ps2")).text)
    assert moodle[0][-1] == "ps2"

    changes = await site.audit.newest("course101")
    assert [(one.action, one.path, one.user, one.status) for one in changes] == [
        ("export", "grades.csv?format=moodle&assignment=ps2", INSTRUCTOR, 200),
        ("export", "grades.csv?format=canvas&missing=zero", INSTRUCTOR, 200),
        ("export", "grades.csv", INSTRUCTOR, 200),
    ]


async def test_the_course_list_shows_what_is_left_to_grade(site: Site) -> None:
    """As of the last time that the formgrader ran; the list does not start it."""
    browser = await site.browser(INSTRUCTOR)
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    await formgrader.until_ready(Work.PAGES, 60)
    page = (await browser.go(PREFIX)).text
    assert "3 to autograde" in page
    assert "1 to grade by hand" in page
    await formgrader.interrupt(await formgrader.until_ready(Work.PAGES, 60))  # type: ignore[arg-type]
    site.clock.advance(600)
    page = (await browser.go(PREFIX)).text
    assert "3 to autograde" in page
    assert "as of" in page
    assert "10 min ago" in page
    assert formgrader.state == "stopped"


async def test_a_broken_course_is_named_without_waiting(site: Site, tmp_path: Path) -> None:
    """The reason that its pages show, long before a start would be given up."""
    text = f'[[course]]\nid = "course101"\ndirectory = "{tmp_path}/lost"\n'
    await site.formgraders.replace(load_courses(text))
    browser = await site.browser(GRADER)  # an instructor, because the course names none
    async with asyncio.timeout(grade_files.START_SECONDS / 2):
        answer = await browser.go(FILE)
    assert answer.status == 503
    assert f"{tmp_path}/lost does not exist" in answer.text


async def test_others_get_no_grades(site: Site) -> None:
    """Neither a grader nor a user without a session, and nobody for an unknown course."""
    assert (await (await site.browser(GRADER)).go(FILE)).status == 403
    answer = await (await site.browser(INSTRUCTOR)).go(PREFIX + "courses/other/grades.csv")
    assert answer.status == 403
    assert (await (await site.browser()).fetch(FILE)).status in {302, 401}
    assert await site.audit.newest("course101") == []


async def test_mistakes_are_explained(site: Site) -> None:
    """Unknown options and assignments name what there is."""
    browser = await site.browser(INSTRUCTOR)
    answer = await download(browser, "?format=xls")
    assert (answer.status, "csv, moodle or canvas" in answer.text) == (400, True)
    answer = await download(browser, "?assignment=ps9")
    assert (answer.status, "ps1, ps2" in answer.text) == (404, True)


@pytest.mark.parametrize("mode", ["listed", "full"])
async def test_browsers_do_not_reach_the_formgraders_own_endpoint(site: Site, mode: str) -> None:
    """It answers the service only, in full mode, too."""
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    course = dataclasses.replace(formgrader.course, mode=Mode(mode))
    await site.formgraders.replace({"course101": course})
    browser = await site.browser(INSTRUCTOR)
    assert (await browser.go(COURSE + "formgrader/api/classroom/grades")).status == 404


async def test_names_that_are_no_text_do_not_stop_the_export(tmp_path: Path) -> None:
    """Such as after unpacking an archive with names in Latin-1."""
    course = tmp_path / "course"
    await asyncio.to_thread(sample_with_latin_1, course)
    async with formgrader_site(tmp_path) as site:
        text = f'[[course]]\nid = "course101"\ndirectory = "{course}"\n'
        await site.formgraders.replace(load_courses(text + 'instructors = ["instructors"]\n'))
        browser = await site.browser(INSTRUCTOR)
        answer = await download(browser)
        assert answer.status == 200, answer.text
        assert {row[3] for row in rows(answer.text)} >= {"ana", r"J\udcfcrgen"}
        page = (await browser.go(PREFIX)).text
        assert "4 to autograde" in page


def sample_with_latin_1(course: Path) -> None:
    course.mkdir()
    sample(course)
    for place in (b"submitted/J\xfcrgen/ps1", b"source/\xdcbung"):
        os.makedirs(os.path.join(os.fsencode(course), place))


def test_the_command_prints_the_grades(course: Path, tmp_path: Path) -> None:
    """The same as the download; nothing that the course's configuration prints."""
    file = tmp_path / "courses.toml"
    file.write_text(f'[[course]]\nid = "course101"\ndirectory = "{course}"\n')

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "services.formgrader_proxy", "grades", *words],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = run("course101", f"--courses={file}", "--format=moodle", "--unfinished=score")
    assert done.returncode == 0, done.stderr
    header, *found = rows(done.stdout)
    assert header[:5] == ["First name", "Last name", "Username", "ID number", "Email address"]
    assert {row[2]: row[5] for row in found}["chloé"] == "0"
    done = run("corse101", f"--courses={file}", "--format=xls")
    assert done.returncode == 1
    assert 'did you mean "course101"?' in done.stderr
    done = run("course101", f"--courses={file}", "--format=xls")
    assert "format: use csv, moodle or canvas" in done.stderr
