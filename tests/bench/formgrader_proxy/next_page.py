"""From "next" to the page of the next submission, in a real formgrader of a whole class.

Both formgraders serve copies of one course. A request follows the redirect to the page, as the
browser does. Only the formgraders' processes are measured, without the proxy and the browser.
"""

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.formgrader_proxy.autograde import BARE, start
from tests.bench.formgrader_proxy.class_course import ASSIGNMENT, COURSE, NOTEBOOK
from tests.bench.measure import BenchError, Sample, cpu_seconds, peak_mb
from tests.bench.report import Table
from tests.integration.autograding.formgrader import Formgrader, formgrader
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

OURS, AGAIN = "services.formgrader_proxy", "services.formgrader_proxy, seen before"
STUDENTS = (220, 1_100)
#: Seconds from the request to the end of the page, the issue's target.
MOST_SECONDS = 0.3


@dataclass
class Grader:
    """Goes from one submission to the next."""

    formgrader: Formgrader
    submissions: Sequence[str]
    place: int = 0

    def following(self) -> Sample:
        """Measure one "next".

        :raises BenchError: the response is not the page of the next submission
        """
        at, expected = self.submissions[self.place : self.place + 2]
        pid = self.formgrader.process.pid
        cpu, begun = cpu_seconds(pid), time.perf_counter()
        status, body = self.formgrader.request("GET", f"formgrader/submissions/{at}/next?index=0")
        wall = time.perf_counter() - begun
        if status != 200 or f'submission_id = "{expected}"'.encode() not in body:
            raise BenchError(f"next after {at} has status {status}, not the page of {expected}")
        self.place += 1
        return Sample(wall=wall, cpu=cpu_seconds(pid) - cpu, peak_mb=peak_mb(pid))


def next_pages(repeats: int) -> list[Table]:
    """Measure four "next" of each contender per repeat, in turns."""
    return [_of_class(students, repeats * 4) for students in STUDENTS]


def _of_class(students: int, steps: int) -> Table:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        course = large_course(Path(directory) / "ours" / "course", students)
        copy = Path(directory) / "bare" / "course"
        shutil.copytree(course, copy, copy_function=_linked)
        running = {
            BARE: stack.enter_context(start(BARE, copy)),
            OURS: stack.enter_context(formgrader(course, None)),
        }
        submissions = submissions_of(running[OURS])  # takes a bare formgrader many seconds
        graders = {name: Grader(one, submissions) for name, one in running.items()}
        for grader in graders.values():
            grader.following()  # loads the templates
        graders[AGAIN] = Grader(running[OURS], submissions, 1)
        samples: dict[str, list[Sample]] = {name: [] for name in graders}
        for _ in range(min(steps, students - 2)):
            for name, grader in graders.items():
                samples[name].append(grader.following())
    table = Table(
        f"formgrader-next-{students}",
        f"From “next” to the next submission, {students:,} students",
        samples,
        BARE,
        benchmark="formgrader-next",
    )
    slowest = statistics.quantiles((sample.wall for sample in samples[OURS]), n=20)[-1]
    verdict = "Met" if slowest <= MOST_SECONDS else "MISSED"
    table.notes = [
        f"{verdict}: {OURS} takes at most {slowest:.3f} s in 95 of 100 cases, target"
        f" {MOST_SECONDS} s.",
        "Notebooks have 30 cells, six of them graded and different for each student.",
    ]
    return table


def _linked(source: str, target: str) -> None:
    """Share the notebooks, which are only read, but not the gradebook: ours adds indexes to it."""
    if source.endswith(".ipynb"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def large_course(directory: Path, students: int) -> Path:
    """A course with this many students, ten assignments and 60 grades of each student."""
    return course_by_nbgrader(
        directory, str(students), module="tests.bench.formgrader_proxy.class_course"
    )


def submissions_of(formgrader: Formgrader) -> list[str]:
    """The ids of all submissions in the order of "next".

    :raises BenchError: they cannot be listed
    """
    path = f"formgrader/api/submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}"
    status, body = formgrader.request("GET", path)
    if status != 200:
        raise BenchError(f"the submissions of {COURSE} have status {status}")
    return sorted(item["id"] for item in json.loads(body))
