"""Ten graders save scores while processes are killed: no acknowledged score is lost."""

import os
from pathlib import Path

import pytest

from tests.fakes.postgres import Postgres, postgres
from tests.integration.conftest import needs_proxy
from tests.integration.formgrader_proxy.grading_day.course import make_class
from tests.integration.formgrader_proxy.grading_day.journal import Journal, Outcome
from tests.integration.formgrader_proxy.grading_day.kills import (
    GRADERS,
    Run,
    kill_connection,
    kill_database,
    kill_service,
)
from tests.integration.formgrader_proxy.grading_day.site import Site, class_site
from tests.integration.formgrader_proxy.grading_day.verify import losses

pytest.importorskip("nbgrader")
__all__ = ["postgres"]
#: The benchmark formgrader-kill makes 2,000 changes, which takes minutes.
RUN = Run(
    changes=int(os.environ.get("GRADING_CHANGES", "120")),
    seed=int(os.environ.get("GRADING_SEED", "13")),
)


def check(journal: Journal, site: Site) -> None:
    """Everything is acknowledged in the end, in the gradebook, and in the audit log."""
    print(journal.summary(), *journal.events, sep="\n")
    assert losses(journal, site.gradebook, site.audit) == []
    assert journal.count(Outcome.ACKNOWLEDGED) == RUN.changes, journal.reported()


async def test_killed_processes(tmp_path: Path) -> None:
    """SQLite: formgraders, which write the gradebook, and the service, which writes the audit."""
    needs_proxy()
    course = make_class(tmp_path / "course", RUN.size)
    with class_site(tmp_path / "hub", course, GRADERS) as site:
        chosen = RUN.random()
        kills = [
            lambda: site.kill_a_formgrader(chosen),
            lambda: kill_service(site),
            lambda: site.kill_a_formgrader(chosen),
        ]
        check(await RUN.grade(site, kills), site)


async def test_killed_database(tmp_path: Path, postgres: Postgres) -> None:
    """PostgreSQL with the gradebook and the audit log: the database, a formgrader, the service."""
    pytest.importorskip("psycopg2")
    needs_proxy()
    gradebook, audit = postgres.database(), postgres.database()
    course = make_class(tmp_path / "course", RUN.size, gradebook)
    with class_site(tmp_path / "hub", course, GRADERS, gradebook=gradebook, audit=audit) as site:
        chosen = RUN.random()
        kills = [
            lambda: kill_connection(postgres, chosen),
            lambda: kill_database(postgres),
            lambda: site.kill_a_formgrader(chosen),
            lambda: kill_service(site),
        ]
        check(await RUN.grade(site, kills), site)
