"""Run benchmarks by name: `python -m tests.bench [NAME...] [--repeats N] [--to FOLDER]`."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import cull_fake, report
from .measure import ROOT, BenchError
from .report import Table

BENCHMARKS: dict[str, Callable[[int], list[Table]]] = {
    "cull-5k": partial(cull_fake.pass_at, 5_000),
    "cull-50k": partial(cull_fake.pass_at, 50_000),
    "cull-200k": partial(cull_fake.pass_at, 200_000),
    "cull-250-stops": cull_fake.slow_stops,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--to", type=Path, default=ROOT / "bench-results")
    options = parser.parse_args()
    # A table's own name is good for picking the benchmark that makes it.
    chosen = [
        name
        for name in BENCHMARKS
        if not options.names
        or any(asked.startswith(name) or name.startswith(asked) for asked in options.names)
    ]
    if not chosen:
        parser.error(f"no such benchmark; there are {', '.join(BENCHMARKS)}")
    failures = 0
    for name in chosen:
        begun = time.monotonic()
        try:
            tables = BENCHMARKS[name](options.repeats)
        except BenchError as error:
            failures += 1
            print(f"{name} failed: {error}", file=sys.stderr)
            continue
        report.write(tables, options.to)
        for table in tables:
            print(table.markdown())
        print(f"({name}: {time.monotonic() - begun:.0f} s)\n", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
