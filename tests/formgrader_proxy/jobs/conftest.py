"""Jobs of a course whose formgrader answers as the test decides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.clock import SystemClock
from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
from services.formgrader_proxy.jobs.jobs import Jobs, User
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.store.job import Job, State
from services.formgrader_proxy.store.jobs import JobStore
from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.pool.draining import Draining
from tests.fakes.formgrader import until
from tests.fakes.nbgrader import FakeNbgrader, fake_nbgrader

IRIS = User("iris", "instructor")


class Several(Formgrader):
    """An external formgrader that handles several requests at once and can be interrupted."""

    concurrency = 1
    interrupted = 0

    @property
    def job_concurrency(self) -> int:
        return self.concurrency

    async def interrupt(self, upstream: Upstream) -> None:
        self.interrupted += 1


@dataclass
class Counted:
    """What the metrics would show."""

    jobs: dict[State, int] = field(default_factory=dict)
    items: list[State] = field(default_factory=list)

    def job(self, old: State | None, new: State | None) -> None:
        for state, change in ((old, -1), (new, 1)):
            if state is not None and not state.ended:
                self.jobs[state] = self.jobs.get(state, 0) + change

    def job_item(self, state: State) -> None:
        self.items.append(state)


class Fixed(Formgraders):
    """The formgraders of exactly these courses."""

    def __init__(self, directory: Path) -> None:
        file = directory / "courses.toml"
        file.write_text('[[course]]\nid = "unused"\nurl = "http://127.0.0.1:1"\n')
        super().__init__(CoursesFile(file, load_courses), str, lambda old, new: None)
        self.courses: dict[str, Formgrader] = {}

    def get(self, course_id: str) -> Formgrader | None:
        return self.courses.get(course_id)


@dataclass
class World:
    """Everything that a test looks at."""

    nbgrader: FakeNbgrader
    formgraders: Fixed
    formgrader: Several
    audit: Audit
    store: JobStore
    counted: Counted
    jobs: Jobs

    async def start(self, *students: str, action: str = "autograde") -> Job:
        """Start a job of iris for these students."""
        return (await self.jobs.start("course101", IRIS, action, "ps1", students))[0]

    async def until_ended(self, job: Job) -> Job:
        """The job as it is stored at its end."""
        await until(lambda: job.state.ended)
        found = None
        while found is None or not found.state.ended:
            found = await self.store.find(job.course, job.id)
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A course with an idle formgrader."""
    token = tmp_path / "token"
    token.write_text("secret")
    async with fake_nbgrader() as nbgrader:
        course = Course(
            "course101",
            "Sums",
            CourseGroups(frozenset({"graders"})),
            url=nbgrader.url,
            token_file=token,
        )
        changes = Changes()
        path = "/services/formgrader/course101/"
        formgrader = Several(course, path, changes, Draining(changes))
        formgraders = Fixed(tmp_path)
        formgraders.courses["course101"] = formgrader
        audit = Audit(f"sqlite:///{tmp_path}/audit.sqlite")
        await audit.open()
        store, counted = JobStore(audit), Counted()
        jobs = Jobs(formgraders, store, audit, counted, SystemClock())
        yield World(nbgrader, formgraders, formgrader, audit, store, counted, jobs)
        await jobs.close()
        await formgrader.stop()
        await audit.close()
