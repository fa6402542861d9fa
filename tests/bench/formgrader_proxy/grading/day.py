"""A simulated day of grading behind a real Hub: how long graders wait, and that nothing is lost."""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.formgrader_proxy.grading.latencies import Latencies
from tests.bench.measure import BenchError
from tests.bench.report import Table
from tests.integration.formgrader_proxy.grading_day.course import make_class
from tests.integration.formgrader_proxy.grading_day.day import DAY, Plan, day
from tests.integration.formgrader_proxy.grading_day.journal import Journal, Outcome, spreads
from tests.integration.formgrader_proxy.grading_day.site import class_site
from tests.integration.formgrader_proxy.grading_day.verify import losses

#: What a grader waits for: the next submission, its scores and comments, and a save.
WAITED_FOR = ("next", "data", "save")
#: Seconds: the 95th percentile of each.
MOST_SECONDS = 0.5


def grading_day(_repeats: int) -> list[Table]:
    """One day; its thousands of requests are the repetitions."""
    with tempfile.TemporaryDirectory() as name:
        course = make_class(Path(name) / "course", DAY.size)
        with class_site(Path(name) / "hub", course, DAY.names) as site:
            wall, cpu = time.monotonic(), time.process_time()
            journal = asyncio.run(day(site, DAY))
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            lost = losses(journal, site.gradebook, site.audit)
    if lost:
        raise BenchError(f"{len(lost)} contradictions, such as {'; '.join(lost[:5])}")
    if journal.count(Outcome.ACKNOWLEDGED) != len(journal.changes):
        raise BenchError(f"not everything was saved: {journal.summary()}")
    return [_table(DAY, journal, wall, cpu)]


def _table(plan: Plan, journal: Journal, wall: float, cpu: float) -> Table:
    outside = spreads(journal.outside())
    everything = spreads(journal.timings)
    return Latencies(
        "formgrader-day",
        f"A day of grading: {plan.graders} graders, {plan.size.students} students,"
        f" {plan.submissions} submissions",
        rows={f"{kind}, without the restart": one for kind, one in outside.items()}
        | {f"{kind}, with the restart": everything[kind] for kind in WAITED_FOR},
        targets={f"{kind}, without the restart": MOST_SECONDS for kind in WAITED_FOR},
        notes=[*_notes(plan, journal.events, wall, cpu), f"Nothing is lost: {journal.summary()}."],
    )


def _notes(plan: Plan, events: Sequence[str], wall: float, cpu: float) -> list[str]:
    return [
        f"What happened besides: {'; '.join(events)}.",
        f"Each grader waits {plan.think_seconds} s before each change, a hundredth of what people"
        f" take, so the day has {wall:.0f} s. The graders themselves used {cpu / wall:.0%} of one"
        f" of {os.cpu_count()} cores, the Hub and its proxy more; all of them share these cores"
        " with the service.",
    ]
