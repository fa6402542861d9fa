"""`services.stats` beside log_jupyterhub_activity's scheme, a row per user and poll."""

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

_ASKED = "from opening the database to the text, imports apart"
PEER = "log_jupyterhub_activity's scheme"


@dataclass
class Figures(Table):
    """A table of single numbers with their targets, beside what Table tells."""

    figures: list[tuple[str, float, float | None, str]] = field(default_factory=list)
    """What, how much, at most (or None), unit."""

    def verdicts(self) -> list[str]:
        lines = super().verdicts()
        for what, value, target, unit in self.figures:
            if target is None:
                lines.append(f"{what}: {value:.3g} {unit}.")
            else:
                verdict = "Kept" if value <= target else "MISSED"
                lines.append(f"{verdict}: {what}: {value:.3g} {unit}, target {target:.3g} {unit}.")
        return lines


def storage(_repeats: int) -> list[Table]:
    """What a day takes on the disk, recorded poll by poll. Bytes do not vary: once is enough."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer, theirs = _work(folder, "peer", "peer.sqlite", f"--users={USERS}")
        mine, ours = _work(folder, "record", "ours.sqlite", f"--users={USERS}", f"--days={DAYS}")
    table = Figures(
        "stats-storage",
        f"A day of {USERS:,} users, 20 % of them active with two sessions",
        {f"{PEER}, 1 day": [peer], f"{OURS}, {DAYS} days": [mine]},
        f"{PEER}, 1 day",
        figures=[
            (f"{PEER} a day", theirs["bytes_a_day"] / 1e6, None, "MB"),
            (f"{OURS} a day", ours["bytes_a_day"] / 1e6, 0.3, "MB"),
            (f"{OURS}, slowest poll written", ours["slowest_poll"], None, "s"),
        ],
        notes=[f"Ours polls every 5 minutes, the other every 10. {OURS} keeps users once, apart."],
    )
    return [table]


@cache
def _semester() -> Path:
    """A database with a semester: made once, for all that ask it, and gone at the end."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    _work(folder, "semester", "semester.sqlite", f"--users={USERS}", f"--days={SEMESTER}")
    return folder / "semester.sqlite"


def report(repeats: int) -> list[Table]:
    """The semester's report, from the start of the process to its end, imports included."""
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
        table.figures.append((f"report by {by}, {_ASKED}", statistics.median(seconds), 0.5, "s"))
        table.figures.append((f"report by {by}, its CPU", statistics.median(used[by]), None, "s"))
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
"""What is asked for, by its path below the prefix."""


def dashboard(repeats: int) -> list[Table]:
    """Until the first byte of a page, signed in: of a process that has shown none, and later."""
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
            "The table is about the first page that a process shows, so templates are read and"
            " nothing is at hand; below it, the same page asked for again.",
            "CPU is that of the process, with the fake Hub in it.",
        ],
    )
    table.figures.append(
        (
            "counting the day that is not over, once a poll, CPU",
            statistics.median(counting),
            None,
            "s",
        )
    )
    for what, samples in first.items():
        seconds = statistics.median(sample.wall for sample in samples)
        table.figures.append((f"{what}, the first page", seconds, FIRST_BYTE, "s"))
        table.figures.append((f"{what}, later", statistics.median(later[what]), FIRST_BYTE, "s"))
    return [table]


def _first_byte(site: dict[str, str], path: str, pid: int) -> Sample:
    """Until the answer begins, on a connection of its own."""
    cpu = measure.cpu_seconds(pid)
    connection = HTTPConnection(site["origin"].removeprefix("http://"), timeout=60)
    begun = time.perf_counter()
    headers = {"Cookie": site["cookie"], "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
    connection.request("GET", site["prefix"] + path, headers=headers)
    answer = connection.getresponse()
    wall = time.perf_counter() - begun
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise BenchError(f"{path} answered {answer.status}: {body[:500]!r}")
    used = measure.cpu_seconds(pid) - cpu
    return Sample(wall=wall, cpu=used, peak_mb=measure.peak_mb(pid))


def first_poll(repeats: int) -> list[Table]:
    """Everybody of a large hub into a new database."""
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
        figures=[("seconds of the slowest", max(seconds), 10.0, "s")],
        notes=["The Hub is a quick fake on the same machine, whose CPU is not counted apart."],
    )
    return [table]


def poll_of_real_hub(repeats: int) -> list[Table]:
    """What a poll costs the Hub, beside reading all of its users."""
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
        notes=["Nobody was active between the polls: each 200 who were cost one page more."],
    )
    spread = table.spread("poll", "hub_cpu")
    if spread:
        table.figures.append(("Hub CPU of a poll", spread.median, 0.5, "s"))
    return [table]


def _poll_hub(hub: real_hub.RealHub, folder: Path, known: Path, *, full: bool) -> Sample:
    """Full: into a new database, which then is the known one."""
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
        raise BenchError(f"the poll was not as wanted: {outcome}")
    if full:
        shutil.copy(file, known)
    return replace(sample, hub_cpu=used)


def _work(folder: Path, what: str, file: str, *arguments: str) -> tuple[Sample, dict[str, Any]]:
    log = folder / f"{what}.log"
    command = measure.python("-m", "tests.bench.stats.work", what, str(folder / file), *arguments)
    sample = measure.run(command, {}, log)
    return sample, json.loads(log.read_text().splitlines()[-1])
