"""Compares the formgrader proxy with other proxies in front of the same upstream, in turns.

services.formgrader_proxy runs with a signed-in grader and all checks. The others check less:
configurable-http-proxy and jupyter-server-proxy check only a path or a token, and nginx uses
``auth_request``.
"""

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import measure
from tests.bench.measure import BenchError, Spread
from tests.bench.report import Table
from tests.paths import ROOT

OURS, BY_TOKEN = "services.formgrader_proxy", "services.formgrader_proxy, by token"
NGINX, CHP = "nginx, auth_request", "configurable-http-proxy"
JSP, DIRECT = "jupyter-server-proxy", "direct"
COURSE = "/services/formgrader/course101/"
SECONDS = 1.0
#: Small responses over this number of connections, the large response, WebSockets.
LOADS = ("1", "10", "100", "big", "socket")
#: The headers that Chromium sends for a request from an nbgrader page.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36",
    "Accept": "application/json, text/javascript, */*; q=0.01",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    "X-Requested-With": "XMLHttpRequest",
}
Result = dict[str, dict[str, float] | None]


@dataclass(frozen=True)
class Contender:
    """A contender's address, the headers with which it accepts requests, and its processes."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    pids: Sequence[int] = ()


@dataclass
class RateTable(Table):
    """A table of rates and latencies instead of total times."""

    results: Mapping[str, list[Result]] = field(default_factory=dict)

    def middle(self, name: str, load: str, quantity: str) -> float | None:
        """Return the median of all turns, or None if the contender does not support the load."""
        values = [one[quantity] for turn in self.results.get(name, []) if (one := turn[load])]
        return Spread.of(values).median if values else None

    def beside(self, name: str, load: str, quantity: str) -> Spread | None:
        """Return the ratios of services.formgrader_proxy to a contender, or None without both."""
        both = [
            (ours[quantity], theirs[quantity])
            for our_turn, their_turn in zip(
                self.results.get(OURS, []), self.results.get(name, []), strict=False
            )
            if (ours := our_turn[load]) and (theirs := their_turn[load])
        ]
        return Spread.of([ours / theirs for ours, theirs in both]) if both else None

    def verdicts(self) -> list[str]:
        """Return a sentence for each target, met or missed; loads that did not run are omitted."""
        sentences = []
        ours, direct = (self.middle(name, "10", "median_ms") for name in (OURS, DIRECT))
        if ours is not None and direct is not None:
            added = ours - direct
            sentences.append(
                _verdict(added <= 1.0, f"adds {added:.2f} ms at the median, target 1 ms")
            )
        for name, what, load, quantity, target in (
            (JSP, f"{JSP}'s request rate", "10", "rate", 6.0),
            (NGINX, "nginx's request rate", "10", "rate", 0.5),
            (CHP, f"{CHP}'s throughput for 1 GB", "big", "mb_per_s", 1.0),
        ):
            if found := self.beside(name, load, quantity):
                words = f"reaches {found.median:.2f} times {what}, target {target:g}"
                words += f" (single turns: {found.least:.2f} to {found.greatest:.2f})"
                sentences.append(_verdict(found.median >= target, words))
        above = self.middle(OURS, "big", "above_mb")
        if above is not None:
            words = f"uses {above:.1f} MB more for 1 GB than when idle, target 20 MB"
            sentences.append(_verdict(above < 20, words))
        if cost := self.beside(JSP, "10", "cpu_us"):
            sentences.append(
                f"A request through {OURS} needs {cost.median:.2f} times the CPU time of one"
                f" through {JSP}."
            )
        return sentences

    def markdown(self) -> str:
        head = ["", "1: req/s", "10: req/s", "100: req/s", "10: median ms", "10: p99 ms"]
        head += ["10: CPU µs"]
        head += ["1 GB: MB/s", "1 GB: MB above idle", "WebSocket round trips/s"]
        cells = (
            *((load, "rate", 0) for load in ("1", "10", "100")),
            *(("10", "median_ms", 2), ("10", "p99_ms", 2), ("10", "cpu_us", 0)),
            *(("big", "mb_per_s", 0), ("big", "above_mb", 1), ("socket", "rate", 0)),
        )
        rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
        for name in self.results:
            values = [(self.middle(name, load, what), digits) for load, what, digits in cells]
            rows.append([name, *("-" if v is None else f"{v:,.{d}f}" for v, d in values)])
        lines = [f"## {self.title}", "", f"`python -m tests.bench {self.name}`", ""]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines += ["", *(f"- {sentence}" for sentence in self.verdicts() + self.notes)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "title": self.title,
            "results": dict(self.results),
            "verdicts": self.verdicts(),
            "notes": self.notes,
        }


def _verdict(met: bool, words: str) -> str:
    return f"{'Met' if met else 'MISSED'}: {OURS} {words}."


def relay(repeats: int) -> list[Table]:
    """Measure small responses, a large one and WebSockets through each contender."""
    with tempfile.TemporaryDirectory() as folder:
        results, notes = asyncio.run(_measure(Path(folder), repeats))
    title = "Requests to a formgrader over 1, 10 and 100 connections"
    return [RateTable("formgrader", title, {}, DIRECT, notes=notes, results=results)]


async def _measure(folder: Path, repeats: int) -> tuple[dict[str, list[Result]], list[str]]:
    notes = [
        f"{OURS} runs with all checks and a signed-in user: with a browser's cookies, and with a"
        " token in the Authorization header. All requests have a browser's headers.",
        f"{OURS} and nginx log each request, as they do by default.",
        "CPU µs are the CPU time of the contender's processes per request, over 10 connections.",
        "The client for small responses is"
        f" {'wrk' if shutil.which('wrk') else 'written in Python'}.",
    ]
    async with AsyncExitStack() as stack:
        command = measure.python("-m", "tests.bench.formgrader_proxy.upstream")
        upstream, pid = stack.enter_context(measure.background(command, folder / "upstream.log"))
        contenders = {DIRECT: Contender(upstream + COURSE, pids=[pid])}
        contenders |= await stack.enter_async_context(_ours(folder, upstream))
        for name, start in ((CHP, _chp), (NGINX, _nginx), (JSP, _jsp)):
            made = await stack.enter_async_context(start(folder, upstream))
            if isinstance(made, str):
                notes.append(f"{name} was skipped: {made}.")
            else:
                contenders[name] = made
        results: dict[str, list[Result]] = {name: [] for name in contenders}
        # A machine's speed varies over seconds, so contenders run in turns, in a different order
        # each time.
        names = list(contenders)
        for turn in range(repeats):
            for one in results.values():
                one.append({})
            for load in LOADS:
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    results[name][-1][load] = await _load(load, contenders[name])
    return results, notes


async def _load(load: str, contender: Contender) -> dict[str, float] | None:
    headers = json.dumps(BROWSER | dict(contender.headers))
    words = [load, contender.url, headers, str(SECONDS), *map(str, contender.pids)]
    process = await asyncio.create_subprocess_exec(
        *measure.python("-m", "tests.bench.formgrader_proxy.load", *words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise BenchError(
            f"The load generator failed for {contender.url}: {errors.decode()[-1000:]}"
        )
    found: dict[str, float] | None = json.loads(out)
    return found


@asynccontextmanager
async def _running(
    command: Sequence[str], log: Path, port: int, env: Mapping[str, str] | None = None
) -> AsyncIterator[int]:
    """Start a server, wait until its port accepts connections, and yield its process."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 # starting is quick, and nothing else runs yet
            command,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(env or {}),
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"{command[0]} did not start:\n{_tail(log)}") from None
                await asyncio.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


@asynccontextmanager
async def _ours(folder: Path, upstream: str) -> AsyncIterator[dict[str, Contender]]:
    from tests.fakes.oauth import Browser, FakeOAuth

    courses = folder / "courses.toml"
    courses.write_text(f'[[course]]\nid = "course101"\nurl = "{upstream}"\n')
    async with FakeOAuth("formgrader") as hub:
        hub.add_user("gail", "formgrade-course101")
        token = hub.add_token("gail", "access:services!service=formgrader")
        port = _free_port()
        env = {
            "JUPYTERHUB_API_URL": hub.api_url,
            "JUPYTERHUB_API_TOKEN": hub.secret,
            "JUPYTERHUB_CLIENT_ID": hub.client_id,
            "JUPYTERHUB_SERVICE_PREFIX": "/services/formgrader/",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services!service=formgrader"]',
        }
        command = measure.python("-m", "services.formgrader_proxy", f"--courses={courses}")
        async with _running(command, folder / "ours.log", port, env) as pid:
            origin = f"http://127.0.0.1:{port}"
            async with Browser(hub, origin) as browser:
                await browser.log_in("gail")
                await browser.go(COURSE + "formgrader")
                cookies = browser.cookies()
            signed_in = {
                "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
                "X-CSRFToken": browser.xsrf,
                "Referer": f"{origin}{COURSE}formgrader/manage_submissions/ps1",
            }
            yield {
                OURS: Contender(origin + COURSE, signed_in, [pid]),
                BY_TOKEN: Contender(origin + COURSE, _token(token), [pid]),
            }


def _token(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


@asynccontextmanager
async def _chp(folder: Path, upstream: str) -> AsyncIterator[Contender | str]:
    from tests.integration.processes import proxy_command

    command, port = proxy_command(), _free_port()
    if command is None:
        yield "not installed (make setup)"
        return
    words = [*command, "--ip=127.0.0.1", f"--port={port}", f"--api-port={_free_port()}"]
    words += [f"--default-target={upstream}", "--log-level=error"]
    async with _running(words, folder / "chp.log", port) as pid:
        yield Contender(f"http://127.0.0.1:{port}{COURSE}", pids=[pid])


_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/nginx-access.log; proxy_max_temp_file_size 0;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 1000000000;
  upstream formgrader {{ server {host}; keepalive 128; keepalive_requests 1000000000; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      auth_request /auth;
      proxy_pass http://formgrader; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
    location = /auth {{
      internal; proxy_pass http://formgrader; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
  }}
}}
"""


@asynccontextmanager
async def _nginx(folder: Path, upstream: str) -> AsyncIterator[Contender | str]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield "not installed (apt-get install nginx-light)"
        return
    port, config = _free_port(), folder / "nginx.conf"
    host = upstream.removeprefix("http://")
    config.write_text(_NGINX.format(folder=folder, port=port, host=host))
    words = [program, "-p", str(folder), "-c", str(config)]
    async with _running(words, folder / "nginx.log", port) as pid:
        yield Contender(f"http://127.0.0.1:{port}{COURSE}", pids=[pid])


@asynccontextmanager
async def _jsp(folder: Path, upstream: str) -> AsyncIterator[Contender | str]:
    from importlib.util import find_spec

    if find_spec("jupyter_server_proxy") is None:
        yield "not installed (pip install jupyter-server-proxy)"
        return
    port, token = _free_port(), secrets.token_hex(16)
    words = measure.python("-m", "jupyter_server", "--no-browser", "--allow-root")
    words += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--log-level=ERROR"]
    words += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    words += ["--ServerApp.jpserver_extensions={'jupyter_server_proxy': True}"]
    env = {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder)}
    async with _running(words, folder / "jsp.log", port, env) as pid:
        behind = upstream.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}/proxy/absolute/{behind}{COURSE}"
        yield Contender(url, _token(token), [pid])


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: Any = found.getsockname()[1]
        return int(port)


if __name__ == "__main__":
    for table in relay(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(table.markdown())
