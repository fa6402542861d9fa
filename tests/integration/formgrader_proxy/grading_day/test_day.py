"""A short day of grading: nothing is lost, and nobody waits for a job of the instructor."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.conftest import needs_proxy
from tests.integration.formgrader_proxy.grading_day.course import make_class
from tests.integration.formgrader_proxy.grading_day.day import SHORT, day
from tests.integration.formgrader_proxy.grading_day.journal import Outcome, spreads
from tests.integration.formgrader_proxy.grading_day.site import class_site
from tests.integration.formgrader_proxy.grading_day.verify import losses

pytest.importorskip("nbgrader")
#: Far above the target, which the benchmark measures, and far below the time of a job.
MOST_SECONDS = 3.0


async def test_a_short_day_of_grading(tmp_path: Path) -> None:
    """5 graders, 220 students, 3 jobs, a changed course, and a restart of the service."""
    needs_proxy()
    course = make_class(tmp_path / "course", SHORT.size)
    with class_site(tmp_path / "hub", course, SHORT.names) as site:
        async with asyncio.timeout(240):
            journal = await day(site, SHORT)
        found = spreads(journal.outside())
        print(journal.summary(), *journal.events, *found.items(), sep="\n")
        assert len(journal.changes) >= SHORT.saves
        assert journal.count(Outcome.ACKNOWLEDGED) == len(journal.changes), journal.reported()
        assert len(journal.outside()) < len(journal.timings), "the restart interrupted nobody"
        assert losses(journal, site.gradebook, site.audit) == []
        for kind in ("save", "next"):
            assert found[kind].p95 < MOST_SECONDS, f"{kind}: {found[kind]}"
