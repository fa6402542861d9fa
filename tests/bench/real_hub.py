"""A real JupyterHub and configurable-http-proxy with many fake servers."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench import measure
from tests.bench.measure import BenchError
from tests.integration.processes import free_port, proxy_command
from tests.paths import ROOT

TOKENS = {"peer": "peer-token-of-the-bench", "ours": "our-token-of-the-bench"}
START_SECONDS = 120


@dataclass(frozen=True)
class RealHub:
    """A Hub that is ready and idle."""

    url: str
    pid: int
    database: Path

    def running_servers(self) -> int:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM spawners WHERE server_id IS NOT NULL"
            (count,) = database.execute(query).fetchone()
        return int(count)


@contextmanager
def rows(folder: Path, *, users: int, running: int, idle: int) -> Iterator[Path]:
    """Create a database for `hub()` to copy; its servers respond within this context."""
    backend = measure.python("-m", "tests.bench.cull.fast_hub", "--users=0")
    with measure.background(backend, folder / "backend.log") as (url, _):
        port = url.split("/")[2].partition(":")[2]
        template = folder / f"rows-{users}-{running}-{idle}.sqlite"
        command = measure.python("-m", "tests.bench.hub_rows", str(template), f"--port={port}")
        command += [f"--users={users}", f"--running={running}", f"--idle={idle}"]
        measure.run(command, {}, folder / "rows.log")
        yield template


@contextmanager
def hub(template: Path, folder: Path, stop_seconds: float) -> Iterator[RealHub]:
    """Run a Hub and its proxy with a copy of the database."""
    proxy = proxy_command()
    if proxy is None:
        raise BenchError("configurable-http-proxy is missing: run `make setup`")
    database = folder / "hub.sqlite"
    shutil.copy(template, database)
    hub_port, proxy_port, proxy_api_port = free_port(), free_port(), free_port()
    env = os.environ | {
        "BENCH_DB": str(database),
        "BENCH_HUB_PORT": str(hub_port),
        "BENCH_PROXY_PORT": str(proxy_port),
        "BENCH_PROXY_API_PORT": str(proxy_api_port),
        "BENCH_PROXY": json.dumps(proxy),
        "BENCH_STOP_SECONDS": str(stop_seconds),
        **{f"BENCH_{name.upper()}_TOKEN": token for name, token in TOKENS.items()},
    }
    log = folder / "hub.log"
    command = measure.python("-m", "jupyterhub", "-f", str(ROOT / "tests/bench/hub_config.py"))
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, cwd=folder)
    try:
        url = f"http://127.0.0.1:{hub_port}/hub/api"
        _wait_up(url, process, log)
        _wait_quiet(process.pid)
        yield RealHub(url, process.pid, database)
    finally:
        process.terminate()  # the Hub stops its proxy
        process.wait(timeout=60)


def _wait_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{url}/").close()  # noqa: S310 # the Hub of the benchmark
            return
        time.sleep(0.1)
    raise BenchError(f"the Hub did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _wait_quiet(pid: int) -> None:
    """Wait until the Hub has used almost no CPU time for a second."""
    deadline = time.monotonic() + START_SECONDS
    used = measure.cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(1)
        before, used = used, measure.cpu_seconds(pid)
        if used - before <= 0.03:
            return
    raise BenchError("the Hub does not become idle")
