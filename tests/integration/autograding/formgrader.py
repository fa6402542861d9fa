"""A real formgrader of a course that nbgrader made, with submissions whose code a test chooses."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.integration.autograding import notebooks
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK
from tests.integration.processes import free_port

TOKEN = "the-formgraders-own-token"
ANSWER = "def total(numbers):\n    return sum(numbers)"
#: Seconds for one request. Autograding takes a few.
TIMEOUT = 120


@dataclass
class Course:
    """The course's directory."""

    path: Path

    def submitted(self, student: str) -> Path:
        """The folder of a submission."""
        return self.path / "submitted" / student / ASSIGNMENT

    def autograded(self, student: str) -> Path:
        """The folder of an autograded submission."""
        return self.path / "autograded" / student / ASSIGNMENT

    def submit(self, student: str, *cells: str, answer: str = ANSWER) -> Path:
        """A submission with a correct answer, and more code cells before it."""
        folder = self.submitted(student)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.path / "release" / ASSIGNMENT, folder)
        notebook = notebooks.read(folder / f"{NOTEBOOK}.ipynb")
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "total":
                cell.source = answer
        notebook.cells[1:1] = [notebooks.code_cell(source) for source in cells]
        notebooks.write(notebook, folder / f"{NOTEBOOK}.ipynb")
        (folder / "timestamp.txt").write_text("2026-01-15 12:00:00 UTC")
        return folder

    def notebook(self, student: str) -> Any:
        """The autograded notebook, which is valid."""
        return notebooks.read(self.autograded(student) / f"{NOTEBOOK}.ipynb")

    def scores(self) -> dict[str, float]:
        """The automatic scores of all students, from the gradebook."""
        query = (
            "select sa.student_id, sum(g.auto_score) from grade g"
            " join submitted_notebook sn on g.notebook_id = sn.id"
            " join submitted_assignment sa on sn.assignment_id = sa.id group by sa.student_id"
        )
        with sqlite3.connect(self.path / "gradebook.db") as database:
            return dict(database.execute(query).fetchall())


@dataclass
class Formgrader:
    """A running formgrader of a course."""

    url: str
    course: Course
    process: "subprocess.Popen[bytes]"

    def request(self, method: str, path: str, **headers: str) -> tuple[int, bytes]:
        """The status and the body of a response."""
        headers |= {"Authorization": f"token {TOKEN}"}
        request = Request(f"{self.url}{path}", method=method, headers=headers)  # noqa: S310
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def action(self, path: str) -> dict[str, Any]:
        """The result of an action of nbgrader's API: "success", "log" and "error"."""
        status, body = self.request("POST", f"formgrader/api/{path}")
        assert status == 200, body
        result: dict[str, Any] = json.loads(body)
        return result

    def autograde(self, student: str) -> dict[str, Any]:
        """Autograde a submission."""
        return self.action(f"submission/{ASSIGNMENT}/{student}/autograde")

    def notebook_id(self, student: str) -> str:
        """The id of the page of a student's notebook."""
        path = f"formgrader/api/submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}"
        items = json.loads(self.request("GET", path)[1])
        return str(next(item["id"] for item in items if item["student"] == student))


def copy_of(course: Path, folder: Path) -> Path:
    """A copy of the course that a test may change, with its own exchange."""
    copy = folder / "course"
    shutil.copytree(course, copy)
    config = copy / "nbgrader_config.py"
    config.write_text(config.read_text().replace(str(course), str(copy)))
    return copy


def nbgrader(course: Course, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of nbgrader in the course's directory, as in a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course.path,
        env=environment(course.path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def environment(course: Path) -> dict[str, str]:
    """The environment of the course's account. nbgrader runs alembic by name."""
    home = course.parent / "home"
    home.mkdir(exist_ok=True)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"PATH": programs, "HOME": str(home), "LANG": "C.UTF-8"}


@contextmanager
def formgrader(course: Path, autograding: dict[str, Any] | None) -> Iterator[Formgrader]:
    """The formgrader, as in a container: on a port of this machine. None: without settings."""
    base, port = "/services/formgrader/c/", free_port()
    start = {
        "course_id": "course101",
        "base_url": base,
        "address": "127.0.0.1",
        "port": port,
        "exchange": str(course / "exchange"),
        "token": TOKEN,
        "parent": os.getpid(),
        "autograding": autograding,
    }
    with (course.parent / "formgrader.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "services.formgrader_proxy.upstream.server"],
            cwd=course,
            env=environment(course),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(start).encode())
    process.stdin.close()
    running = Formgrader(f"http://127.0.0.1:{port}{base}", Course(course), process)
    try:
        until_it_serves(running, course.parent / "formgrader.log")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_it_serves(running: Formgrader, log: Path) -> None:
    """Wait for the first response. :raises AssertionError: there is none within a minute"""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            if running.request("GET", "formgrader/api/status")[0] == 200:
                return
        except URLError:
            time.sleep(0.1)
    raise AssertionError(f"the formgrader does not serve:\n{log.read_text()}")
