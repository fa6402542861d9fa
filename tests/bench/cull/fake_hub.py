"""Compares `services.cull --once` with jupyterhub-idle-culler on a fast fake Hub."""

import json
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.bench import measure
from tests.bench.measure import BenchError, Sample
from tests.bench.report import Table

TIMEOUT = 3600  # idle servers on the fake Hub have been idle for two hours
NEVER = 36000  # with this timeout no server is idle, and a pass only reads and decides

OURS = "services.cull"
PEER = "jupyterhub-idle-culler"


def ours(timeout: int, *flags: str) -> list[str]:
    return measure.python("-m", "services.cull", "--once", f"--timeout={timeout}", *flags)


def peer(timeout: int, *flags: str) -> list[str]:
    return measure.python("-m", "tests.bench.cull.peer", f"--timeout={timeout}", *flags)


def floor(timeout: int, *flags: str) -> list[str]:
    return measure.python("-m", "tests.bench.cull.floor", f"--timeout={timeout}", *flags)


def pass_at(users: int, repeats: int) -> list[Table]:
    """Measure a pass over `users`: a tenth have a running server, half of which are idle."""
    idle = users // 20
    with tempfile.TemporaryDirectory() as folder:
        contend = partial(_contend, users, idle, 0.0, Path(folder))
        listing = contend(
            {
                PEER: peer(NEVER),
                f"{PEER} --api-page-size=200": peer(NEVER, "--api-page-size=200"),
                OURS: ours(NEVER),
                "floor: bare aiohttp": floor(NEVER),
            },
            0,
            repeats,
        )
        stopping = contend(
            {
                PEER: peer(TIMEOUT),
                OURS: ours(TIMEOUT),
                "floor: bare aiohttp, re-read and stop": floor(TIMEOUT, "--reread", "--stop"),
                "floor: bare aiohttp, stop only": floor(TIMEOUT, "--stop"),
            },
            idle,
            repeats,
        )
    largest = users >= 200_000
    targets = {OURS: 0.2} if largest else {}
    peaks = {OURS: 60.0}
    size = f"{users // 1000}k"
    tenth = f"{users // 10:,} running servers"
    return [
        Table(
            f"cull-{size}-list",
            f"One pass, {users:,} users, {tenth}, none idle",
            listing,
            PEER,
            benchmark=f"cull-{size}",
            wall_targets=targets,
            peak_targets=peaks,
        ),
        Table(
            f"cull-{size}-stop",
            f"One pass, {users:,} users, {tenth}, {idle:,} of them idle and stopped without delay",
            stopping,
            PEER,
            benchmark=f"cull-{size}",
            wall_targets=targets,
            peak_targets=peaks,
            notes=[f"{OURS} reads each server again before it stops it; {PEER} does not."],
        ),
    ]


def slow_stops(repeats: int) -> list[Table]:
    """Measure 250 stops of 50 ms each."""
    with tempfile.TemporaryDirectory() as folder:
        samples = _contend(
            5000,
            250,
            0.05,
            Path(folder),
            {
                PEER: peer(TIMEOUT, "--concurrency=10"),
                OURS: ours(TIMEOUT, "--concurrency=10"),
                "floor: bare aiohttp, stop only": floor(TIMEOUT, "--stop"),
            },
            250,
            repeats,
        )
    title = "250 stops of 50 ms each, concurrency 10"
    return [Table("cull-250-stops", title, samples, PEER, wall_targets={OURS: 1 / 6})]


def _contend(
    users: int,
    idle: int,
    stop_seconds: float,
    folder: Path,
    commands: dict[str, Sequence[str]],
    stops: int,
    repeats: int,
) -> dict[str, list[Sample]]:
    hub = measure.python(
        "-m",
        "tests.bench.cull.fast_hub",
        f"--users={users}",
        f"--idle={idle}",
        f"--stop-seconds={stop_seconds}",
    )
    with measure.background(hub, folder / "hub.log") as (url, _):
        contenders: dict[str, Callable[[], Sample]] = {
            name: partial(_one_pass, url, command, stops, folder / "client.log")
            for name, command in commands.items()
        }
        return measure.in_turns(contenders, repeats)


def _one_pass(url: str, command: Sequence[str], stops: int, log: Path) -> Sample:
    _ask(url, "POST")
    sample = measure.run(
        command,
        {
            "JUPYTERHUB_API_URL": url,
            "JUPYTERHUB_API_TOKEN": "a-token-of-the-bench",
        },
        log,
    )
    done = json.loads(_ask(url, "GET"))
    if done.get("stops", 0) != stops:
        raise BenchError(f"{' '.join(command)} made {done}, expected {stops} stops")
    return sample


def _ask(url: str, method: str) -> bytes:
    request = urllib.request.Request(f"{url}/_bench", method=method)  # noqa: S310 # the fake Hub
    with urllib.request.urlopen(request) as response:  # noqa: S310 # the fake Hub
        body: bytes = response.read()
    return body
