"""Compares `services.cull --once` with jupyterhub-idle-culler on a real JupyterHub.

There are 10,000 users, 1,000 of them with a running server, and 500 of these are idle. Before each
pass that stops servers, the Hub is restarted with a copy of the same database. The database is in
memory if possible, so that other disk activity does not affect the results.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.bench import measure, real_hub
from tests.bench.cull.fake_hub import OURS, PEER, floor, ours, peer
from tests.bench.measure import BenchError, Sample, Spread
from tests.bench.real_hub import RealHub
from tests.bench.report import Table

USERS, RUNNING, IDLE = 10_000, 1_000, 500
TIMEOUT = 2 * 3600  # idle servers have been idle for five hours
NEVER = 24 * 3600
# jupyterhub-idle-culler stops one server at a time, so 500 stops of a second take it over eight
# minutes. Fewer stops give a similar result, with a smaller difference: other work weighs more.
FEW = 20

MEMORY = Path("/dev/shm")  # a temporary folder is created in it

FLOOR = "floor: bare aiohttp, stop only"


def listing(repeats: int) -> list[Table]:
    """Measure the Hub's cost of a pass without idle servers, and of re-reading 500 servers."""
    commands = {
        PEER: peer(NEVER),
        f"{PEER} --api-page-size=200": peer(NEVER, "--api-page-size=200"),
        OURS: ours(NEVER),
        "floor: bare aiohttp": floor(NEVER),
        "floor, and 500 servers re-read": floor(TIMEOUT, "--reread"),
    }
    with (
        _folder() as folder,
        real_hub.rows(folder, users=USERS, running=RUNNING, idle=IDLE) as template,
        real_hub.hub(template, folder, 0) as hub,
    ):
        contenders = {
            name: partial(_one_pass, hub, command, folder, stops=0)
            for name, command in commands.items()
        }
        samples = measure.in_turns(contenders, repeats)
    without, reread = (samples[name] for name in list(commands)[-2:])
    each = (_hub_cpu(reread) - _hub_cpu(without)) / IDLE
    table = Table(
        "hub-list",
        f"Real Hub, {USERS:,} users, {RUNNING:,} running servers, none idle",
        samples,
        PEER,
        hub_cpu_targets={OURS: 1.0},
        notes=[f"Re-reading one server costs the Hub {each * 1000:.1f} ms of CPU time."],
    )
    return [table]


def stops(name: str, idle: int, stop_seconds: float, target: float, repeats: int) -> list[Table]:
    """Measure a pass that stops all idle servers; each stop takes `stop_seconds`."""
    commands = {
        PEER: peer(TIMEOUT),
        OURS: ours(TIMEOUT),
        FLOOR: floor(TIMEOUT, "--stop"),
    }
    with (
        _folder() as folder,
        real_hub.rows(folder, users=USERS, running=RUNNING, idle=idle) as template,
    ):
        contenders = {
            who: partial(_on_a_new_hub, template, stop_seconds, command, folder, idle)
            for who, command in commands.items()
        }
        samples = measure.in_turns(contenders, repeats)
    ours_cpu, bare_cpu = _hub_cpu(samples[OURS]), _hub_cpu(samples[FLOOR])
    share = (ours_cpu - bare_cpu) / ours_cpu
    table = Table(
        name,
        f"Real Hub, {USERS:,} users, {RUNNING:,} running servers, {idle} of them idle,"
        f" {stop_seconds:g} s per stop",
        samples,
        PEER,
        wall_targets={OURS: target},
        notes=[
            f"{share:.0%} of the Hub's CPU time during the pass of {OURS} is for re-reading servers"
            " before they are stopped (compared with a client that only lists and stops)."
        ],
    )
    return [table]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def _hub_cpu(samples: Sequence[Sample]) -> float:
    return Spread.of([sample.hub_cpu or 0.0 for sample in samples]).median


def _on_a_new_hub(
    template: Path, stop_seconds: float, command: Sequence[str], folder: Path, idle: int
) -> Sample:
    with real_hub.hub(template, folder, stop_seconds) as hub:
        return _one_pass(hub, command, folder, stops=idle)


def _one_pass(hub: RealHub, command: Sequence[str], folder: Path, *, stops: int) -> Sample:
    before, used = hub.running_servers(), measure.cpu_seconds(hub.pid)
    token = real_hub.TOKENS["ours" if "services.cull" in command else "peer"]
    env = {"JUPYTERHUB_API_URL": hub.url, "JUPYTERHUB_API_TOKEN": token}
    sample = measure.run(command, env, folder / "client.log")
    stopped = before - hub.running_servers()
    if stopped != stops:
        raise BenchError(f"{' '.join(command)} stopped {stopped} servers, expected {stops}")
    return dataclasses.replace(sample, hub_cpu=measure.cpu_seconds(hub.pid) - used)
