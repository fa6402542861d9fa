"""The data requests of the formgrader's pages for a class, of nbgrader and of this project.

Two servers serve the same folders, each with its own copy of the gradebook: nbgrader's own
formgrader and the process that this service starts. Requests go over HTTP, by turns. CPU time is
that of the server's process; PostgreSQL's is not included.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench.measure import BenchError, Sample, cpu_seconds, peak_mb, python
from tests.bench.report import Table
from tests.formgrader_proxy.gradebook.serving import (
    BASE,
    TOKEN,
    Served,
    formgrader_process,
    free_port,
    running,
)

BARE, OURS = "nbgrader", "services.formgrader_proxy"
MOST_SECONDS = {220: 0.25, 1_100: 1.0}
"""What each request may take, by the number of students."""
LEAST_TIMES = 20.0
"""How many times less the submissions of an assignment take than with nbgrader, of 1,100."""
SLOW_SECONDS = 10.0
"""A request that takes longer is measured once."""
REQUESTS = {
    "submissions": "api/submissions/ps1",
    "submitted_notebooks": "api/submitted_notebooks/ps1/sums",
    "student_submissions": "api/student_submissions/student0001",
    "assignments": "api/assignments",
    "students": "api/students",
    "student": "api/student/student0001",
    "assignment": "api/assignment/ps1",
    "notebooks": "api/notebooks/ps1",
    "submission": "api/submission/ps1/student0001",
    "student_notebook_submissions": "api/student_notebook_submissions/student0001/ps1",
    "grades": "api/grades?submission_id={notebook}",
    "next": "submissions/{notebook}/next",
    "next_incorrect": "submissions/{notebook}/next_incorrect",
}


class _Pairs(Table):
    """Ratios compare each request with nbgrader's."""

    def ratio(self, contender: str, quantity: str = "wall") -> float | None:
        """Return the ratio to the same request of nbgrader, or None without one."""
        peer = f"{contender.partition(',')[0]}, {BARE}"
        if peer not in self.samples:
            return None
        ours, theirs = self.spread(contender, quantity), self.spread(peer, quantity)
        return ours.median / theirs.median if ours and theirs and theirs.median else None


def _ask(server: Served, path: str) -> tuple[Sample, Any]:
    """The cost of a request, and its answer."""
    wall, cpu = time.perf_counter(), cpu_seconds(server.pid)
    answer = server.send(path)
    wall, cpu = time.perf_counter() - wall, cpu_seconds(server.pid) - cpu
    if answer.status not in {200, 302}:
        raise BenchError(f"{path}: status {answer.status}")
    return Sample(wall=wall, cpu=cpu, peak_mb=peak_mb(server.pid)), answer.body


def data(students: int, name: str, repeats: int) -> list[Table]:
    """Measure all requests with both kinds of database."""
    from tests.bench.formgrader_proxy.class_course import make_folders

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-data-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user
        course = folder / "course"
        make_folders(course, students)
        tables = []
        for kind, urls in stack.enter_context(_databases(folder)).items():
            tables.append(_table(students, name, kind, _measure(course, urls, students, repeats)))
        return tables


@contextmanager
def _databases(folder: Path) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """The addresses of empty gradebooks by kind of database and contender."""
    from tests.fakes.postgres import temporary_postgres

    sqlite = {name: f"sqlite:///{folder / name}.db" for name in (BARE, OURS)}
    with temporary_postgres() as server:
        found = {"SQLite": sqlite}
        if server is not None:
            found["PostgreSQL"] = {
                name: server.database().replace("postgresql:", "postgresql+psycopg2:", 1)
                for name in (BARE, OURS)
            }
        yield found


def _measure(
    course: Path, urls: Mapping[str, str], students: int, repeats: int
) -> dict[str, list[Sample]]:
    from tests.bench.formgrader_proxy.class_course import make_gradebook

    samples: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        for url in urls.values():
            make_gradebook(url, students)
        servers = {
            BARE: stack.enter_context(_bare(course, urls[BARE])),
            OURS: stack.enter_context(
                formgrader_process(course, urls[OURS], course.parent / "ours.log")
            ),
        }
        for server in servers.values():
            _ask(server, "api/status")
        _, notebooks = _ask(servers[OURS], REQUESTS["submitted_notebooks"])
        notebook = notebooks[len(notebooks) // 2]["id"]
        for _ in range(repeats):
            for request, path in REQUESTS.items():
                bodies = []
                for name, server in servers.items():
                    done = samples.setdefault(f"{request}, {name}", [])
                    if done and done[0].wall > SLOW_SECONDS:
                        continue
                    sample, body = _ask(server, path.format(notebook=notebook))
                    done.append(sample)
                    bodies.append(body)
                if bodies[0] != bodies[-1]:
                    raise BenchError(f"{path}: the answers differ")
    return samples


def _table(students: int, name: str, kind: str, samples: dict[str, list[Sample]]) -> Table:
    table = _Pairs(
        f"{name}-{kind.lower()}",
        f"Data requests with {students:,} students and 10 assignments, {kind}",
        samples,
        BARE,
        benchmark=name,
        notes=["Both serve the same folders; each has its own copy of the gradebook."],
    )
    most = MOST_SECONDS[students]
    for quantity in ("wall", "cpu"):
        worst = max(
            (spread.median, contender)
            for contender in samples
            if contender.endswith(OURS) and (spread := table.spread(contender, quantity))
        )
        table.notes.append(
            f"{'Met' if worst[0] <= most else 'MISSED'}: the slowest request, {worst[1]}, takes"
            f" {worst[0]:.2f} s ({quantity}), target at most {most} s."
        )
    ratio = table.ratio(f"submissions, {OURS}")
    if ratio:
        least = f", target {LEAST_TIMES:.0f}" if students == max(MOST_SECONDS) else ""
        verdict = "Met" if not least or 1 / ratio >= LEAST_TIMES else "MISSED"
        times = f"{1 / ratio:.0f} times less"
        table.notes.append(
            f"{verdict}: the request submissions takes {times} than with {BARE}{least}."
        )
    return table


@contextmanager
def _bare(course: Path, url: str) -> Iterator[Served]:
    port = free_port()
    command = python(
        *("-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={course}", f"--ServerApp.base_url={BASE}"),
        f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        *(f"--CourseDirectory.root={course}", f"--CourseDirectory.db_url={url}"),
    )
    with running(command, course, port, course.parent / "bare.log") as served:
        yield served
