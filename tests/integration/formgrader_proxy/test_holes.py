"""nbgrader's vulnerabilities: each open on a bare formgrader, and closed behind the proxy.

A bare formgrader is how a course is served without the proxy: a Jupyter server with nbgrader's
extension. A student's submission contains what each attack needs.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import nbformat
import pytest
from nbformat.v4 import new_code_cell
from yarl import URL

from tests.fakes.oauth import xsrf_in
from tests.integration.conftest import needs_proxy
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK
from tests.integration.formgrader_proxy.hub import (
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    course_by_nbgrader,
    formgrader_hub,
)
from tests.integration.processes import free_port
from tests.integration.realhub import RealHub

PAGE = {
    "Accept": "text/html",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}
SECRET = "the-hubs-own-secret"
#: A configuration file submitted by a student. nbgrader executes it in its own process.
SETTINGS = "import pathlib; pathlib.Path({mark!r}).write_text('ran')\n"
#: Code submitted by a student. It reads its own environment and that of its parent process.
THEFT = """
import os, pathlib
seen = pathlib.Path(f"/proc/{{os.getppid()}}/environ").read_bytes()
pathlib.Path({stolen!r}).write_bytes(seen + repr(dict(os.environ)).encode())
"""


@dataclass
class Formgrader:
    """A formgrader, and a session for requests to it."""

    url: str
    session: aiohttp.ClientSession
    course: Path
    bare: bool

    async def get(self, path: str) -> tuple[int, bytes, str]:
        """The status, body and content security policy of a path of the course."""
        async with self.session.get(URL(self.url + path, encoded=True), headers=PAGE) as answer:
            policy = answer.headers.get("Content-Security-Policy", "")
            return answer.status, await answer.read(), policy

    async def hostile(self) -> str:
        """The id of the hostile student's notebook."""
        path = f"formgrader/api/submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}"
        async with self.session.get(self.url + path, headers=PAGE) as answer:
            items = await answer.json(content_type=None)
        return str(next(item["id"] for item in items if item["student"] == "mallory"))


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same course twice: for the bare formgrader and for the one behind the proxy."""
    needs_proxy()
    bare = course_by_nbgrader(tmp_path_factory.mktemp("bare") / "course")
    ours = tmp_path_factory.mktemp("ours") / "course"
    shutil.copytree(bare, ours)
    (ours.parent / "home").mkdir()
    for course in (bare, ours):
        config = course / "nbgrader_config.py"
        config.write_text(config.read_text().replace(str(bare), str(course)))
        sent = course / "submitted" / "mallory" / ASSIGNMENT
        (sent / "nbgrader_config.py").write_text(SETTINGS.format(mark=str(course / "executed")))
    return bare, ours


@pytest.fixture(scope="module")
def bare_server(courses: tuple[Path, Path]) -> Iterator[str]:
    """A Jupyter server with the formgrader, as its documentation has it, and a hub's secret."""
    course, port = courses[0], free_port()
    home = course.parent / "home"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={course}"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token=bare"),
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        f"--CourseDirectory.root={course}",
    ]
    process = subprocess.Popen(
        command,
        cwd=course,
        env=os.environ | {"HOME": str(home), "PATH": programs, "JUPYTERHUB_API_TOKEN": SECRET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def hub(courses: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """The hub with the proxy before the other copy."""
    with formgrader_hub(tmp_path_factory.mktemp("holes-hub"), courses[1]) as hub:
        yield hub


async def until_it_serves(formgrader: Formgrader) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(aiohttp.ClientError):
            if (await formgrader.get("formgrader/gradebook"))[0] == 200:
                return
    raise AssertionError("the formgrader does not serve")


@pytest.fixture
async def bare(bare_server: str, courses: tuple[Path, Path]) -> AsyncIterator[Formgrader]:
    async with aiohttp.ClientSession(headers={"Authorization": "token bare"}) as session:
        formgrader = Formgrader(bare_server, session, courses[0], bare=True)
        await until_it_serves(formgrader)
        yield formgrader


@pytest.fixture
async def ours(hub: RealHub, courses: tuple[Path, Path]) -> AsyncIterator[Formgrader]:
    """The formgrader behind the proxy, as a grader sees it."""
    async with behind_the_proxy(hub, GRADER, courses[1]) as formgrader:
        yield formgrader


@asynccontextmanager
async def behind_the_proxy(hub: RealHub, user: str, course: Path) -> AsyncIterator[Formgrader]:
    async with hub.login(user) as session:
        formgrader = Formgrader(hub.url + PREFIX, session, course, bare=False)
        await until_it_serves(formgrader)
        _, page, _ = await formgrader.get("formgrader/gradebook")
        session.headers["X-CSRFToken"] = xsrf_in(page.decode())
        yield formgrader


async def test_a_page_executes_a_students_settings(bare: Formgrader, ours: Formgrader) -> None:
    """?path= makes nbgrader run a submitted nbgrader_config.py in its own process."""
    for formgrader in (bare, ours):
        sent = f"submitted/mallory/{ASSIGNMENT}"
        status, _, _ = await formgrader.get(f"formgrader?path={sent}")
        executed = formgrader.course / "executed"
        assert executed.exists() is formgrader.bare
        executed.unlink(missing_ok=True)
        assert status == (200 if formgrader.bare else 400)
    await bare.get("formgrader")  # which restores its settings


@pytest.mark.parametrize(
    "path",
    [
        "files/gradebook.db",
        "formgrader/submissions/{id}/../../../gradebook.db",
        "formgrader/submissions/{id}/..%2f..%2f..%2fgradebook.db",
    ],
)
async def test_the_gradebook_can_be_downloaded(
    bare: Formgrader, ours: Formgrader, path: str
) -> None:
    """As a file of the server, and by path traversal from a submission."""
    for formgrader in (bare, ours):
        address = path.format(id=await formgrader.hostile())
        _, body, _ = await formgrader.get(address)
        assert body.startswith(b"SQLite format 3") is formgrader.bare


@pytest.mark.parametrize("path", ["api/contents", "api/kernels", "api/sessions", "api/terminals"])
async def test_the_whole_jupyter_server_is_there(
    bare: Formgrader, ours: Formgrader, path: str
) -> None:
    """Contents, kernels and terminals: a shell for every grader."""
    assert (await bare.get(path))[0] == 200
    assert (await ours.get(path))[0] == 404


async def test_scripts_of_a_notebook_are_on_the_page(bare: Formgrader, ours: Formgrader) -> None:
    """In a student's Markdown and outputs; the answer itself is shown either way."""
    for formgrader in (bare, ours):
        _, body, _ = await formgrader.get(f"formgrader/submissions/{await formgrader.hostile()}/")
        assert (b"<script>window.hostile" in body) is formgrader.bare
        assert b"Because of the sum." in body


@pytest.mark.parametrize("name", ["evil.html", "plot.svg"])
async def test_scripts_of_an_attachment_run(bare: Formgrader, ours: Formgrader, name: str) -> None:
    """With the grader's origin and cookies."""
    for formgrader in (bare, ours):
        address = f"formgrader/submissions/{await formgrader.hostile()}/{name}"
        status, body, policy = await formgrader.get(address)
        assert status == 200
        assert b"window.hostile" in body
        assert policy.startswith("sandbox;") is not formgrader.bare


async def test_students_code_reads_the_servers_environment(
    hub: RealHub, bare: Formgrader, ours: Formgrader
) -> None:
    """Autograding runs it in a child of the server, where it finds the Hub's token.

    The sandbox hides the environment, and the course's folder to write it to.
    """
    for formgrader in (bare, ours):
        sent = formgrader.course / "submitted" / "mallory" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
        notebook = nbformat.read(sent, as_version=4)  # type: ignore[no-untyped-call] # nbformat has few types
        cell = new_code_cell(THEFT.format(stolen=str(formgrader.course / "stolen")))  # type: ignore[no-untyped-call] # nbformat has few types
        notebook.cells.insert(0, cell)
        nbformat.write(notebook, sent)  # type: ignore[no-untyped-call] # nbformat has few types
    await autograde(bare)
    assert SECRET.encode() in (bare.course / "stolen").read_bytes()
    async with behind_the_proxy(hub, INSTRUCTOR, ours.course) as instructor:
        await autograde(instructor)
    assert not (ours.course / "stolen").exists()


async def autograde(formgrader: Formgrader) -> None:
    path = f"formgrader/api/submission/{ASSIGNMENT}/mallory/autograde"
    async with formgrader.session.post(formgrader.url + path) as answer:
        assert (await answer.json(content_type=None))["success"]


async def test_nothing_records_who_graded(hub: RealHub, bare: Formgrader, ours: Formgrader) -> None:
    """The gradebook has no column for it; the proxy's audit log has the name."""
    with sqlite3.connect(bare.course / "gradebook.db") as database:
        rows = database.execute("select name from pragma_table_info('grade')").fetchall()
    columns = " ".join(row[0] for row in rows)
    assert not any(word in columns for word in ("user", "grader", "author"))
    flag = f"formgrader/api/submitted_notebook/{await ours.hostile()}/flag"
    async with ours.session.post(ours.url + flag) as answer:
        assert answer.status == 200
    async with behind_the_proxy(hub, INSTRUCTOR, ours.course) as instructor:
        address = hub.url + f"services/formgrader/audit/{COURSE}.csv"
        async with instructor.session.get(address, headers=PAGE) as answer:
            assert f",{GRADER},grader,flag,{flag}," in await answer.text()
