"""What the demo makes on its first run, each in a process of its own while the hub starts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.demo.offered import course_directory, courses_file, is_there
from examples.demo.people import COURSE, GRADERS, INSTRUCTORS, PEOPLE


@dataclass
class Task:
    """One thing in the making.

    ``log`` is where its process writes, ``finish`` puts what was made in its place. ``first``
    is whether the Hub's services need it when they start.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    finish: Callable[[], object]
    first: bool = False

    def done(self) -> bool:
        """Whether it is made. Raises RuntimeError when that failed."""
        outcome = self.process.poll()
        if outcome is None:
            return False
        if outcome != 0:
            raise RuntimeError(f"{self.name} could not be made; see {self.log}")
        self.finish()
        return True


def prepare(state: Path, environment: dict[str, str]) -> Iterator[Task]:
    """Make directories at once, and start what takes longer and is not there yet."""
    (state / "homes" / "formgrader").mkdir(parents=True, exist_ok=True)
    if is_there("formgrader_proxy"):
        _link_course(state)
        if course_directory(state).exists():
            list_course(state)
        else:
            courses_file(state).write_text("# The course is still in the making.\n")
            words = ["-m", "examples.demo.course", str(course_directory(state))]
            process, log = _start(words, state, environment)
            yield Task(f"{COURSE}, by nbgrader", process, log, lambda: list_course(state))
    database, making = state / "stats.sqlite", state / "stats.making"
    if is_there("stats") and not database.exists():
        for left_over in state.glob(f"{making.name}*"):
            left_over.unlink()
        words = ["-m", "services.stats", "demo-data", f"--db-url=sqlite:///{making}"]
        process, log = _start(words, state, environment)
        name = "a made-up semester for the statistics"
        yield Task(name, process, log, lambda: making.rename(database), first=True)


def list_course(state: Path) -> None:
    """Tell the formgrader of the course; it looks at its list every few seconds."""
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
        process = subprocess.Popen(  # noqa: S603 - our own words, no shell
            [sys.executable, *words],
            cwd=home,
            env=environment | {"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, log
