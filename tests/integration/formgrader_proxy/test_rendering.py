"""A course's own server, without the proxy, beside a bare formgrader: what each page contains."""

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nbformat
import pytest

pytest.importorskip("nbgrader")
from tests.formgrader_proxy.rendering.notebooks import PNG, code, display, markdown, notebook
from tests.integration.processes import free_port

BASE = "/services/formgrader/c1/"
SCRIPT = "<script>window.hostile=1</script>"
#: Ends the string in which nbgrader's scripts have a segment of the address.
SEGMENT = "%22%3Bwindow.hostile=1%3B%22"


class Answer(NamedTuple):
    status: int
    nonce: str | None
    text: str


class Server(NamedTuple):
    """A running formgrader, and its course."""

    url: str
    course: Path
    bare: bool

    def get(self, path: str, method: str = "GET") -> Answer:
        address = f"{self.url}formgrader/{path}"
        token = {"Authorization": "token t"}
        request = Request(address, method=method, headers=token)  # noqa: S310 - as below
        try:
            with urlopen(request, timeout=120) as answer:  # noqa: S310 - http, to 127.0.0.1
                return Answer(answer.status, answer.headers["Formgrader-Nonce"], _text(answer))
        except HTTPError as error:
            return Answer(error.code, error.headers["Formgrader-Nonce"], _text(error))


def _text(answer: object) -> str:
    return answer.read().decode()  # type: ignore[attr-defined,no-any-return]


def make_course(directory: Path) -> None:
    """A course as if it had been autograded. Only the widgets of the first student are broken."""
    from nbgrader.api import Gradebook

    config = "c = get_config()\nc.CourseDirectory.course_id = 'c1'\n"
    directory.mkdir()
    (directory / "nbgrader_config.py").write_text(config)
    broken: dict[str, Any] = {"application/vnd.jupyter.widget-state+json": {}}
    graded = markdown(f"The answer {SCRIPT}", "why")
    shown = code("show()", display({"text/html": SCRIPT}), display({"image/png": PNG}))
    with (
        warnings.catch_warnings(action="ignore"),
        Gradebook(f"sqlite:///{directory}/gradebook.db") as gradebook,
    ):
        gradebook.add_assignment("ps1")
        gradebook.add_notebook("sums", "ps1")
        gradebook.add_grade_cell("why", "sums", "ps1", max_score=3, cell_type="markdown")
        gradebook.add_solution_cell("why", "sums", "ps1")
        for student, metadata in (("ana", {"widgets": broken}), ("bob", {})):
            gradebook.add_student(student)
            gradebook.add_submission("ps1", student)
            folder = directory / "autograded" / student / "ps1"
            folder.mkdir(parents=True)
            nbformat.write(notebook(graded, shown, **metadata), folder / "sums.ipynb")  # type: ignore[no-untyped-call] # nbformat has few types


@contextmanager
def serving(directory: Path, *, bare: bool) -> Iterator[Server]:
    port = free_port()
    words = [sys.executable, "-I", "-m", "services.formgrader_proxy.upstream.server"]
    start = {"course_id": "c1", "base_url": BASE, "token": "t", "parent": os.getpid()}
    start |= {"address": "127.0.0.1", "port": port}
    if bare:
        words = [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *(f"--ServerApp.base_url={BASE}", "--IdentityProvider.token=t"),
            "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        ]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(
        words,
        cwd=directory,
        env=os.environ | {"HOME": str(directory.parent), "PATH": programs},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(start).encode())
        process.stdin.close()
        server = Server(f"http://127.0.0.1:{port}{BASE}", directory, bare)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError):
                server.get("api/status")
                break
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rendering") / "course"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", programs)  # nbgrader runs alembic by name
        make_course(directory)
    return directory


@pytest.fixture(scope="module")
def ours(course: Path) -> Iterator[Server]:
    with serving(course, bare=False) as server:
        yield server


@pytest.fixture(scope="module")
def bare(course: Path) -> Iterator[Server]:
    with serving(course, bare=True) as server:
        yield server


@pytest.fixture(scope="module")
def submission(ours: Server) -> str:
    """The id of the submission with broken widgets."""
    found = json.loads(ours.get("api/submitted_notebooks/ps1/sums").text)
    return str(next(one["id"] for one in found if one["student"] == "ana"))


@pytest.mark.attack("rendered-address")
@pytest.mark.parametrize(
    "page",
    [
        f"gradebook/{SEGMENT}",
        f"gradebook/ps1/{SEGMENT}",
        f"manage_submissions/{SEGMENT}",
        f"manage_students/{SEGMENT}",
        f"manage_students/ana/{SEGMENT}",
    ],
)
def test_an_address_is_text(bare: Server, ours: Server, page: str) -> None:
    """On a bare formgrader it ends a string and its rest is run."""
    for server in (bare, ours):
        answer = server.get(page)
        assert answer.status == 200
        assert ('= "";window.hostile=1;""' in answer.text) is server.bare
        assert ("\\u0022" in answer.text or '\\";window' in answer.text) is not server.bare


@pytest.mark.attack("rendered-metadata")
def test_widgets_without_a_state_end_a_bare_page(
    bare: Server, ours: Server, submission: str
) -> None:
    """Ours shows the answer with its score, and none of the scripts."""
    assert bare.get(f"submissions/{submission}/").status == 500
    answer = ours.get(f"submissions/{submission}/")
    assert answer.status == 200
    assert "The answer" in answer.text
    assert 'id="why"' in answer.text
    assert "window.hostile" not in answer.text


@pytest.mark.parametrize("page", ["gradebook", "manage_students", "submissions/{id}/", "nothing"])
def test_every_page_names_its_nonce(ours: Server, submission: str, page: str) -> None:
    """A new one each time, which all its scripts have; an error page has no scripts to run."""
    first, second = (ours.get(page.format(id=submission)) for _ in range(2))
    if page == "nothing":
        assert (first.status, first.nonce) == (404, "none")
        return
    assert first.nonce is not None
    assert first.nonce != second.nonce
    assert first.text.count("<script") == first.text.count(f'<script nonce="{first.nonce}"') > 5
    assert "cdn" not in first.text


def test_scripts_and_fonts_are_served(ours: Server) -> None:
    """Below the course's own path; nothing else of the package is."""
    for name in ("formgrader.js", "formgrader.css", "formulas.js"):
        assert ours.get(f"static/classroom/{name}").status == 200
    for name in ("../handlers.py", "%2e%2e/handlers.py"):
        assert ours.get(f"static/classroom/{name}").status in {403, 404}


def test_a_missing_submission_has_a_page(ours: Server, submission: str) -> None:
    """nbgrader's own page for it imports a template that is not there."""
    path = ours.course / "autograded" / "ana" / "ps1" / "sums.ipynb"
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        answer = ours.get(f"submissions/{submission}/")
    finally:
        hidden.rename(path)
    assert answer.status == 404
    assert answer.nonce not in {None, "none"}
    assert "Submission notebook file not found" in answer.text


@pytest.mark.attack("rendered-feedback")
def test_feedback_contains_no_scripts_of_the_submission(bare: Server, ours: Server) -> None:
    """It has the grade, the answer, and a policy that allows its own scripts only."""
    path = ours.course / "feedback" / "bob" / "ps1" / "sums.html"
    for server in (bare, ours):
        path.unlink(missing_ok=True)
        done = json.loads(server.get("api/assignment/ps1/bob/generate_feedback", "POST").text)
        assert done["success"], done
        html = path.read_text("utf-8")
        assert (SCRIPT in html) is server.bare
        if not server.bare:
            assert "The answer" in html
            assert "Score: 0.0 / 3.0" in html
            assert html.index("Content-Security-Policy") < html.index("<script")
            assert "'unsafe-inline'" not in html.partition("script-src")[2].partition(";")[0]
