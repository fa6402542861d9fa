"""A Prometheus with servers of a known use: a fake, and a real one with the same samples.

Both hold :class:`Running` servers. The fake is a real HTTP server that knows the presets' metrics
and no other PromQL; contract tests run against both.
"""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from aiohttp import web
from aiohttp.test_utils import TestServer

GIB = 1 << 30
SCRAPE = 60
"""Seconds between the real one's samples."""

SERVICE = "container_label_com_docker_swarm_service_name"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
MISSING = "" if PROMETHEUS and PROMTOOL else "prometheus and promtool are not installed"


@dataclass(frozen=True)
class Running:
    """A server that used the same all the time, as pod, container and service."""

    name: str
    start: datetime
    end: datetime
    memory: float = GIB
    cores: float = 0.5
    memory_guarantee: float | None = None
    cpu_guarantee: float | None = None
    namespace: str = "hub"
    user: str = ""
    """The annotation of the pod."""

    def value(self, metric: str) -> float | None:
        """What a metric of the presets says of it."""
        return {
            "memory": self.memory,
            "cpu": self.cores,
            "memory_guarantee": self.memory_guarantee,
            "cpu_guarantee": self.cpu_guarantee,
        }[metric]


class FakePrometheus:
    """``async with FakePrometheus(servers) as prometheus``; ``url`` is its address.

    ``respond``, if set, is the status, headers and body of every response. ``authorization`` is the
    header that it requires.
    """

    def __init__(self, servers: Sequence[Running] = ()) -> None:
        self.servers = list(servers)
        self.queries: list[str] = []
        self.authorization = ""
        self.respond: tuple[int, dict[str, str], bytes] | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/api/v1/query_range", self._query_range)
        self._server = TestServer(app)
        await self._server.start_server(shutdown_timeout=0.1)
        self.url = f"http://127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.answering.set()
        await self._server.close()

    async def _query_range(self, request: web.Request) -> web.Response:
        query = request.query["query"]
        self.queries.append(query)
        await self.answering.wait()
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            return web.Response(status=401, text="Unauthorized")
        if self.respond is not None:
            status, headers, body = self.respond
            return web.Response(status=status, headers=headers, body=body)
        start, end, step = (int(request.query[key]) for key in ("start", "end", "step"))
        if query.count("(") != query.count(")"):
            error = {"status": "error", "errorType": "bad_data", "error": "parse error: unclosed"}
            return web.json_response(error, status=400)
        result = list(self._series(query, range(start, end + 1, step)))
        data = {"resultType": "matrix", "result": result}
        return web.Response(
            text=json.dumps({"status": "success", "data": data}), content_type="application/json"
        )

    def _series(self, query: str, times: range) -> Iterator[dict[str, Any]]:
        kind = next(name for word, name in _METRICS if word in query)
        label, pattern = re.findall(r'(\w+)=~"([^"]*)"', query)[0]
        namespace = re.search(r'namespace="([^"]*)"', query)
        for server in self.servers:
            value = server.value(kind)
            if value is None or not re.fullmatch(pattern, server.name):
                continue
            if namespace and namespace[1] != server.namespace:
                continue
            first, last = server.start.timestamp(), server.end.timestamp()
            values = [[moment, repr(value)] for moment in times if first < moment <= last]
            labels = {label: server.name}
            if label == "pod":
                labels["namespace"] = server.namespace
            if "annotation" in query:
                if not server.user:
                    continue
                labels |= {"user": server.user, "annotation_hub_jupyter_org_username": server.user}
            if values:
                yield {"metric": labels, "values": values}


_METRICS = (
    ("container_memory_working_set_bytes", "memory"),
    ("container_cpu_usage_seconds_total", "cpu"),
    ('resource="memory"', "memory_guarantee"),
    ('resource="cpu"', "cpu_guarantee"),
    ("container_spec_memory_reservation_limit_bytes", "memory_guarantee"),
)


@dataclass
class _File:
    """Samples by metric, in the OpenMetrics format."""

    metrics: dict[str, list[str]] = field(default_factory=dict)

    def add(self, metric: str, labels: dict[str, str], moment: int, value: float) -> None:
        text = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        self.metrics.setdefault(metric, []).append(f"{metric}{{{text}}} {value} {moment}")

    def text(self) -> str:
        lines = []
        for metric, samples in self.metrics.items():
            kind = "counter" if metric.endswith("_total") else "gauge"
            lines += [f"# TYPE {metric.removesuffix('_total')} {kind}", *samples]
        return "\n".join([*lines, "# EOF\n"])


def open_metrics(servers: Sequence[Running]) -> str:
    """What kubelet, kube-state-metrics and cAdvisor would say of the servers."""
    file = _File()
    for server in servers:
        first, last = int(server.start.timestamp()), int(server.end.timestamp())
        pod = {"namespace": server.namespace, "pod": server.name}
        cells = [
            {**pod, "container": "notebook", "id": "/a"},
            {**pod, "container": "", "id": "/pod"},  # the whole pod: counted twice if summed up
            {"name": server.name, "id": "/b"},
            {SERVICE: server.name, "name": f"{server.name}.1.x7", "id": "/c"},
        ]
        for moment in range(first, last + 1, SCRAPE):
            for labels in cells:
                file.add("container_memory_working_set_bytes", labels, moment, server.memory)
                file.add(
                    "container_cpu_usage_seconds_total",
                    {**labels, "cpu": "total"},
                    moment,
                    1000 + server.cores * (moment - first),
                )
                if "pod" not in labels:
                    reserved = server.memory_guarantee or 0  # cAdvisor's way to say: none
                    file.add(
                        "container_spec_memory_reservation_limit_bytes", labels, moment, reserved
                    )
            for resource, value in (
                ("memory", server.memory_guarantee),
                ("cpu", server.cpu_guarantee),
            ):
                if value is not None:
                    labels = {**pod, "container": "notebook", "resource": resource, "unit": "x"}
                    file.add("kube_pod_container_resource_requests", labels, moment, value)
            if server.user:
                labels = {**pod, "annotation_hub_jupyter_org_username": server.user}
                file.add("kube_pod_annotations", labels, moment, 1)
    return file.text()


@contextmanager
def real_prometheus(servers: Sequence[Running], directory: Path) -> Iterator[str]:
    """A Prometheus with these samples; yields its address."""
    assert PROMETHEUS
    assert PROMTOOL
    (directory / "metrics.txt").write_text(open_metrics(servers), encoding="utf-8")
    (directory / "prometheus.yml").write_text("{}\n", encoding="utf-8")
    data = str(directory / "data")
    subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", directory / "metrics.txt", data],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(PROMETHEUS, f"--config.file={directory / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"),
        ]
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not _is_ready(url):
            assert process.poll() is None, "Prometheus ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready") as response:  # noqa: S310 - http on this machine
            return bool(response.status == 200)
    except OSError:
        return False
