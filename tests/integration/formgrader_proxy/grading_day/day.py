"""A simulated day of grading: graders, jobs of an instructor, a changed course, a restart."""

import asyncio
import json
import time
from dataclasses import dataclass

import aiohttp

from tests.integration.formgrader_proxy.grading_day.course import Size
from tests.integration.formgrader_proxy.grading_day.grader import grader
from tests.integration.formgrader_proxy.grading_day.journal import Journal, Outcome
from tests.integration.formgrader_proxy.grading_day.page import Page
from tests.integration.formgrader_proxy.grading_day.site import GRADERS_GROUP, INSTRUCTOR, Site

#: What happens besides grading, and which part of the saves is made at that moment.
FIRST_JOB, SECOND_JOB, RESTART, THIRD_JOB = 0.1, 0.4, 0.6, 0.75


@dataclass(frozen=True)
class Plan:
    """How much is graded. ``think_seconds``: between two saves of a grader, and on each page."""

    size: Size
    graders: int
    submissions: int
    think_seconds: float
    autograded: int

    @property
    def names(self) -> list[str]:
        return [f"grader{number}" for number in range(self.graders)]

    @property
    def saves(self) -> int:
        """A score and a comment for each question; there may be more."""
        return self.submissions * self.size.questions * 2


#: The whole day, and one that takes less than a minute.
DAY = Plan(Size(students=220), graders=5, submissions=220, think_seconds=0.25, autograded=6)
SHORT = Plan(
    Size(students=220, questions=2), graders=5, submissions=25, think_seconds=0.1, autograded=1
)


async def day(site: Site, plan: Plan) -> Journal:
    """Grade the submissions, each by one grader, while the rest of the day happens.

    If that takes longer, the graders go on until it has happened.

    :raises AssertionError: a page or an action failed for another reason than the restart
    """
    journal = Journal()
    events = asyncio.create_task(_events(site, plan, journal))
    try:
        await asyncio.gather(
            *(_grade(site, plan, journal, number, until=events) for number in range(plan.graders))
        )
        await events
    finally:
        events.cancel()
    return journal


async def _grade(
    site: Site, plan: Plan, journal: Journal, number: int, until: "asyncio.Task[None]"
) -> None:
    count = plan.submissions // plan.graders
    async with grader(site, plan.names[number], journal) as one:
        ids = await one.submissions()
        current: str | None = ids[number * count]
        graded = 0
        while graded < count or not until.done():
            for path in await one.fields(current or ids[0]):
                await one.think(plan.think_seconds)
                await one.page.save(path)
            await one.think(plan.think_seconds)
            current = await one.next(current or ids[0])  # None: the list, after the last one
            graded += 1


async def _events(site: Site, plan: Plan, journal: Journal) -> None:
    """What happens besides grading, at its moments."""
    students = plan.size.student_names()[-2 * plan.autograded :]
    first, second = students[: plan.autograded], students[plan.autograded :]
    async with site.hub.login(INSTRUCTOR) as session:
        instructor = Page(site, session, Journal())
        await instructor.open("formgrader/manage_submissions/ps1")

        async def moment(part: float) -> None:
            while journal.count(Outcome.ACKNOWLEDGED) < part * plan.saves:
                await asyncio.sleep(0.05)

        async def job(path: str, names: list[str]) -> None:
            began = time.monotonic()
            for student in names:
                await _act(instructor, path.format(student))
            seconds = time.monotonic() - began
            what = f"{path.rpartition('/')[2]} of {len(names)} submissions"
            journal.events.append(f"{what} took {seconds:.1f} s")

        await moment(FIRST_JOB)
        # The course changes while a job runs, which has to succeed nevertheless.
        await asyncio.gather(
            job("submission/ps1/{}/autograde", first), _change(site, plan, journal)
        )
        await moment(SECOND_JOB)
        await job("submission/ps1/{}/autograde", second)
        await moment(RESTART)
        await _restart(site, journal, instructor)
        await moment(THIRD_JOB)
        await job("assignment/ps1/{}/generate_feedback", first)


async def _act(instructor: Page, path: str) -> None:
    """One action of the instructor, which has to succeed."""
    reply = await instructor.send("POST", f"formgrader/api/{path}")
    assert reply.status == 200, f"{path}: {reply}"
    assert reply.data["success"], f"{path}: {reply}"


async def _change(site: Site, plan: Plan, journal: Journal) -> None:
    """Give the course another title and one more group of graders, and wait until it is used."""
    text = site.courses_file.read_text() + (
        f'title = "Sums, changed"\ngraders = {json.dumps([GRADERS_GROUP, "tutors"])}\n'
    )
    new = site.courses_file.with_suffix(".new")
    new.write_text(text)
    new.replace(site.courses_file)
    async with site.hub.login(plan.names[0]) as session:
        async with asyncio.timeout(60):
            while "Sums, changed" not in await _courses(site, session):
                await asyncio.sleep(0.2)
    journal.events.append("title and groups of the course changed")


async def _courses(site: Site, session: aiohttp.ClientSession) -> str:
    async with session.get(site.service_url) as answer:
        return await answer.text()


async def _restart(site: Site, journal: Journal, instructor: Page) -> None:
    """Restart the service; the outage lasts until a page is shown again."""
    began = time.monotonic()
    with journal.outage():
        await asyncio.to_thread(site.stop)
        await asyncio.to_thread(site.start)
        await instructor.open("formgrader/manage_submissions/ps1")
    seconds = time.monotonic() - began
    journal.events.append(f"the service was restarted, and showed a page after {seconds:.1f} s")
