"""2,000 scores and comments while processes are killed: all are saved, or reported as not saved."""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.formgrader_proxy.grading.latencies import Latencies
from tests.bench.measure import BenchError
from tests.bench.report import Table
from tests.fakes.postgres import Postgres, temporary_postgres
from tests.integration.formgrader_proxy.grading_day.course import make_class
from tests.integration.formgrader_proxy.grading_day.journal import Journal, Spread, spreads
from tests.integration.formgrader_proxy.grading_day.kills import (
    GRADERS,
    Kill,
    Run,
    kill_connection,
    kill_database,
    kill_service,
)
from tests.integration.formgrader_proxy.grading_day.site import Site, class_site
from tests.integration.formgrader_proxy.grading_day.verify import losses

RUN = Run(changes=2_000, seed=13)


def killed(_repeats: int) -> list[Table]:
    """One run with SQLite, and one with PostgreSQL if it is installed."""
    rows: dict[str, Spread] = {}
    notes = []
    with tempfile.TemporaryDirectory() as name:
        note, rows["save, SQLite"] = _sqlite(Path(name))
        notes.append(f"SQLite: {note}")
    with tempfile.TemporaryDirectory() as name, temporary_postgres() as server:
        if server is None:
            notes.append("PostgreSQL is not installed, so only SQLite was tested.")
        else:
            note, rows["save, PostgreSQL"] = _postgres(Path(name), server)
            notes.append(f"PostgreSQL: {note}")
    title = f"{len(GRADERS)} graders make {RUN.changes:,} changes while processes are killed"
    return [Latencies("formgrader-kill", title, rows=rows, targets={}, notes=notes)]


def _sqlite(folder: Path) -> tuple[str, Spread]:
    course = make_class(folder / "course", RUN.size)
    with class_site(folder / "hub", course, GRADERS) as site:
        chosen = RUN.random()
        formgrader: Kill = lambda: site.kill_a_formgrader(chosen)  # noqa: E731
        return _graded(site, [formgrader, formgrader, lambda: kill_service(site)] * 3)


def _postgres(folder: Path, server: Postgres) -> tuple[str, Spread]:
    gradebook, audit = server.database(), server.database()
    course = make_class(folder / "course", RUN.size, gradebook)
    with class_site(folder / "hub", course, GRADERS, gradebook=gradebook, audit=audit) as site:
        chosen = RUN.random()
        kills: list[Kill] = [
            lambda: kill_connection(server, chosen),
            lambda: site.kill_a_formgrader(chosen),
            lambda: kill_database(server),
            lambda: kill_service(site),
        ]
        return _graded(site, kills * 2)


def _graded(site: Site, kills: list[Kill]) -> tuple[str, Spread]:
    """:raises BenchError: something was lost, or claimed to be"""
    began = time.monotonic()
    journal: Journal = asyncio.run(RUN.grade(site, kills))
    lost = losses(journal, site.gradebook, site.audit)
    if lost:
        raise BenchError(f"{len(lost)} contradictions, such as {'; '.join(lost[:5])}")
    seconds = time.monotonic() - began
    killed = ", ".join(f"{what} ({n} times)" for what, n in Counter(journal.events).items())
    text = f"{journal.summary()}, in {seconds:.0f} s. Killed: {killed}."
    return text, spreads(journal.timings)["save"]
