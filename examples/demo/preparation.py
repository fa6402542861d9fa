"""What the demo creates on its first run, each in its own process while the hub starts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.demo.offered import course_directory, courses_file
from examples.demo.people import COURSE, GRADERS, INSTRUCTORS, PEOPLE


@dataclass
class Task:
    """One thing that is being created.

    ``log`` has the output of its process, ``finish`` puts the result in its place. ``first``
    says whether the Hub's services need it when they start.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    finish: Callable[[], object]
    first: bool = False

    def done(self) -> bool:
        """Whether it is finished.

        :raises RuntimeError: it could not be created
        """
        outcome = self.process.poll()
        if outcome is None:
            return False
        if outcome != 0:
            raise RuntimeError(f"{self.name} could not be created; see {self.log}")
        self.finish()
        return True


def prepare(state: Path, environment: dict[str, str]) -> Iterator[Task]:
    """Create the directories, and start creating whatever takes longer and is missing."""
    (state / "homes" / "formgrader").mkdir(parents=True, exist_ok=True)
    _link_course(state)
    if course_directory(state).exists():
        list_course(state)
    else:
        courses_file(state).write_text("# The course is being created.\n")
        words = ["-m", "examples.demo.course", str(course_directory(state))]
        process, log = _start(words, state, environment)
        yield Task(f"{COURSE}, an nbgrader course", process, log, lambda: list_course(state))
    database, making = state / "stats.sqlite", state / "stats.making"
    if not database.exists():
        for left_over in state.glob(f"{making.name}*"):
            left_over.unlink()
        words = ["-m", "services.stats", "demo-data", f"--db-url=sqlite:///{making}"]
        process, log = _start(words, state, environment)
        name = "statistics of a made-up semester"
        yield Task(name, process, log, lambda: making.rename(database), first=True)


def list_course(state: Path) -> None:
    """Add the course to the courses file, which the formgrader proxy reads every few seconds."""
    courses_file(state).write_text(
        f'[[course]]\nid = "{COURSE}"\ntitle = "Course 101"\n'
        f'directory = "{course_directory(state)}"\n'
        f'instructors = ["{INSTRUCTORS}"]\nlab_directory = "{COURSE}"\n'
    )


def _link_course(state: Path) -> None:
    """Let graders see the course in their own JupyterLab."""
    for person in PEOPLE:
        if GRADERS in person.groups:
            home = state / "homes" / person.login
            home.mkdir(parents=True, exist_ok=True)
            link = home / COURSE
            if not link.is_symlink():
                link.symlink_to(course_directory(state))


def _start(
    words: list[str], state: Path, environment: dict[str, str]
) -> tuple[subprocess.Popen[bytes], Path]:
    home, log = state / "homes" / "formgrader", state / "preparation.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            [sys.executable, *words],
            cwd=home,
            env=environment | {"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, log
