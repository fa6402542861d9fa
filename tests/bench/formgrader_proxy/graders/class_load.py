"""Ten graders at work while a submission is autograded for a minute: how long each of them waits.

Each grader opens a submission with its scores and comments, thinks, and saves a score, through
the real gateway with a fake Hub, or in nbgrader alone with its token.
"""

import asyncio
import json
import math
import random
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil

from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.upstream.endpoint import Work
from tests.bench.formgrader_proxy import class_course
from tests.bench.formgrader_proxy.graders import long_assignment
from tests.bench.measure import BenchError, Sample, in_turns
from tests.bench.report import Table
from tests.fakes.oauth import Browser
from tests.formgrader_proxy.site import COURSE, INSTRUCTOR, TOKEN, formgrader_site
from tests.integration.formgrader_proxy.bare import bare_formgrader
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

GRADERS = 10
#: Seconds between a page and its score, and between a score and the next page.
THINKING = 5.0
#: Seconds during which they are at work before the autograding begins. They are not measured.
WARMING_UP = 15.0
#: The 95th percentile of a request, in seconds.
MOST_SECONDS = 0.5
BARE, OURS = "nbgrader alone", "services.formgrader_proxy"
AUTOGRADE = (
    f"formgrader/api/submission/{long_assignment.ASSIGNMENT}/{long_assignment.STUDENT}/autograde"
)


class Reply(NamedTuple):
    """The status and the body of a response."""

    status: int
    text: str


#: Sends a request: method, path below the course, and the JSON of its body.
Send = Callable[[str, str, object], Awaitable[Reply]]


class Submission(NamedTuple):
    """The id of a submitted notebook, and of one of its grades."""

    notebook: str
    grade: str


@dataclass
class Record:
    """What the graders saw: seconds per request, failures, and the scores that were saved."""

    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    saved: dict[str, float] = field(default_factory=dict)

    @property
    def p95(self) -> float:
        """The time that 95 % of the requests did not exceed."""
        return sorted(self.took)[math.ceil(0.95 * len(self.took)) - 1]


def while_autograding(students: int, repeats: int) -> list[Table]:
    """Measure nbgrader alone and the service in turns, each with its own copy of the course."""
    with tempfile.TemporaryDirectory() as directory:
        new = Path(directory) / "new"
        course_by_nbgrader(new, str(students), "tests.bench.formgrader_proxy.class_course")
        course_by_nbgrader(
            new, class_course.COURSE, "tests.bench.formgrader_proxy.graders.long_assignment"
        )
        records: dict[str, list[Record]] = {BARE: [], OURS: []}

        def run(name: str, load: Callable[[Path, Record], Coroutine[None, None, float]]) -> Sample:
            copy = Path(directory) / "copy" / "course"
            shutil.copytree(new, copy)
            record = Record()
            records[name].append(record)
            before = _cpu_of_children()
            peak = asyncio.run(load(copy, record))
            check(copy, record)
            shutil.rmtree(copy.parent)
            return Sample(wall=record.p95, cpu=_cpu_of_children() - before, peak_mb=peak)

        samples = in_turns(
            {BARE: lambda: run(BARE, _bare), OURS: lambda: run(OURS, _ours)}, repeats
        )
    name = "formgrader-load" if students == 220 else f"formgrader-load-{students}"
    table = Table(
        name,
        f"{GRADERS} graders while a submission is autograded for {long_assignment.SECONDS} s,"
        f" {students:,} students: 95th percentile of a request",
        samples,
        BARE,
    )
    worst = max(sample.wall for sample in samples[OURS])
    verdict = "Met" if worst <= MOST_SECONDS else "MISSED"
    table.notes = [
        f"{verdict}: the 95th percentile of {OURS} is {worst:.3f} s at most, target"
        f" {MOST_SECONDS} s.",
        *(_summary(name, found) for name, found in records.items()),
        "CPU and memory are those of the formgraders, with the autograding.",
    ]
    return [table]


def _summary(name: str, records: Sequence[Record]) -> str:
    requests = sum(len(one.took) for one in records)
    saved = sum(len(one.saved) for one in records)
    longest = max(max(one.took) for one in records)
    return (
        f"{name}: {requests:,} requests, the longest {longest:.1f} s; {saved:,} scores saved, all"
        " found in the gradebook."
    )


def _cpu_of_children() -> float:
    """CPU seconds of all child processes that have ended, with their own."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(course: Path, record: Record) -> None:
    """:raises BenchError: a request failed, or a saved score is not in the gradebook"""
    if record.failed:
        raise BenchError(f"{len(record.failed)} requests failed, such as {record.failed[0]}")
    with closing(sqlite3.connect(course / "gradebook.db")) as database:
        found = dict(database.execute("select id, manual_score from grade"))
    lost = {grade for grade, score in record.saved.items() if found[grade] != score}
    if lost:
        raise BenchError(f"{len(lost)} of {len(record.saved)} saved scores are lost")


def _submissions(course: Path) -> list[Submission]:
    """All submissions of the assignment whose notebooks have the size of real ones."""
    query = (
        "select sn.id, min(g.id) from submitted_notebook sn"
        " join notebook n on n.id = sn.notebook_id join assignment a on a.id = n.assignment_id"
        " join grade g on g.notebook_id = sn.id where a.name = ? group by sn.id order by sn.id"
    )
    with closing(sqlite3.connect(course / "gradebook.db")) as database:
        return [Submission(*row) for row in database.execute(query, (class_course.ASSIGNMENT,))]


async def _ours(course: Path, record: Record) -> float:
    async with formgrader_site(course.parent) as site:
        sandbox = "" if available().best else 'sandbox = "none"\n'
        await site.formgraders.replace(
            load_courses(
                f'[[course]]\nid = "course101"\ndirectory = "{course}"\n{sandbox}'
                'instructors = ["instructors"]\n'
            )
        )
        (formgrader,) = site.formgraders.all()
        if await formgrader.until_ready(Work.PAGES, 120) is None:
            raise BenchError(f"the formgrader did not start: {formgrader.trouble}")
        senders = []
        for number in range(GRADERS):
            site.hub.add_user(f"grader{number}", "formgrade-course101")
            senders.append(_through(await site.browser(f"grader{number}")))
        instructor = _through(await site.browser(INSTRUCTOR))
        return await _work(senders, instructor, _submissions(course), record)


async def _bare(course: Path, record: Record) -> float:
    with bare_formgrader(course, COURSE) as origin:
        headers = {"Authorization": f"token {TOKEN}"}
        async with aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0),
        ) as session:

            async def send(method: str, path: str, body: object) -> Reply:
                url = f"{origin}{COURSE}{path}"
                async with session.request(method, url, data=_encoded(body)) as answer:
                    return Reply(answer.status, await answer.text())

            return await _work([send] * GRADERS, send, _submissions(course), record)


def _through(browser: Browser) -> Send:
    """Requests as nbgrader's pages send them through the service."""

    async def send(method: str, path: str, body: object) -> Reply:
        headers = {"X-CSRFToken": browser.xsrf, "Content-Type": "text/json"}
        if method == "GET" and "/api/" not in path:
            answer = await browser.go(COURSE + path)
        else:
            answer = await browser.fetch(
                COURSE + path, method=method, headers=headers, data=_encoded(body)
            )
        return Reply(answer.status, answer.text)

    return send


def _encoded(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


async def _work(
    graders: Sequence[Send],
    instructor: Send,
    submissions: Sequence[Submission],
    record: Record,
) -> float:
    """Grade until the autograding has ended. Returns the memory of all formgraders, in MB."""
    warming_up = asyncio.ensure_future(asyncio.sleep(WARMING_UP))  # they are at work already
    await _grade_all(graders, submissions, warming_up, Record())
    autograding = asyncio.ensure_future(instructor("POST", AUTOGRADE, None))
    await _grade_all(graders, submissions[len(submissions) // 2 :], autograding, record)
    peak = sum(
        one.memory_info().rss
        for one in psutil.Process().children(recursive=True)
        if "jupyter_server" in (words := one.cmdline())
        or "services.formgrader_proxy.upstream.server" in words
    )
    reply = await autograding
    if reply.status != 200 or not json.loads(reply.text)["success"]:
        raise BenchError(f"autograding failed: {reply.text[:2000]}")
    return float(peak) / 1e6


async def _grade_all(
    graders: Sequence[Send],
    submissions: Sequence[Submission],
    until: "asyncio.Future[Any]",
    record: Record,
) -> None:
    """All graders at the same time, each with their own submissions."""
    step = len(graders)
    await asyncio.gather(
        *(
            _grade(send, submissions[number::step], number, until, record)
            for number, send in enumerate(graders)
        )
    )


async def _grade(
    send: Send,
    submissions: Sequence[Submission],
    seed: int,
    until: "asyncio.Future[Any]",
    record: Record,
) -> None:
    chance = random.Random(seed)  # noqa: S311 - equal in every run
    await asyncio.sleep(chance.uniform(0, THINKING))  # they do not begin at the same moment
    number = 0
    while not until.done():
        submission = submissions[number % len(submissions)]
        number += 1
        notebook = submission.notebook
        for path in (
            f"formgrader/submissions/{notebook}",
            f"formgrader/api/grades?submission_id={notebook}",
            f"formgrader/api/comments?submission_id={notebook}",
        ):
            await _timed(send, "GET", path, None, record)
        await asyncio.sleep(chance.uniform(0.5, 1.5) * THINKING)
        score = float(chance.randrange(4))
        path = f"formgrader/api/grade/{submission.grade}"
        if await _timed(send, "PUT", path, {"manual_score": score}, record):
            record.saved[submission.grade] = score
        await asyncio.sleep(chance.uniform(0.5, 1.5) * THINKING)


async def _timed(send: Send, method: str, path: str, body: object, record: Record) -> bool:
    """Send a request and record how long it took. Returns its success."""
    began = time.perf_counter()
    reply = await send(method, path, body)
    record.took.append(time.perf_counter() - began)
    if reply.status != 200:
        record.failed.append(f"{method} {path}: {reply.status} {reply.text[:500]}")
    return reply.status == 200
