"""A scripted grader, who opens submissions, saves scores and comments, and goes to the next one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.integration.formgrader_proxy.grading_day.course import NOTEBOOK
from tests.integration.formgrader_proxy.grading_day.journal import Journal
from tests.integration.formgrader_proxy.grading_day.page import Page
from tests.integration.formgrader_proxy.grading_day.site import Site

Think = Callable[[float], Awaitable[None]]


@dataclass
class Grader:
    """A person with a page. ``think`` waits for the seconds that a person would take."""

    page: Page
    think: Think
    assignment: str = "ps1"

    async def submissions(self) -> list[str]:
        """The ids of the submissions of the notebook, in the order of "next"."""
        notebook = f"{self.assignment}/{NOTEBOOK}"
        await self.page.open(f"formgrader/gradebook/{notebook}", "list")
        items = await self.page.load(f"formgrader/api/submitted_notebooks/{notebook}", "list data")
        return sorted(item["id"] for item in items)

    async def visit(self, submission: str) -> list[str]:
        """Open a submission; the paths of what can be changed there."""
        await self.page.open(f"formgrader/submissions/{submission}/?index=0", "submission")
        return await self.fields(submission)

    async def fields(self, submission: str) -> list[str]:
        """The paths of the scores that are given manually, each with the comment beside it."""
        query = f"?submission_id={submission}"
        grades = await self.page.load("formgrader/api/grades" + query)
        comments = await self.page.load("formgrader/api/comments" + query)
        beside = {comment["name"]: comment["id"] for comment in comments}
        paths = []
        for grade in grades:
            if grade["auto_score"] is None:
                paths += [f"grade/{grade['id']}", f"comment/{beside[grade['name']]}"]
        return paths

    async def next(self, submission: str) -> str | None:
        """Go to the next submission; None after the last one, where nbgrader shows the list."""
        path = f"formgrader/submissions/{submission}/next?index=0"
        at, _ = await self.page.open(path, "next")
        _, found, rest = at.partition("/formgrader/submissions/")
        return rest.partition("/")[0] if found else None


@asynccontextmanager
async def grader(
    site: Site, name: str, journal: Journal, think: Think = asyncio.sleep
) -> AsyncIterator[Grader]:
    """A grader who is signed in."""
    async with site.hub.login(name) as session:
        yield Grader(Page(site, session, journal), think)
