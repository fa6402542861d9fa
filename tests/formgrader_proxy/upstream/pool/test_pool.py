"""The processes of a course, with a formgrader that executes what it is sent, one at a time."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from services.formgrader_proxy.course_check.findings import NOT_SERVED, Finding, Kind, marked_line
from services.formgrader_proxy.course_check.versions import versions_of
from services.formgrader_proxy.upstream import supervisor
from services.formgrader_proxy.upstream.endpoint import Upstream, Work
from services.formgrader_proxy.upstream.pool.balance import MOMENT
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.pool.pool import TURN_SECONDS, Pool, Sizes
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import State
from tests.fakes.formgrader import BASE, SERVER, do_in, until

#: Ends when the file exists, so that a test decides how long the request takes.
UNTIL_DONE = "while not os.path.exists('done'): time.sleep(0.01)\nanswer = os.getpid()"


@asynccontextmanager
async def pool(
    directory: Path, sizes: Sizes | None = None, script: str = SERVER
) -> AsyncIterator[Pool]:
    """A pool of this script. It is stopped at the end."""
    settings = LaunchSettings("c1", directory, BASE, command=(sys.executable, "-c", script))
    found = Pool(settings, sizes or Sizes(workers=2, job_workers=2), Changes())
    try:
        yield found
    finally:
        (directory / "done").touch()
        async with asyncio.timeout(12):
            await found.stop()


def state_of(pool: Pool) -> State:
    return pool.state


async def ready(pool: Pool, work: Work = Work.PAGES) -> Upstream:
    """Wait for a process for this work."""
    async with asyncio.timeout(60):
        while (upstream := pool.ready(work)) is None:
            await asyncio.sleep(0.01)
    return upstream


async def send(pool: Pool, upstream: Upstream, code: str) -> int:
    """Execute code in a process, as a request that it handles."""
    with pool.in_use(upstream):
        return int(await do_in(upstream, code))


async def test_a_quiet_course_has_one_process(tmp_path: Path) -> None:
    """It handles quick requests one after the other."""
    async with pool(tmp_path) as course:
        assert course.ended
        first = await ready(course)
        for _ in range(5):
            assert course.ready(Work.PAGES) is first
            await send(course, first, "answer = 1")
        assert not course.serves(Work.JOBS)
        assert course.log_tail() == []


async def test_no_page_waits_for_a_slow_one(tmp_path: Path) -> None:
    """Another process is started meanwhile, and gets the next requests."""
    async with pool(tmp_path) as course:
        first = await ready(course)
        slow = asyncio.create_task(send(course, first, UNTIL_DONE))
        await until(lambda: course.ready(Work.PAGES) is not first)
        second = await ready(course)
        other = await send(course, second, "answer = os.getpid()")
        assert not slow.done()
        (tmp_path / "done").touch()
        assert await slow != other


async def test_a_start_blocks_no_request(tmp_path: Path) -> None:
    """While another process starts, the running one is used."""
    async with pool(tmp_path) as course:
        first = await ready(course)
        with course.in_use(first):
            await asyncio.sleep(MOMENT)  # what the requests before took
            assert course.ready(Work.PAGES) is first
        assert course.ready(Work.PAGES) is first
        assert await send(course, first, "answer = 1") == 1


async def test_a_request_waits_for_the_process_that_is_free_first(tmp_path: Path) -> None:
    """It is not queued behind a slow one, and another process is started for it."""
    async with pool(tmp_path) as course:
        first = await ready(course)
        with course.in_use(first):
            assert course.turn(Work.PAGES, 0.0) is None
            assert course.turn(Work.PAGES, MOMENT * 2) is None
            await until(lambda: course.turn(Work.PAGES, MOMENT * 2))
            assert course.turn(Work.PAGES, 0.0) is not first
        assert course.turn(Work.PAGES, 0.0) is first


async def test_a_request_does_not_wait_for_ever(tmp_path: Path) -> None:
    """After a while it goes to a busy process, which may have been misjudged."""
    async with pool(tmp_path, Sizes(workers=1)) as course:
        first = await ready(course)
        with course.in_use(first):
            assert course.turn(Work.PAGES, TURN_SECONDS) is None
            assert course.turn(Work.PAGES, TURN_SECONDS + 1) is first


async def test_a_download_does_not_make_a_process_busy(tmp_path: Path) -> None:
    """However slowly its client reads, but it keeps the process running."""
    async with pool(tmp_path, Sizes(workers=1)) as course:
        first = await ready(course)
        with course.in_use(first), first.streaming():
            assert course.turn(Work.PAGES, 0.0) is first
            course.resize(Sizes(workers=1, idle_seconds=0.1))
            draining = asyncio.create_task(course.drain())
            done, _ = await asyncio.wait({draining}, timeout=0.5)
            assert not done
        await draining


async def test_a_job_has_its_own_process(tmp_path: Path) -> None:
    """It delays no page, and each process handles one job at a time."""
    async with pool(tmp_path) as course:
        page, job = await ready(course), await ready(course, Work.JOBS)
        assert page is not job
        running = asyncio.create_task(send(course, job, UNTIL_DONE))
        await asyncio.sleep(0)
        assert await send(course, page, "answer = 1") == 1
        another = await ready(course, Work.JOBS)
        assert another is not job
        assert course.ready(Work.JOBS) is None  # the other is reserved until its job is sent
        with course.in_use(another):
            assert course.ready(Work.JOBS) is None  # both are at work
        assert course.ready(Work.JOBS) is another
        assert not running.done()
        (tmp_path / "done").touch()
        await running


async def test_a_crash_affects_only_its_own_requests(tmp_path: Path) -> None:
    """The other process goes on, and the first one is started again."""
    async with pool(tmp_path) as course:
        page, job = await ready(course), await ready(course, Work.JOBS)
        running = asyncio.create_task(send(course, job, UNTIL_DONE))
        with suppress(aiohttp.ClientError), course.in_use(page):
            await do_in(page, "os._exit(3)")
        await until(lambda: course.trouble)
        assert (course.state, course.trouble) == (State.PAUSING, "it exited with code 3")
        assert not running.done()
        assert await ready(course) is not page
        assert course.trouble is None
        (tmp_path / "done").touch()
        assert await running


async def test_a_course_that_is_broken_and_corrected_while_pages_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs have the reason, and run soon after the correction, not after the pause."""
    monkeypatch.setattr(supervisor, "restart_delay", lambda _: 300.0)
    file = tmp_path / "nbgrader_config.py"
    file.touch()
    broken = Finding(Kind.CONFIGURATION, "Line 1 is wrong.", watched=versions_of([str(file)]))
    check = f"""
import os, sys
if os.path.exists("broken"):
    print({marked_line(broken)!r}, flush=True)
    sys.exit({NOT_SERVED})
"""
    async with pool(tmp_path, Sizes(1, 1), check + SERVER) as course:
        await ready(course)
        (tmp_path / "broken").touch()
        async with asyncio.timeout(60):
            while not course.job_trouble:
                assert course.ready(Work.JOBS) is None
                await asyncio.sleep(0.01)
        assert course.job_trouble == "Line 1 is wrong."
        assert course.trouble is None
        (tmp_path / "broken").unlink()
        file.write_text("c = 1")
        await ready(course, Work.JOBS)
        assert course.job_trouble is None


async def test_only_the_interrupted_process_is_stopped(tmp_path: Path) -> None:
    """With the request that it was handling."""
    async with pool(tmp_path) as course:
        page, job = await ready(course), await ready(course, Work.JOBS)
        running = asyncio.create_task(send(course, job, UNTIL_DONE))
        await asyncio.sleep(0)
        await course.interrupt(job)
        with pytest.raises(aiohttp.ClientError):
            await running
        assert course.ready(Work.PAGES) is page
        assert await ready(course, Work.JOBS) is not job


async def test_a_drained_pool_ends_after_its_requests(tmp_path: Path) -> None:
    """Nothing else is sent to it or started."""
    async with pool(tmp_path) as course:
        await ready(course)
        job = await ready(course, Work.JOBS)
        running = asyncio.create_task(send(course, job, UNTIL_DONE))
        await asyncio.sleep(0)
        draining = asyncio.create_task(course.drain())
        await until(lambda: not course.serves(Work.PAGES))
        assert course.ready(Work.PAGES) is None
        assert course.ready(Work.JOBS) is None
        assert not draining.done()
        (tmp_path / "done").touch()
        assert await running
        async with asyncio.timeout(12):
            await draining
        assert course.ended


async def test_idle_processes_stop(tmp_path: Path) -> None:
    """A new idle timeout applies at once, and never to a process with a request."""
    async with pool(tmp_path) as course:
        await ready(course)
        job = await ready(course, Work.JOBS)
        running = asyncio.create_task(send(course, job, UNTIL_DONE))
        await asyncio.sleep(0)
        course.resize(Sizes(idle_seconds=0.1))
        await until(lambda: not course.serves(Work.PAGES))
        assert state_of(course) is State.RUNNING  # it has a job
        (tmp_path / "done").touch()
        assert await running
        await until(lambda: course.ended)
        assert state_of(course) is State.STOPPED


async def test_fewer_processes_get_the_requests(tmp_path: Path) -> None:
    """A process beyond the new number finishes its request and gets no other."""
    async with pool(tmp_path) as course:
        first = await ready(course)
        with course.in_use(first):
            await until(lambda: course.ready(Work.PAGES) is not first)
            second = await ready(course)
            running = asyncio.create_task(send(course, second, UNTIL_DONE))
            await asyncio.sleep(0)
            course.resize(Sizes(workers=1))
            assert course.ready(Work.PAGES) is first
            (tmp_path / "done").touch()
            assert await running


async def test_the_log_names_the_processes(tmp_path: Path) -> None:
    """If more than one has printed something."""
    script = SERVER.replace("web.run_app", "print('up', flush=True)\nweb.run_app")
    async with pool(tmp_path, script=script) as course:
        await ready(course)
        await until(course.log_tail)
        assert course.log_tail() == ["up"]
        await ready(course, Work.JOBS)
        await until(lambda: len(course.log_tail()) == 2)
        assert course.log_tail() == ["pages 1: up", "jobs 1: up"]
