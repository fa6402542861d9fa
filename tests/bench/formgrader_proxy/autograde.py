"""What a sandbox adds to the autograding of a submission, in a real formgrader."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.sandbox.settings import Mechanism, SandboxSettings
from tests.bench.measure import BenchError, Sample, cpu_seconds, peak_mb
from tests.bench.report import Table
from tests.integration.autograding.formgrader import (
    TOKEN,
    Course,
    Formgrader,
    copy_of,
    environment,
    formgrader,
    until_it_serves,
)
from tests.integration.formgrader_proxy.hub import course_by_nbgrader
from tests.integration.processes import free_port

SUBMISSIONS = 20
#: Seconds that a sandbox may add to a notebook.
MOST_SECONDS = 0.3
BARE = "nbgrader alone"


def autograde(repeats: int) -> list[Table]:
    """Autograde each submission with every contender in turn, ``repeats`` times."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        new = course_by_nbgrader(Path(directory) / "new" / "course")
        contenders = {
            name: stack.enter_context(start(name, copy_of(new, Path(directory) / name)))
            for name in (BARE, *(str(one) for one in Mechanism if available().usable(one)))
        }
        students = [f"student{number}" for number in range(SUBMISSIONS)]
        samples: dict[str, list[Sample]] = {name: [] for name in contenders}
        for running in contenders.values():
            for student in students:
                running.course.submit(student)
            measured(running, students[0])  # imports what the first run needs
        for _ in range(repeats):
            for student in students:
                for name, running in contenders.items():
                    samples[name].append(measured(running, student))
    title = f"Autograding {SUBMISSIONS} submissions of one notebook, each on its own"
    notes = [verdict(name, samples) for name in samples if name != BARE]
    return [Table("formgrader-autograde", title, samples, BARE, notes=notes)]


def verdict(name: str, samples: Mapping[str, Sequence[Sample]]) -> str:
    """A sentence with the seconds that a contender adds: the median of all turns."""
    pairs = zip(samples[name], samples[BARE], strict=True)
    added = statistics.median(ours.wall - bare.wall for ours, bare in pairs)
    if name == Mechanism.NONE:
        return f"Without a sandbox, our checks add {added:.3f} s to a notebook."
    met = "Met" if added <= MOST_SECONDS else "MISSED"
    return f"{met}: {name} adds {added:.3f} s to a notebook, target {MOST_SECONDS} s."


def measured(running: Formgrader, student: str) -> Sample:
    """The time from the request to the response, and the cost in the formgrader's process.

    :raises BenchError: the submission was not graded
    """
    pid = running.process.pid
    cpu, begun = cpu_seconds(pid), time.perf_counter()
    result = running.autograde(student)
    wall = time.perf_counter() - begun
    if not result["success"] or running.course.scores()[student] != 3:
        raise BenchError(f"{student} was not graded: {result}")
    return Sample(wall=wall, cpu=cpu_seconds(pid) - cpu, peak_mb=peak_mb(pid))


@contextmanager
def start(name: str, course: Path) -> Iterator[Formgrader]:
    """A formgrader with this mechanism, or plain nbgrader."""
    if name != BARE:
        settings = replace(AutogradingSettings(), sandbox=SandboxSettings(Mechanism(name)))
        with formgrader(course, settings.to_json()) as running:
            yield running
        return
    port, log = free_port(), course.parent / "bare.log"
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={course}"),
        *("--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        f"--CourseDirectory.root={course}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=course, env=environment(course), stdout=output, stderr=output
        )
    try:
        running = Formgrader(f"http://127.0.0.1:{port}/", Course(course), process)
        until_it_serves(running, log)
        yield running
    finally:
        process.terminate()
        process.wait(20)
