"""``new-course``, with a fake Hub and real folders."""

import asyncio
import os
import pwd
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from common.errors import ConfigError
from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from services.formgrader_proxy.commands.new_course.command import new_course
from services.formgrader_proxy.commands.new_course.plan import Request, make_plan
from services.formgrader_proxy.courses_file.file import load_courses
from tests.fakes.hub import FakeHub
from tests.formgrader_proxy.program import environment
from tests.paths import ROOT

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners: run the tests as root")
#: With a comment and without a line break at the end.
COURSES = '# our courses\n[[course]]\nid = "old"   # keep\ndirectory = "/srv/old"'


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    path = tmp_path / "courses.toml"
    path.write_text(COURSES)
    path.chmod(0o640)
    return path


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with FakeHub() as hub:
        hub.scopes = ["admin:groups", "read:groups"]
        yield hub


async def run(
    courses: Path, hub: FakeHub | None, request: Request, *, dry_run: bool = False
) -> list[str]:
    """The lines that the command prints."""
    async with aiohttp.ClientSession() as session:
        client = HubClient(session, hub.api_url, hub.token, retry=NO_RETRY) if hub else None
        steps = new_course(courses, request, client, load_courses, dry_run=dry_run)
        return [str(step) async for step in steps]


def text_of(path: Path) -> str:
    return path.read_text()


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def write(path: Path, text: str) -> None:
    path.write_text(text)


def may_run_python(user: str) -> bool:
    """Whether another account can run this interpreter, which may be below /root."""
    try:
        command = [sys.executable, "-c", ""]
        return subprocess.run(command, user=user, group=user, check=False).returncode == 0
    except (OSError, LookupError, subprocess.SubprocessError):
        return False


async def outcomes(
    courses: Path, hub: FakeHub | None, request: Request, *, dry_run: bool = False
) -> dict[str, str]:
    """What happened to each part."""
    async with aiohttp.ClientSession() as session:
        client = HubClient(session, hub.api_url, hub.token, retry=NO_RETRY) if hub else None
        steps = new_course(courses, request, client, load_courses, dry_run=dry_run)
        return {step.what: step.outcome.value async for step in steps}


async def test_a_course_is_created_completely_and_once(
    courses: Path, hub: FakeHub, tmp_path: Path
) -> None:
    """The second run changes nothing. The courses file keeps its text, mode and a copy."""
    directory = tmp_path / "bio 1"
    request = Request("bio1", root=False, title='Bio "1" ä', directory=str(directory))
    parts = [
        f"folder {directory}",
        f"{directory}/source",
        f"{directory}/nbgrader_config.py",
        "group formgrade-bio1",
        "group nbgrader-bio1",
        f"entry in {courses}",
    ]
    assert await outcomes(courses, hub, request) == dict.fromkeys(parts, "created")
    text = text_of(courses)
    assert text.startswith(COURSES + "\n\n[[course]]\n")
    course = load_courses(text)["bio1"]
    assert (course.title, course.directory) == ('Bio "1" ä', directory)
    assert mode_of(courses) == 0o640
    assert text_of(courses.with_name("courses.toml.bak")) == COURSES
    assert sorted(hub.groups) == ["formgrade-bio1", "nbgrader-bio1"]
    config = (directory / "nbgrader_config.py").read_text()
    assert "course_id = 'bio1'" in config
    compile(config, "nbgrader_config.py", "exec")

    again = await outcomes(courses, hub, Request("bio1", root=False))
    assert again == dict.fromkeys(parts, "exists")
    assert text_of(courses) == text


async def test_a_dry_run_creates_nothing(courses: Path, hub: FakeHub, tmp_path: Path) -> None:
    """It says what it would create."""
    hub.groups["formgrade-bio1"] = {}
    request = Request("bio1", root=False, directory=str(tmp_path / "bio1"))
    found = await outcomes(courses, hub, request, dry_run=True)
    assert found.pop("group formgrade-bio1") == "exists"
    assert set(found.values()) == {"would create"}
    assert len(found) == 5
    assert os.listdir(tmp_path) == ["courses.toml"]
    assert list(hub.groups) == ["formgrade-bio1"]


async def test_a_dry_run_fails_where_a_run_would(courses: Path, tmp_path: Path) -> None:
    """The folder is created in an existing one, so that a typo creates no path."""
    request = Request("bio1", root=False, directory=str(tmp_path / "typo" / "bio1"))
    for dry_run in (True, False):
        found = await outcomes(courses, None, request, dry_run=dry_run)
        assert found[f"folder {tmp_path}/typo/bio1"] == "failed"
        assert os.listdir(tmp_path) == ["courses.toml"]


async def test_a_folder_that_a_table_covers_needs_no_entry(
    courses: Path, hub: FakeHub, tmp_path: Path
) -> None:
    """Its directory, groups and title come from that table."""
    write(courses, f'[[course]]\ndirectory = "{tmp_path}/{{id}}"\ngraders = ["staff-{{id}}"]\n')
    found = await outcomes(courses, hub, Request("bio1", root=False))
    assert found[f"entry in {courses}"] == "exists"
    assert found[f"folder {tmp_path}/bio1"] == "created"
    assert sorted(hub.groups) == ["nbgrader-bio1", "staff-bio1"]
    assert not courses.with_name("courses.toml.bak").exists()


async def test_existing_files_are_kept(courses: Path, hub: FakeHub, tmp_path: Path) -> None:
    """Not even a link in their place is followed."""
    directory = tmp_path / "bio1"
    directory.mkdir()
    (directory / "nbgrader_config.py").symlink_to(tmp_path / "elsewhere.py")
    request = Request("bio1", root=False, directory=str(directory))
    found = await outcomes(courses, hub, request)
    assert found[f"{directory}/nbgrader_config.py"] == "exists"
    assert not (tmp_path / "elsewhere.py").exists()


@pytest.mark.parametrize("scopes", [["read:groups"], None], ids=["no scope", "no Hub"])
async def test_what_the_hub_does_not_allow_is_reported(
    courses: Path, hub: FakeHub, tmp_path: Path, scopes: list[str] | None
) -> None:
    """With the missing scope; everything else is created."""
    hub.scopes = scopes or []
    request = Request("bio1", root=False, directory=str(tmp_path / "bio1"))
    lines = await run(courses, hub if scopes else None, request)
    failed = [line for line in lines if line.startswith("failed")]
    assert len(failed) == 2
    assert all("admin:groups" in line for line in failed)
    assert "bio1" in load_courses(text_of(courses))


async def test_nothing_is_served_without_its_folder(
    courses: Path, hub: FakeHub, tmp_path: Path
) -> None:
    """The entry is not written."""
    request = Request("bio1", root=False, directory=str(tmp_path / "missing" / "bio1"))
    found = await outcomes(courses, hub, request)
    assert found[f"entry in {courses}"] == "failed"
    assert text_of(courses) == COURSES


@needs_root
async def test_the_course_belongs_to_its_account(
    courses: Path, hub: FakeHub, tmp_path: Path
) -> None:
    """Also the files in it, which root does not create. A folder of another account is refused."""
    if not may_run_python("nobody"):
        pytest.skip("other accounts cannot run this Python")
    nobody = pwd.getpwnam("nobody").pw_uid
    directory = tmp_path / "bio1"
    request = Request("bio1", root=True, directory=str(directory), user="nobody")
    async with aiohttp.ClientSession() as session:
        client = HubClient(session, hub.api_url, hub.token, retry=NO_RETRY)

        def check(text: str) -> object:
            return load_courses(text, root=True)

        steps = [step async for step in new_course(courses, request, client, check, dry_run=False)]
        assert {step.what: step.outcome.value for step in steps}["account nobody"] == "exists"
        for path in (directory, directory / "source", directory / "nbgrader_config.py"):
            assert os.stat(path).st_uid == nobody
        assert load_courses(text_of(courses), root=True)["bio1"].user == "nobody"
        os.chown(directory, pwd.getpwnam("daemon").pw_uid, -1)
        steps = [step async for step in new_course(courses, request, client, check, dry_run=False)]
        assert any("does not belong to nobody" in step.why for step in steps)


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Request("a b", root=False), "ID: use letters"),
        (Request("api", root=False), "api is reserved"),
        (Request("bio", root=False), "use --directory=/srv/courses/bio"),
        (Request("bio", root=False, directory="bio"), "use an absolute path"),
        (Request("bio", root=False, directory="/x", user="x"), "only root can run"),
        (Request("bio", root=True, directory="/x", user="-x"), "is no name for an account"),
        (
            Request("bio", root=False, directory="/x", title="a\x7fb"),
            "--title: leave out line breaks",
        ),
        (Request("bio", root=False, directory="/x", title="a\udcffb"), "--title: leave out line"),
        (Request("bio", root=False, directory="/x\ny"), "--directory: leave out line breaks"),
        (Request("bio", root=False, directory="/x/{id}"), "--directory: use that of this course"),
        (Request("bio", root=False, directory="/srv/./old/"), "is already that of the course old"),
        (Request("old", root=False, title="New"), "--title: the courses file sets nothing"),
        (Request("old", root=False, directory="/x"), "--directory: the courses file sets /srv/old"),
    ],
)
def test_mistakes_are_reported_before_anything_is_created(request_: Request, problem: str) -> None:
    """With what to write."""
    with pytest.raises(ConfigError, match=problem.replace("(", r"\(")):
        make_plan(COURSES, request_)


def test_as_root_a_course_gets_its_own_account() -> None:
    """Its name follows from the id, in a form that useradd accepts."""
    plan = make_plan(COURSES, Request("stats101", root=True, directory="/srv/x"))
    assert plan.user == "grade-stats101"
    assert 'user = "grade-stats101"' in (plan.entry or "")


def test_similar_ids_have_different_accounts() -> None:
    """With one account, the courses could read each other's grades."""
    long = "introduction-to-statistics-"
    ids = ("stats-101", "Stats-101", "stats.101", "Stats.101", long + "a", long + "b")
    users = [make_plan("", Request(one, root=True, directory="/srv/x")).user or "" for one in ids]
    assert len(set(users)) == len(ids)
    assert all(re.fullmatch(r"grade-[a-z0-9_-]{1,26}", one) for one in users)


async def test_windows_line_breaks_stay(courses: Path, hub: FakeHub, tmp_path: Path) -> None:
    """The entry has them, too."""
    before = b"\xef\xbb\xbf" + COURSES.replace("\n", "\r\n").encode()
    await asyncio.to_thread(courses.write_bytes, before)
    request = Request("bio1", root=False, directory=str(tmp_path / "bio1"))
    assert set((await outcomes(courses, hub, request)).values()) == {"created"}
    after = await asyncio.to_thread(courses.read_bytes)
    assert after.startswith(before + b"\r\n\r\n[[course]]\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")
    assert text_of(courses.with_name("courses.toml.bak")) == text_of(courses)[: len(COURSES) + 1]
    assert load_courses(text_of(courses).removeprefix("\ufeff"))["bio1"].title == "bio1"


@pytest.mark.parametrize("title", [None, " "])
async def test_an_entry_that_does_not_fit_is_refused_before_anything_is_created(
    courses: Path, hub: FakeHub, tmp_path: Path, title: str | None
) -> None:
    """Such as after courses that are written as one list."""
    if title is None:
        write(courses, 'course = [{ id = "old", directory = "/srv/old" }]\n')
    request = Request("bio1", root=False, title=title, directory=str(tmp_path / "bio1"))
    for dry_run in (True, False):
        with pytest.raises(ConfigError, match=r"title|not TOML"):
            await run(courses, hub, request, dry_run=dry_run)
    assert os.listdir(tmp_path) == ["courses.toml"]
    assert not hub.groups


async def test_the_copy_does_not_follow_a_link(courses: Path, hub: FakeHub, tmp_path: Path) -> None:
    """Root would overwrite the file of another account."""
    other = tmp_path / "other"
    write(other, "mine")
    copy = courses.with_name("courses.toml.bak")
    copy.symlink_to(other)
    await run(courses, hub, Request("bio1", root=False, directory=str(tmp_path / "bio1")))
    assert (text_of(other), text_of(copy), copy.is_symlink()) == ("mine", COURSES, False)


@needs_root
async def test_no_course_is_run_by_root(courses: Path, hub: FakeHub, tmp_path: Path) -> None:
    """Nothing is created for it."""

    def check(text: str) -> object:
        return load_courses(text, root=True)

    request = Request("bio1", root=True, directory=str(tmp_path / "bio1"), user="root")
    for dry_run in (True, False):
        steps = [one async for one in new_course(courses, request, None, check, dry_run=dry_run)]
        assert any("root would run the course's code" in one.why for one in steps)
    assert os.listdir(tmp_path) == ["courses.toml"]
    assert text_of(courses) == COURSES


def test_the_program(courses: Path, tmp_path: Path) -> None:
    """A dry run without a Hub; invalid arguments are explained."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "services.formgrader_proxy", "new-course", "bio1"),
            *(f"--courses={courses}", f"--directory={tmp_path}/bio1", "--dry-run"),
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "would create" in done.stdout
    assert "JUPYTERHUB_API_TOKEN" in done.stdout
    assert "[[course]]" in done.stdout
    assert text_of(courses) == COURSES
