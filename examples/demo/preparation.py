"""Creates the demo's data on the first run, in separate processes while the hub starts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.demo.people import COURSE, GRADERS, INSTRUCTORS, PEOPLE, STUDENTS
from examples.demo.service_options import course_directory, courses_file


@dataclass
class Task:
    """A process that creates data.

    ``log`` receives its output, and ``finish`` moves the result to its place. ``needed_at_start``
    is whether the Hub's services need it when they start.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    finish: Callable[[], object]
    needed_at_start: bool = False

    def done(self) -> bool:
        """Whether the data is complete. :raises RuntimeError: the process failed"""
        outcome = self.process.poll()
        if outcome is None:
            return False
        if outcome != 0:
            raise RuntimeError(f"Cannot create {self.name}; see {self.log}")
        self.finish()
        return True


def prepare(state: Path, environment: dict[str, str]) -> Iterator[Task]:
    """Create the directories, and start a process for each kind of data that is missing."""
    (state / "homes" / "formgrader").mkdir(parents=True, exist_ok=True)
    _link_course(state)
    _configure_students(state)
    if course_directory(state).exists():
        list_course(state)
    else:
        courses_file(state).write_text("# The course is being created.\n")
        words = ["-m", "examples.demo.course", str(course_directory(state))]
        process, log = _start(words, state, environment)
        yield Task(f"{COURSE} with nbgrader", process, log, lambda: list_course(state))
    database, incomplete = state / "stats.sqlite", state / "stats.making"
    if not database.exists():
        for left_over in state.glob(f"{incomplete.name}*"):
            left_over.unlink()
        students = [person.login for person in PEOPLE if STUDENTS in person.groups]
        others = [person.login for person in PEOPLE if STUDENTS not in person.groups]
        words = [
            *("-m", "services.stats", "demo-data", f"--db-url=sqlite:///{incomplete}"),
            *(f"--users={','.join(students)}", f"--group={STUDENTS}"),
            f"--staff={','.join(others)}",
        ]
        process, log = _start(words, state, environment)
        name = "a fictional semester for the statistics"
        yield Task(name, process, log, lambda: incomplete.rename(database), needed_at_start=True)


def list_course(state: Path) -> None:
    """Add the course to the formgrader's list, which it reloads every few seconds."""
    _use_exchange(state)
    courses_file(state).write_text(
        f'[[course]]\nid = "{COURSE}"\ntitle = "Course 101"\n'
        f'directory = "{course_directory(state)}"\n'
        f'instructors = ["{INSTRUCTORS}"]\nlab_directory = "{COURSE}"\n'
    )


def _use_exchange(state: Path) -> None:
    """Let the course's formgrader release to, and collect from, the demo's exchange."""
    settings = course_directory(state) / "nbgrader_config.py"
    lines = (
        f"c.Exchange.root = {str(state / 'exchange')!r}\n"
        "c.ExchangeCollect.check_owner = False  # all servers of the demo run as one account\n"
    )
    if lines not in settings.read_text("utf-8"):
        with settings.open("a", encoding="utf-8") as file:
            file.write(lines)


def _configure_students(state: Path) -> None:
    """Let the students fetch from, and submit to, the demo's exchange."""
    for person in PEOPLE:
        if STUDENTS in person.groups:
            folder = state / "homes" / person.login / ".jupyter"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "nbgrader_config.py").write_text(
                "c = get_config()\n"
                f"c.CourseDirectory.course_id = {COURSE!r}\n"
                # All servers of the demo run as one account, whose name nbgrader would use.
                f"c.CourseDirectory.student_id = {person.login!r}\n"
                f"c.Exchange.root = {str(state / 'exchange')!r}\n",
                encoding="utf-8",
            )


def _link_course(state: Path) -> None:
    """Link the course into the graders' home directories."""
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
