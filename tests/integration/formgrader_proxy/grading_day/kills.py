"""Ten graders save scores and comments while processes are killed at random moments.

The moments are repeatable: they depend on how much is saved, not on the time.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fakes.postgres import Postgres
from tests.integration.formgrader_proxy.grading_day.course import Size
from tests.integration.formgrader_proxy.grading_day.grader import Grader, grader
from tests.integration.formgrader_proxy.grading_day.journal import Journal, Outcome
from tests.integration.formgrader_proxy.grading_day.site import Site

GRADERS = tuple(f"grader{number}" for number in range(10))
#: Scores and comments of one submission.
FIELDS = 12

#: Kills something, starts it again if nothing else does, and returns what was killed.
Kill = Callable[[], str]


@dataclass(frozen=True)
class Run:
    """``changes``: how many are made by all graders, a multiple of ten."""

    changes: int
    seed: int

    @property
    def size(self) -> Size:
        """Enough submissions that each grader goes through different ones."""
        return Size(students=max(20, self.changes // FIELDS + 10), questions=FIELDS // 2)

    def random(self) -> random.Random:
        return random.Random(self.seed)  # noqa: S311 # repeatable, not secret

    async def grade(self, site: Site, kills: Sequence[Kill]) -> Journal:
        """All changes and all kills.

        :raises AssertionError: a page was refused for another reason than an outage
        """
        journal = Journal()
        each = self.changes // len(GRADERS)
        killing = asyncio.create_task(self._kill_at_random(journal, kills))
        try:
            async with asyncio.timeout(300 + self.changes):
                await asyncio.gather(
                    *(
                        _grade(site, journal, name, number * (each // FIELDS + 1), each)
                        for number, name in enumerate(GRADERS)
                    )
                )
                await killing
        finally:
            killing.cancel()
        assert len(journal.changes) == self.changes
        return journal

    async def _kill_at_random(self, journal: Journal, kills: Sequence[Kill]) -> None:
        chosen = self.random()
        for moment, kill in zip(
            sorted(chosen.uniform(0.05, 0.9) for _ in kills), kills, strict=True
        ):
            while journal.count(Outcome.ACKNOWLEDGED) < moment * self.changes:
                await asyncio.sleep(chosen.uniform(0, 0.03))
            with journal.outage():
                journal.events.append(await asyncio.to_thread(kill))


async def _grade(site: Site, journal: Journal, name: str, start: int, changes: int) -> None:
    """Go through submissions and save new values until there are enough."""
    async with grader(site, name, journal) as one:
        ids = await one.submissions()
        current = ids[start % len(ids)]
        made = 0
        while made < changes:
            for path in (await _fields(one, current))[: changes - made]:
                await one.page.save(path)
                made += 1
            current = await one.next(current) or ids[0]


async def _fields(one: Grader, submission: str) -> list[str]:
    paths = await one.visit(submission)
    assert len(paths) == FIELDS, paths
    return paths


def kill_service(site: Site, seconds: float = 1.0) -> str:
    """Kill the service, and start it after a while, as the Hub does."""
    site.kill()
    time.sleep(seconds)
    site.start()
    return "the service"


def kill_database(server: Postgres, seconds: float = 2.0) -> str:
    """Kill PostgreSQL, and start it after a while, as systemd does."""
    server.kill()
    time.sleep(seconds)
    server.start()
    return "PostgreSQL"


def kill_connection(server: Postgres, chosen: random.Random) -> str:
    """Kill the process that serves a connection: PostgreSQL closes all of them and recovers."""
    server.kill_a_connection(chosen)
    return "a connection's process of PostgreSQL"
