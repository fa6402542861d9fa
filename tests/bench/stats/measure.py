"""Compares `services.stats` with the schema of log_jupyterhub_activity: a row per user and poll."""

import atexit
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import cache, partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.bench import measure, real_hub
from tests.bench.measure import BenchError, Sample
from tests.bench.report import Table

USERS, DAYS, SEMESTER = 10_000, 3, 120
OURS = "services.stats"
FIRST_BYTE = 0.3
"""Seconds."""

_MEASURED = "from opening the database to the printed text, without imports"
PEER = "log_jupyterhub_activity's schema"


@dataclass
class Figures(Table):
    """A table with additional figures and their targets."""

    figures: list[tuple[str, float, float | None, str]] = field(default_factory=list)
    """Description, value, maximum (or None), unit."""

    def verdicts(self) -> list[str]:
        lines = super().verdicts()
        for what, value, target, unit in self.figures:
            if target is None:
                lines.append(f"{what}: {value:.3g} {unit}.")
            else:
                verdict = "Met" if value <= target else "MISSED"
                lines.append(f"{verdict}: {what}: {value:.3g} {unit}, target {target:.3g} {unit}.")
        return lines


def storage(_repeats: int) -> list[Table]:
    """Measure the disk space for a day of polls. One run is enough, because it does not vary."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer, theirs = _work(folder, "peer", "peer.sqlite", f"--users={USERS}")
        mine, ours = _work(folder, "record", "ours.sqlite", f"--users={USERS}", f"--days={DAYS}")
    table = Figures(
        "stats-storage",
        f"One day of {USERS:,} users, 20 % of them active with two sessions",
        {f"{PEER}, 1 day": [peer], f"{OURS}, {DAYS} days": [mine]},
        f"{PEER}, 1 day",
        figures=[
            (f"{PEER}, per day", theirs["bytes_a_day"] / 1e6, None, "MB"),
            (f"{OURS}, per day", ours["bytes_a_day"] / 1e6, 0.3, "MB"),
            (f"{OURS}, slowest write of a poll", ours["slowest_poll"], None, "s"),
        ],
        notes=[
            f"{OURS} polls every 5 minutes, log_jupyterhub_activity every 10. {OURS} stores each"
            " user once, in a separate table."
        ],
    )
    return [table]


@cache
def _semester() -> Path:
    """Create a database with a semester, once per process; it is deleted at exit."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    _work(folder, "semester", "semester.sqlite", f"--users={USERS}", f"--days={SEMESTER}")
    return folder / "semester.sqlite"


def report(repeats: int) -> list[Table]:
    """Measure reports on a semester, from process start to exit, including imports."""
    file = _semester()
    size = file.stat().st_size
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common = ("-m", "services.stats", "report", f"--db-url=sqlite:///{file}")
        bare = measure.python(*common, "--since=2000-01-01", "--until=2000-01-01")
        contenders = {"imports and an empty report": bare} | {
            f"report by {by}": measure.python(
                *common, "--since=2026-03-02", "--until=2026-06-29", f"--by={by}"
            )
            for by in ("day", "week", "month")
        }
        samples = measure.in_turns(
            {
                what: partial(measure.run, command, {}, folder / "report.log")
                for what, command in contenders.items()
            },
            repeats,
        )
        asked: dict[str, list[float]] = {}
        used: dict[str, list[float]] = {}
        for _ in range(repeats):
            for by in ("day", "week", "month"):
                flags = (f"--days={SEMESTER}", f"--by={by}")
                _, outcome = _work(folder, "ask", str(file), *flags)
                asked.setdefault(by, []).append(outcome["seconds"])
                used.setdefault(by, []).append(outcome["cpu_seconds"])
    table = Figures(
        "stats-report",
        f"Report on {SEMESTER} days of {USERS:,} users, SQLite ({size / 1e6:.0f} MB)",
        samples,
        "imports and an empty report",
    )
    for by, seconds in asked.items():
        table.figures.append((f"report by {by}, {_MEASURED}", statistics.median(seconds), 0.5, "s"))
        table.figures.append((f"report by {by}, CPU time", statistics.median(used[by]), None, "s"))
    return [table]


_ALL = "since=2026-03-02&until=2026-06-29"
PAGES = {
    "overview, 30 days": "",
    "overview, the semester by day": f"?{_ALL}",
    "overview, the semester by week": f"?{_ALL}&by=week",
    "overview of a group, the semester": f"?{_ALL}&group=nbgrader-course1",
    "users, the semester": f"users?{_ALL}",
    "API: summary, the semester": f"api/summary?{_ALL}",
}
"""Paths below the prefix, by description."""


def dashboard(repeats: int) -> list[Table]:
    """Measure the time to the first byte of a page, of the first and of later requests."""
    first: dict[str, list[Sample]] = {}
    later: dict[str, list[float]] = {}
    counting: list[float] = []
    command = measure.python("-m", "tests.bench.stats.work", "serve", str(_semester()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(repeats):
            for what, path in PAGES.items():
                with measure.background(command, folder / "serve.log") as (line, pid):
                    site = json.loads(line)
                    counting.append(site["count_cpu_seconds"])
                    first.setdefault(what, []).append(_first_byte(site, path, pid))
                    later.setdefault(what, []).extend(
                        _first_byte(site, path, pid).wall for _ in range(3)
                    )
    table = Figures(
        "stats-dashboard",
        f"First byte of a page, {SEMESTER} days of {USERS:,} users, SQLite, signed in",
        first,
        "overview, 30 days",
        notes=[
            "The table shows the first request to a new process, which loads its templates and has"
            " empty caches.",
            "CPU times include the fake Hub, which runs in the same process.",
        ],
    )
    table.figures.append(
        (
            "CPU time to count the current day, once per poll",
            statistics.median(counting),
            None,
            "s",
        )
    )
    for what, samples in first.items():
        seconds = statistics.median(sample.wall for sample in samples)
        table.figures.append((f"{what}, first request", seconds, FIRST_BYTE, "s"))
        table.figures.append(
            (f"{what}, later requests", statistics.median(later[what]), FIRST_BYTE, "s")
        )
    return [table]


def _first_byte(site: dict[str, str], path: str, pid: int) -> Sample:
    """Measure the time until the response starts, on a new connection."""
    cpu = measure.cpu_seconds(pid)
    connection = HTTPConnection(site["origin"].removeprefix("http://"), timeout=60)
    started = time.perf_counter()
    headers = {
        "Cookie": site["cookie"],
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
        "Sec-Fetch-Site": "none",
    }
    connection.request("GET", site["prefix"] + path, headers=headers)
    answer = connection.getresponse()
    wall = time.perf_counter() - started
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise BenchError(f"unexpected status of {path}: {answer.status}: {body[:500]!r}")
    used = measure.cpu_seconds(pid) - cpu
    return Sample(wall=wall, cpu=used, peak_mb=measure.peak_mb(pid))


def first_poll(repeats: int) -> list[Table]:
    """Measure the first poll of a large hub, into a new database."""
    users = 200_000
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = measure.python("-m", "tests.bench.cull.fast_hub", f"--users={users}")
        samples = []
        with measure.background(command, folder / "hub.log") as (url, _):
            for number in range(repeats):
                sample, outcome = _work(folder, "poll", f"{number}.sqlite", f"--url={url}")
                seconds.append(outcome["seconds"])
                samples.append(sample)
                (folder / f"{number}.sqlite").unlink()
    table = Figures(
        "stats-first-poll",
        f"First poll of {users:,} users, {users // 10:,} of them with running servers",
        {OURS: samples},
        OURS,
        peak_targets={OURS: 200.0},
        figures=[("slowest run", max(seconds), 10.0, "s")],
        notes=["The Hub is a fast fake on the same machine; its CPU time is not reported."],
    )
    return [table]


def poll_of_real_hub(repeats: int) -> list[Table]:
    """Measure the Hub's cost of a poll, compared with reading all users."""
    users, running = 50_000, 1_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            real_hub.rows(folder, users=users, running=running, idle=running // 2) as template,
            real_hub.hub(template, folder, 0) as hub,
        ):
            known = folder / "known.sqlite"
            samples = measure.in_turns(
                {
                    "full listing": partial(_poll_hub, hub, folder, known, full=True),
                    "poll": partial(_poll_hub, hub, folder, known, full=False),
                },
                repeats,
            )
    table = Figures(
        "stats-poll",
        f"Poll of a real Hub, {users:,} users, {running:,} running servers",
        samples,
        "full listing",
        notes=["No user was active between the polls; every 200 active users need one more page."],
    )
    spread = table.spread("poll", "hub_cpu")
    if spread:
        table.figures.append(("Hub CPU time of a poll", spread.median, 0.5, "s"))
    return [table]


def _poll_hub(hub: real_hub.RealHub, folder: Path, known: Path, *, full: bool) -> Sample:
    """Poll into a new database if ``full``, otherwise into a copy of the known one."""
    file = folder / ("full.sqlite" if full else "changes.sqlite")
    for old in folder.glob(f"{file.name}*"):
        old.unlink()
    if not full:
        shutil.copy(known, file)
    used = measure.cpu_seconds(hub.pid)
    sample, outcome = _work(
        folder, "poll", file.name, f"--url={hub.url}", f"--token={real_hub.TOKENS['ours']}"
    )
    used = measure.cpu_seconds(hub.pid) - used
    if outcome["full"] is not full:
        raise BenchError(f"unexpected kind of poll: {outcome}")
    if full:
        shutil.copy(file, known)
    return replace(sample, hub_cpu=used)


def _work(folder: Path, what: str, file: str, *arguments: str) -> tuple[Sample, dict[str, Any]]:
    log = folder / f"{what}.log"
    command = measure.python("-m", "tests.bench.stats.work", what, str(folder / file), *arguments)
    sample = measure.run(command, {}, log)
    return sample, json.loads(log.read_text().splitlines()[-1])
