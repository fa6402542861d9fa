"""Ten graders save scores while processes are killed: no acknowledged score is lost."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.postgres import Postgres, postgres, postgres_url
from tests.integration.conftest import needs_proxy
from tests.integration.formgrader_proxy.grading_day.course import Size, make_class
from tests.integration.formgrader_proxy.grading_day.grader import Grader, grader
from tests.integration.formgrader_proxy.grading_day.journal import Journal, Outcome
from tests.integration.formgrader_proxy.grading_day.site import Site, class_site
from tests.integration.formgrader_proxy.grading_day.verify import losses

pytest.importorskip("nbgrader")
__all__ = ["postgres", "postgres_url"]
#: How many scores and comments are saved. The full number takes minutes.
CHANGES = int(os.environ.get("GRADING_CHANGES", "240"))
SEED = int(os.environ.get("GRADING_SEED", "13"))
GRADERS = tuple(f"grader{number}" for number in range(10))


def course_size() -> Size:
    """Enough submissions that each grader can make a tenth of the changes, twice per cell."""
    return Size(students=max(20, CHANGES // 12), questions=6)


async def grade(one: Grader, start: int, changes: int) -> None:
    """Go through submissions and save new values until there are enough."""
    ids = await one.submissions()
    current: str | None = ids[start % len(ids)]
    made = 0
    while made < changes:
        paths = await one.visit(current or ids[0])
        for path in paths[: changes - made]:
            await one.save(path)
        made += len(paths)
        current = await one.next(current or ids[0])


async def kill_at_random(
    journal: Journal, kills: list[tuple[str, Callable[[], str]]], chosen: random.Random
) -> None:
    """Kill something at each of a few random moments of the run, in the given order."""
    moments = sorted(chosen.uniform(0.05, 0.85) for _ in kills)
    for moment, (what, kill) in zip(moments, kills, strict=True):
        while journal.count(Outcome.ACKNOWLEDGED) < moment * CHANGES:
            await asyncio.sleep(chosen.uniform(0, 0.03))
        with journal.outage(what):
            journal.events.append(await asyncio.to_thread(kill))


def restart_service(site: Site, seconds: float) -> str:
    """Kill the service, and start it after a while, as the Hub does."""
    site.kill()
    time.sleep(seconds)
    site.start()
    return "the service was killed and started again"


def restart_database(server: Postgres, seconds: float) -> str:
    """Kill PostgreSQL, and start it after a while, as systemd does."""
    server.kill()
    time.sleep(seconds)
    server.start()
    return "the database was killed and started again"


def kill_a_connection(server: Postgres, chosen: random.Random) -> str:
    """Kill the process that serves a connection: PostgreSQL closes all and recovers."""
    server.kill_a_connection(chosen)
    return "a connection's process of the database was killed"


async def run(site: Site, kills: list[tuple[str, Callable[[], str]]]) -> Journal:
    """Ten graders, and the kills at random moments."""
    journal = Journal()
    chosen = random.Random(SEED)  # noqa: S311 # repeatable, not secret
    each, rest = divmod(CHANGES, len(GRADERS))
    assert not rest, "GRADING_CHANGES must be a multiple of ten"

    async def one(number: int, name: str) -> list[str]:
        async with grader(site, name, journal) as person:
            await grade(person, number * (each // 12 + 1), each)
            return person.trouble

    killing = asyncio.create_task(kill_at_random(journal, kills, chosen))
    try:
        async with asyncio.timeout(60 + CHANGES):
            trouble = await asyncio.gather(
                *(one(number, name) for number, name in enumerate(GRADERS))
            )
            await killing
    finally:
        killing.cancel()
    print(journal.summary(), *journal.events, sep="\n")
    assert not [one for many in trouble for one in many], (
        "refused for another reason than an outage"
    )
    return journal


def check(journal: Journal, site: Site) -> None:
    """Nothing that was acknowledged is lost, and the audit log has a row for every change."""
    assert len(journal.changes) == CHANGES
    assert losses(journal, site.gradebook, site.audit) == []
    assert journal.count(Outcome.ACKNOWLEDGED) > 0.9 * CHANGES, journal.summary()


async def test_killed_processes(tmp_path: Path) -> None:
    """SQLite: formgraders, which write the gradebook, and the service, which writes the audit."""
    needs_proxy()
    course = make_class(tmp_path / "course", course_size())
    with class_site(tmp_path / "hub", course, GRADERS) as site:
        chosen = random.Random(SEED)  # noqa: S311 # repeatable, not secret
        formgrader = ("formgrader", lambda: site.kill_a_formgrader(chosen))
        service = ("service", lambda: restart_service(site, 1))
        check(await run(site, [formgrader, service, formgrader]), site)


async def test_killed_database(tmp_path: Path, postgres: Postgres) -> None:
    """PostgreSQL with the gradebook and the audit log: the database, a formgrader, the service."""
    pytest.importorskip("psycopg2")
    needs_proxy()
    gradebook, audit = postgres.database(), postgres.database()
    course = make_class(tmp_path / "course", course_size(), gradebook)
    with class_site(tmp_path / "hub", course, GRADERS, gradebook=gradebook, audit=audit) as site:
        chosen = random.Random(SEED)  # noqa: S311 # repeatable, not secret
        connection = ("connection", lambda: kill_a_connection(postgres, chosen))
        database = ("database", lambda: restart_database(postgres, 2))
        formgrader = ("formgrader", lambda: site.kill_a_formgrader(chosen))
        service = ("service", lambda: restart_service(site, 1))
        check(await run(site, [connection, database, formgrader, service]), site)
