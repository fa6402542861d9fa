"""A load generator in a separate process; it prints one JSON object.

``python -m tests.bench.formgrader_proxy.load LOAD URL HEADERS SECONDS PID...``. LOAD is the
number of connections for small responses, ``big`` for the large response and the memory of PID...
during it, or ``socket`` for WebSocket round trips. HEADERS is a JSON object. Small responses are
requested with wrk if it is installed (a Debian package), because it needs the least CPU time.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import aiohttp
import psutil

from tests.bench.formgrader_proxy.upstream import BIG_BYTES

#: Makes wrk print the results; its times are in microseconds.
_LUA = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass
class Connection(asyncio.Protocol):
    """Sends a request after each complete response, until ``ends``."""

    request: bytes
    ends: float
    took: list[float] = field(default_factory=list)
    wrong: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport has another class
        self.done = asyncio.get_running_loop().create_future()
        self.received = b""
        self._send()

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received = self.received + data if self.received else data
        if not _whole(self.received):
            return
        now = time.perf_counter()
        if b" 200 " not in self.received[:20]:
            self.wrong = self.received[:300]
            self.transport.close()
            return
        self.took.append(now - self.sent)
        self.received = b""
        if now < self.ends:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _same(connection: Connection) -> Connection:
    return connection


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return len(body) >= int(line[15:])
    return body.endswith(b"0\r\n\r\n")


def _processes(pids: list[int]) -> list[psutil.Process]:
    found = [psutil.Process(pid) for pid in pids]
    return found + [child for one in found for child in one.children(recursive=True)]


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


async def small(
    url: str, headers: dict[str, str], connections: int, seconds: float, pids: list[int]
) -> dict[str, float]:
    """Measure requests per second, the median and 99th percentile in milliseconds, and the CPU
    time of the processes per request in microseconds."""
    processes = _processes(pids)
    before = _cpu_seconds(processes)
    ask = _by_wrk if shutil.which("wrk") else _by_python
    count, found = await ask(url + "formgrader/api/status", headers, connections, seconds)
    return found | {"cpu_us": (_cpu_seconds(processes) - before) / max(1, count) * 1e6}


async def _by_wrk(
    url: str, headers: dict[str, str], connections: int, seconds: float
) -> tuple[int, dict[str, float]]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA)
        script.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout=60s"]
        words += ["-s", script.name, *(f"-H{name}: {value}" for name, value in headers.items())]
        process = await asyncio.create_subprocess_exec(*words, url, stdout=subprocess.PIPE)
        out, _ = await process.communicate()
    line = next(one for one in out.decode().splitlines() if one.startswith("RESULT "))
    count, micros, median, p99, wrong = map(float, line.split()[1:])
    if wrong:
        raise SystemExit(f"{url}: {wrong:.0f} of {count:.0f} requests failed")
    return int(count), {
        "rate": count / (micros / 1e6),
        "median_ms": median / 1e3,
        "p99_ms": p99 / 1e3,
    }


async def _by_python(
    url: str, headers: dict[str, str], connections: int, seconds: float
) -> tuple[int, dict[str, float]]:
    parts = urlsplit(url)
    lines = [f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    began = time.perf_counter()
    assert parts.port is not None
    made = [Connection(request, began + seconds) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    await asyncio.gather(
        *(loop.create_connection(partial(_same, one), "127.0.0.1", parts.port) for one in made)
    )
    await asyncio.wait_for(asyncio.gather(*(one.done for one in made)), seconds + 60)
    passed = time.perf_counter() - began
    wrong = next((one.wrong for one in made if one.wrong), b"")
    if wrong:
        raise SystemExit(f"{url} answered {wrong!r}")
    took = sorted(value for one in made for value in one.took)
    return len(took), {
        "rate": len(took) / passed,
        "median_ms": statistics.median(took) * 1e3,
        "p99_ms": took[int(len(took) * 0.99)] * 1e3,
    }


async def big(url: str, headers: dict[str, str], pids: list[int]) -> dict[str, float] | None:
    """Measure MB/s and the additional memory of the processes in MB; None if it is refused."""
    processes = _processes(pids)
    before = most = sum(one.memory_info().rss for one in processes)
    began = looked = time.perf_counter()
    got = 0
    try:
        async with (
            aiohttp.ClientSession(headers=headers, read_bufsize=1 << 20) as session,
            session.get(url + "formgrader/submissions/x/big.bin") as answer,
        ):
            if answer.status != 200:
                return None
            async for chunk in answer.content.iter_any():
                got += len(chunk)
                if time.perf_counter() - looked > 0.02:
                    most = max(most, sum(one.memory_info().rss for one in processes))
                    looked = time.perf_counter()
    except aiohttp.ClientError:
        return None
    if got != BIG_BYTES:
        return None
    seconds = time.perf_counter() - began
    return {"mb_per_s": got / 1e6 / seconds, "above_mb": (most - before) / 1e6}


async def socket(url: str, headers: dict[str, str], seconds: float) -> dict[str, float] | None:
    """Measure WebSocket round trips per second; None if they are not supported."""
    origin = "http://" + urlsplit(url).netloc
    rounds = 0
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(url + "formgrader/submissions/x/ws", origin=origin) as ws,
        ):
            began = time.perf_counter()
            while time.perf_counter() < began + seconds:
                await ws.send_str("hello")
                await ws.receive_str(timeout=10)
                rounds += 1
            passed = time.perf_counter() - began
    except (aiohttp.ClientError, TypeError):
        return None
    return {"rate": rounds / passed}


async def main(
    load: str, url: str, headers: dict[str, str], seconds: float, pids: list[int]
) -> None:
    found: dict[str, float] | None
    if load == "big":
        found = await big(url, headers, pids)
    elif load == "socket":
        found = await socket(url, headers, seconds)
    else:
        found = await small(url, headers, int(load), seconds, pids)
    print(json.dumps(found))


if __name__ == "__main__":
    load, url, headers, seconds, *pids = sys.argv[1:]
    asyncio.run(main(load, url, json.loads(headers), float(seconds), [int(pid) for pid in pids]))
