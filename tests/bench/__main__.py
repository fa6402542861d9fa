"""Run benchmarks, all or by name: `python -m tests.bench [NAME...] [--repeats N]`."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench import report
from tests.bench.cull import fake_hub as cull_fake
from tests.bench.cull import real_hub as cull_real
from tests.bench.formgrader_proxy import autograde as formgrader_autograde
from tests.bench.formgrader_proxy import compare as formgrader
from tests.bench.formgrader_proxy import data as formgrader_data
from tests.bench.formgrader_proxy import next_page as formgrader_next
from tests.bench.formgrader_proxy import page as formgrader_page
from tests.bench.formgrader_proxy import tables as formgrader_tables
from tests.bench.formgrader_proxy.graders import class_load as formgrader_load
from tests.bench.formgrader_proxy.grading import day as formgrader_day
from tests.bench.formgrader_proxy.grading import kill as formgrader_kill
from tests.bench.measure import BenchError, Stolen
from tests.bench.report import Table
from tests.bench.stats import measure as stats
from tests.paths import ROOT

BENCHMARKS: dict[str, Callable[[int], list[Table]]] = {
    "cull-5k": partial(cull_fake.pass_at, 5_000),
    "cull-50k": partial(cull_fake.pass_at, 50_000),
    "cull-200k": partial(cull_fake.pass_at, 200_000),
    "cull-250-stops": cull_fake.slow_stops,
    "formgrader": formgrader.relay,
    "formgrader-autograde": formgrader_autograde.autograde,
    "formgrader-day": formgrader_day.grading_day,
    "formgrader-load": partial(formgrader_load.while_autograding, 220),
    "formgrader-load-1100": partial(formgrader_load.while_autograding, 1_100),
    "formgrader-data": partial(formgrader_data.data, 220, "formgrader-data"),
    "formgrader-next": formgrader_next.next_pages,
    "formgrader-page": formgrader_page.rendering,
    "formgrader-tables": formgrader_tables.drawing,
    "hub-list": cull_real.listing,
    "hub-stop": partial(cull_real.stops, "hub-stop", cull_real.IDLE, 0.0, 0.8),
    "hub-slow-stop": partial(cull_real.stops, "hub-slow-stop", cull_real.FEW, 1.0, 0.15),
    "stats-storage": stats.storage,
    "stats-report": stats.report,
    "stats-dashboard": stats.dashboard,
    "stats-first-poll": stats.first_poll,
    "stats-poll": stats.poll_of_real_hub,
}
# Not run by default: jupyterhub-idle-culler alone takes nine minutes per run, one of nbgrader's
# requests three, and 2,000 scores while processes are killed ten.
LONG: dict[str, Callable[[int], list[Table]]] = {
    "formgrader-kill": formgrader_kill.killed,
    "formgrader-data-1100": partial(formgrader_data.data, 1_100, "formgrader-data-1100"),
    "hub-slow-stop-500": partial(cull_real.stops, "hub-slow-stop-500", cull_real.IDLE, 1.0, 0.15),
}

NOTABLE = 0.05
"""The fraction of stolen time from which it is reported."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS | LONG))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--to", type=Path, default=ROOT / "bench-results")
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="also write all results to this file"
    )
    options = parser.parse_args()
    known = BENCHMARKS | LONG
    unknown = set(options.names) - known.keys()
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)}; choose from {', '.join(known)}")
    failures = 0
    for name in options.names or BENCHMARKS:
        started = time.monotonic()
        stolen = Stolen()
        try:
            tables = known[name](options.repeats)
        except BenchError as error:
            failures += 1
            print(f"{name} failed: {error}", file=sys.stderr)
            continue
        if (share := stolen.share()) >= NOTABLE:
            for table in tables:
                table.notes.append(
                    f"Virtual machine: the host used {share:.0%} of the time for other machines;"
                    " wall times include it."
                )
        document = report.write(tables, options.to)
        if options.document:
            shutil.copyfile(document, options.document)
        for table in tables:
            print(table.markdown())
        print(f"({name}: {time.monotonic() - started:.0f} s)\n", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
