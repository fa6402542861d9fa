"""A fake Prometheus with servers of a known use.

It is a real HTTP server that knows the presets' metrics and no other PromQL. ``real.py`` starts a
Prometheus with the same servers; contract tests run against both.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

GIB = 1 << 30


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
