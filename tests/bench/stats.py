"""`services.stats` beside log_jupyterhub_activity's scheme, a row per user and poll."""

import json
import shutil
import statistics
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from . import measure, real_hub
from .measure import BenchError, Sample
from .report import Table

USERS, DAYS, SEMESTER = 10_000, 3, 120
OURS = "services.stats"
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


def report(repeats: int) -> list[Table]:
    """The semester's report, from the start of the process to its end, imports included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "semester.sqlite"
        _work(folder, "semester", file.name, f"--users={USERS}", f"--days={SEMESTER}")
        size = file.stat().st_size
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
        for _ in range(repeats):
            for by in ("day", "week", "month"):
                flags = (f"--days={SEMESTER}", f"--by={by}")
                _, outcome = _work(folder, "ask", file.name, *flags)
                asked.setdefault(by, []).append(outcome["seconds"])
    table = Figures(
        "stats-report",
        f"Report on {SEMESTER} days of {USERS:,} users, SQLite ({size / 1e6:.0f} MB)",
        samples,
        "imports and an empty report",
    )
    for by, seconds in asked.items():
        table.figures.append((f"report by {by}, {_ASKED}", statistics.median(seconds), 0.5, "s"))
    return [table]


def first_poll(repeats: int) -> list[Table]:
    """Everybody of a large hub into a new database."""
    users = 200_000
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = measure.python("-m", "tests.bench.fast_hub", f"--users={users}")
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
    command = measure.python("-m", "tests.bench.stats_work", what, str(folder / file), *arguments)
    sample = measure.run(command, {}, log)
    return sample, json.loads(log.read_text().splitlines()[-1])
