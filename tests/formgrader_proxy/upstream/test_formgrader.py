"""A course whose settings change while it works. Its formgrader executes what it is sent."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from services.formgrader_proxy.access import CourseGroups, Mode
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
from services.formgrader_proxy.sandbox.settings import Mechanism
from services.formgrader_proxy.upstream import formgrader as module
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import State
from tests.fakes.formgrader import BASE, SERVER, do_in, until

States = list[tuple[State | None, State | None]]
#: Ends when the file exists, so that a test decides how long the request takes.
UNTIL_DONE = "while not os.path.exists('done'): time.sleep(0.01)\nanswer = os.getpid()"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    text = f'[[course]]\nid = "c1"\ndirectory = "{tmp_path}"\nworkers = 2\njob_workers = 2\n'
    return load_courses(text)["c1"]


@pytest.fixture
def states() -> States:
    """The changes of state that were reported."""
    return []


@pytest.fixture
async def formgraders(
    course: Course, states: States, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Formgraders]:
    """With one course. Running work ends at the end of the test."""
    command = (sys.executable, "-c", SERVER)
    monkeypatch.setattr(module, "LaunchSettings", partial(LaunchSettings, command=command))
    path = tmp_path / "courses.toml"
    path.write_text("")
    found = Formgraders(
        CoursesFile(path, load_courses),
        lambda _: BASE,
        lambda old, new: states.append((old, new)),
    )
    await found.replace({"c1": course})
    yield found
    (tmp_path / "done").touch()
    async with asyncio.timeout(12):
        await found.close()


@pytest.fixture
def formgrader(formgraders: Formgraders) -> Formgrader:
    found = formgraders.get("c1")
    assert found is not None
    return found


async def ready(formgrader: Formgrader, work: Work = Work.PAGES) -> Upstream:
    upstream = await formgrader.until_ready(work, 60)
    assert upstream is not None
    return upstream


async def begin(formgrader: Formgrader, upstream: Upstream) -> "asyncio.Task[int]":
    """Send a request that ends when the test says so."""

    async def send() -> int:
        with formgrader.in_use(upstream):
            return int(await do_in(upstream, UNTIL_DONE))

    task = asyncio.create_task(send())
    await asyncio.sleep(0)
    return task


async def no_job_process(formgrader: Formgrader) -> None:
    """A job has to wait, and no process is started for it. Its keeper would be there at once."""
    before = set(psutil.Process().children())
    assert await formgrader.until_ready(Work.JOBS, 0.5) is None
    assert set(psutil.Process().children()) <= before


def serves_jobs(formgrader: Formgrader) -> bool:
    """Whether it accepts requests of jobs."""
    try:
        formgrader.ready(Work.JOBS)
    except UpstreamUnreachable:
        return False
    return True


def without_sandbox(course: Course) -> Course:
    """The course with a setting that a process has from its start."""
    sandbox = replace(course.autograding.sandbox, mechanism=Mechanism.NONE)
    return replace(course, autograding=replace(course.autograding, sandbox=sandbox))


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Sums"},
        {"groups": CourseGroups(frozenset({"others"}))},
        {"idle_seconds": 5.0},
        {"mode": Mode.FULL},
        {"lab_directory": "sums"},
        {"workers": 1},
        {"job_workers": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_does_not_concern_the_process_applies_in_place(
    formgraders: Formgraders, formgrader: Formgrader, course: Course, changes: dict[str, Any]
) -> None:
    """The process stays, and so does everything that it is doing."""
    before = await ready(formgrader)
    changed = replace(course, **changes)
    await formgraders.replace({"c1": changed})
    assert formgraders.get("c1") is formgrader
    assert formgrader.course is changed
    assert formgrader.ready() is before
    assert formgrader.job_concurrency == changed.job_workers


async def test_a_change_of_the_process_lets_running_work_finish(
    formgraders: Formgraders, formgrader: Formgrader, course: Course, tmp_path: Path
) -> None:
    """Pages go to a new process at once, and jobs when those with the old settings have ended."""
    page, job = await ready(formgrader), await ready(formgrader, Work.JOBS)
    running = await begin(formgrader, job)
    await formgraders.replace({"c1": without_sandbox(course)})
    assert await ready(formgrader) is not page
    await no_job_process(formgrader)
    assert not running.done()
    (tmp_path / "done").touch()
    assert await running
    assert await ready(formgrader, Work.JOBS) is not job


async def test_a_page_that_never_ends_does_not_delay_jobs(
    formgraders: Formgraders, formgrader: Formgrader, course: Course
) -> None:
    """As one that a browser does not read. It has ten minutes, jobs only wait for five."""
    running = await begin(formgrader, await ready(formgrader))
    await ready(formgrader, Work.JOBS)
    await formgraders.replace({"c1": without_sandbox(course)})
    async with asyncio.timeout(30):
        await ready(formgrader, Work.JOBS)
    assert not running.done()


async def test_jobs_of_another_directory_do_not_wait(
    formgraders: Formgraders, formgrader: Formgrader, course: Course, tmp_path: Path
) -> None:
    """The previous ones change other files."""
    job = await ready(formgrader, Work.JOBS)
    running = await begin(formgrader, job)
    (tmp_path / "other").mkdir()
    await formgraders.replace({"c1": replace(course, directory=tmp_path / "other")})
    assert await ready(formgrader, Work.JOBS) is not job
    assert not running.done()


async def test_the_process_of_previous_settings_can_be_interrupted(
    formgraders: Formgraders, formgrader: Formgrader, course: Course
) -> None:
    """And new jobs begin."""
    job = await ready(formgrader, Work.JOBS)
    running = await begin(formgrader, job)
    await formgraders.replace({"c1": without_sandbox(course)})
    await formgrader.interrupt(job)
    with pytest.raises(aiohttp.ClientError):
        await running
    assert await ready(formgrader, Work.JOBS) is not job


async def test_a_removed_course_ends_after_its_running_work(
    formgraders: Formgraders, formgrader: Formgrader, states: States, tmp_path: Path
) -> None:
    """It gets no new requests meanwhile."""
    await ready(formgrader)
    running = await begin(formgrader, await ready(formgrader, Work.JOBS))
    await formgraders.replace({})
    assert formgraders.get("c1") is None
    for work in Work:
        with pytest.raises(UpstreamUnreachable, match="no longer served"):
            formgrader.ready(work)
    assert states[-1][1] is not None
    assert not running.done()
    (tmp_path / "done").touch()
    assert await running
    await until(lambda: states[-1][1] is None)


async def test_a_removed_course_finishes_a_job_of_several_requests(
    formgraders: Formgraders, formgrader: Formgrader, states: States
) -> None:
    """Autograding all submissions of an assignment, for example; then nothing is left."""
    with formgrader.job():
        await formgraders.replace({})
        for _ in range(2):
            upstream = await ready(formgrader, Work.JOBS)
            with formgrader.in_use(upstream):
                assert await do_in(upstream, "answer = 7") == 7
        with pytest.raises(UpstreamUnreachable, match="no longer served"):
            formgrader.ready(Work.PAGES)
        assert states[-1][1] is State.RUNNING
    await until(lambda: states[-1][1] is None)
    with pytest.raises(UpstreamUnreachable, match="no longer served"), formgrader.job():
        pass


async def test_a_course_that_returns_waits_for_its_previous_jobs(
    formgraders: Formgraders, formgrader: Formgrader, course: Course, tmp_path: Path
) -> None:
    """Under any id: they would change the same directory."""
    running = await begin(formgrader, await ready(formgrader, Work.JOBS))
    await formgraders.replace({})
    await formgraders.replace({"c2": replace(course, id="c2")})
    returned = formgraders.get("c2")
    assert returned is not None
    await ready(returned)
    await no_job_process(returned)
    (tmp_path / "done").touch()
    assert await running
    await ready(returned, Work.JOBS)


async def test_the_service_does_not_wait_for_running_work(
    formgraders: Formgraders, formgrader: Formgrader, course: Course, states: States
) -> None:
    """When it stops: neither of previous settings, nor of a course that was removed."""
    tasks = [await begin(formgrader, await ready(formgrader, Work.JOBS))]
    await formgraders.replace({"c1": without_sandbox(course)})
    tasks.append(await begin(formgrader, await ready(formgrader)))
    with formgrader.job():
        await formgraders.replace({})
        async with asyncio.timeout(12):
            await formgraders.close()
        assert not serves_jobs(formgrader)
    assert not serves_jobs(formgrader)
    for task in tasks:
        with pytest.raises(aiohttp.ClientError):
            await task
    assert states[-1][1] is None


async def test_requests_are_spread_over_the_free_processes(
    formgraders: Formgraders, formgrader: Formgrader, tmp_path: Path
) -> None:
    """While one is slow, all others are handled; when all are, they wait for the first to end."""
    tasks = [await begin(formgrader, await ready(formgrader))]
    upstreams = {id(await ready(formgrader)) for _ in range(3)}  # the second process
    assert len(upstreams) == 1
    busy = [formgrader.busy]
    tasks.append(await begin(formgrader, await ready(formgrader)))
    assert [*busy, formgrader.busy] == [False, True]
    waiting = asyncio.create_task(formgrader.until_ready(Work.PAGES, 60))
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done
    (tmp_path / "done").touch()
    assert await waiting is not None
    assert len(set(await asyncio.gather(*tasks))) == 2


async def test_waiting_for_a_process_is_limited(
    formgraders: Formgraders, formgrader: Formgrader, course: Course, tmp_path: Path
) -> None:
    """And a failure is not the end of it: the process is started again after its delay."""
    await formgraders.replace({"c1": replace(course, directory=tmp_path / "later")})
    assert await formgrader.until_ready(Work.PAGES, 0.2) is None
    assert formgrader.trouble is not None
    (tmp_path / "later").mkdir()
    found = await asyncio.gather(*(formgrader.until_ready(Work.PAGES, 60) for _ in range(3)))
    assert found[0] is not None
    assert len(set(map(id, found))) == 1


async def test_the_connections_to_an_external_formgrader_close_after_its_requests(
    formgraders: Formgraders,
) -> None:
    """New requests go to its new address at once."""
    text = '[[course]]\nid = "ext"\nurl = "http://127.0.0.1:9"\n'
    await formgraders.replace(load_courses(text))
    external = formgraders.get("ext")
    assert external is not None
    before = await ready(external, Work.JOBS)
    with external.in_use(before):
        await formgraders.replace(load_courses(text + 'title = "Same"\n'))
        assert external.ready() is before
        await formgraders.replace(load_courses(text.replace(":9", ":10")))
        after = external.ready()
        assert after is not None
        assert after is not before
        await asyncio.sleep(0)
        assert not before.session.closed
    await until(lambda: before.session.closed)
