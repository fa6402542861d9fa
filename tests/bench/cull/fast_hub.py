"""A fake Hub that needs very little CPU time, so that benchmarks measure the client.

Users are created once and stored as bytes, and requests are parsed by hand. It supports the
requests of cullers (pages of users, one server, DELETE). A stopped server is still listed, so every
pass finds the same work; only the page that is sorted by activity omits it, as on a real Hub.

`GET /_bench` returns the number of requests of each kind and the maximum number of concurrent
DELETEs; `POST /_bench` resets everything before the next pass.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from itertools import islice
from urllib.parse import parse_qs, urlsplit

from common.hub.paging import OVERLAP

REASONS = {200: b"OK", 204: b"No Content", 404: b"Not Found"}


@dataclass
class Hub:
    """Users `u000000` and so on: a tenth have running servers, half of which are idle."""

    users: int
    idle_servers: int
    stop_seconds: float
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    stopping: int = 0
    most_stopping: int = 0
    kept: dict[int, bytes] = field(default_factory=dict)
    examples: dict[tuple[str, int, bool], tuple[bytes, bytes]] = field(default_factory=dict)
    date: bytes = b""

    def __post_init__(self) -> None:
        self.running = self.users // 10
        now = datetime.now(UTC)
        self.fill()
        self.started = _isoformat(now - timedelta(hours=5))
        self.idle_since = _isoformat(now - timedelta(hours=2))
        self.active_at = _isoformat(now)

    def fill(self) -> None:
        """Start all servers again, the idle ones first."""
        numbers = sorted(range(self.running), key=lambda number: not self.is_idle(number))
        self.by_activity = dict.fromkeys(numbers)

    def name(self, number: int) -> str:
        return f"u{number:06}"

    def is_idle(self, number: int) -> bool:
        return number % 2 == 0 and number // 2 < self.idle_servers

    def server(self, number: int) -> dict[str, object]:
        name = self.name(number)
        return {
            "name": "",
            "display_name": "",
            "full_name": f"{name}/",
            "last_activity": self.idle_since if self.is_idle(number) else self.active_at,
            "started": self.started,
            "pending": None,
            "ready": True,
            "stopped": False,
            "url": f"/user/{name}/",
            "full_url": None,
            "user_options": {"profile": "small"},
            "progress_url": f"/hub/api/users/{name}/server/progress",
            "full_progress_url": None,
        }

    def user(self, number: int) -> dict[str, object]:
        running = number < self.running
        return {
            "name": self.name(number),
            "kind": "user",
            "admin": False,
            "groups": ["nbgrader-course101"],
            "created": self.started,
            "last_activity": self.idle_since if self.is_idle(number) else self.active_at,
            "server": f"/user/{self.name(number)}/" if running else None,
            "pending": None,
            "servers": {"": self.server(number)} if running else {},
        }

    def encoded(self, number: int, model: Callable[[int], dict[str, object]]) -> bytes:
        """Return a model as bytes; replacing the name in a template is faster than JSON."""
        example = 0 if self.is_idle(number) else 1
        key = (model.__name__, example, number < self.running)
        if key not in self.examples:
            like = number if number >= self.running else example
            self.examples[key] = json.dumps(model(like)).encode(), self.name(like).encode()
        body, name = self.examples[key]
        return body.replace(name, self.name(number).encode())

    def page(self, state: str, offset: int, limit: int) -> bytes:
        if state in {"ready", "active"}:
            first, total = 0, self.running
        elif state == "inactive":
            first, total = self.running, self.users - self.running
        else:
            first, total = 0, self.users
        end = min(offset + limit, total)
        query = f"limit={limit}" + (f"&state={state}" if state else "")
        url = f"{self.url}/users?offset={end}&{query}"
        following = {"offset": end, "limit": limit, "url": url} if end < total else None
        pagination = {"offset": offset, "limit": limit, "total": total, "next": following}
        items = b", ".join(self.listed(number) for number in range(first + offset, first + end))
        return b'{"items": [%s], "_pagination": %s}' % (items, json.dumps(pagination).encode())

    def longest_idle(self, limit: int) -> bytes:
        """Return the page that is sorted by activity."""
        items = b", ".join(self.listed(number) for number in islice(self.by_activity, limit))
        return b'{"items": [%s], "_pagination": {"total": %d, "next": null}}' % (
            items,
            len(self.by_activity),
        )

    def listed(self, number: int) -> bytes:
        """Return a user in a page; users with running servers are cached."""
        if number >= self.running:
            return self.encoded(number, self.user)
        if number not in self.kept:
            self.kept[number] = self.encoded(number, self.user)
        return self.kept[number]

    def get(self, target: str) -> tuple[str, int, bytes]:
        """Return the kind of request, the status and the body for a GET request."""
        parts = urlsplit(target.removeprefix("/hub/api"))
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        match parts.path.split("/")[1:]:
            case ["users"]:
                limit = min(int(query.get("limit", 50)), 200)
                if query.get("sort") == "last_activity":
                    return "sorted", 200, self.longest_idle(limit)
                state, offset = query.get("state", ""), int(query.get("offset", 0))
                return "pages", 200, self.page(state, offset, limit)
            case ["users", name, "server"]:
                return "servers", 200, self.encoded(int(name[1:]), self.server)
            case ["users", name]:
                return "users", 200, self.encoded(int(name[1:]), self.user)
            case ["user"]:
                return "other", 200, json.dumps(_OWNER).encode()
            case [""]:
                return "other", 200, b'{"version": "6.1.1"}'
            case ["_bench"]:
                return "bench", 200, self.report()
            case _:
                return "other", 404, b'{"status": 404, "message": "Not Found"}'

    def report(self) -> bytes:
        return json.dumps(dict(self.counts) | {"most_stopping": self.most_stopping}).encode()

    def reset(self) -> None:
        self.counts.clear()
        self.fill()
        self.most_stopping = 0


_OWNER = {
    "kind": "service",
    "name": "cull",
    "admin": False,
    "roles": [],
    "scopes": [
        "admin:users",
        "delete:servers",
        "delete:users",
        "list:users",
        "read:groups",
        "read:hub",
        "read:metrics",
        "read:servers",
        "read:users",
        "read:users:activity",
        "read:users:groups",
    ],
    "token_id": "a1",
    "session_id": None,
}


class Connection(asyncio.Protocol):
    """A connection without pipelining, kept open unless the client asks to close it."""

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, rest = self.received.partition(b"\r\n\r\n")
        # A body (such as a DELETE with `remove`) is small, comes with the headers, and is ignored.
        if not found:
            return
        self.received = b"" if rest else rest
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        close = b"connection: close" in head.lower()
        if method == "DELETE":
            self.stop(int(target.split("/")[4][1:]), close)
        elif method == "POST":
            self.hub.reset()
            self.answer(204, b"", close)
        else:
            kind, status, body = self.hub.get(target)
            self.hub.counts[kind] += 1
            self.answer(status, body, close)

    def stop(self, number: int, close: bool) -> None:
        hub = self.hub
        hub.by_activity.pop(number, None)
        hub.counts["stops"] += 1
        hub.stopping += 1
        hub.most_stopping = max(hub.most_stopping, hub.stopping)
        if hub.stop_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(hub.stop_seconds, self.stopped, close)
        else:
            self.stopped(close)

    def stopped(self, close: bool) -> None:
        self.hub.stopping -= 1
        self.answer(204, b"", close)

    def answer(self, status: int, body: bytes, close: bool) -> None:
        length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nDate: %s\r\n%s%s\r\n%s"
            % (
                status,
                REASONS[status],
                self.hub.date,
                length,
                b"Connection: close\r\n" if close else b"",
                body,
            )
        )
        if close:
            self.transport.close()


def _isoformat(moment: datetime) -> str:
    """Format a time as the Hub does."""
    return moment.isoformat().replace("+00:00", "Z")


async def serve(hub: Hub) -> None:
    """Serve on a free port, and print it when all users exist."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(hub), "127.0.0.1", 0)
    hub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hub/api"
    for limit in (50, 200):
        # Offsets of clients that follow the Hub's links, and of services.cull.
        for offset in {*range(0, hub.running, limit), *range(0, hub.running, limit - OVERLAP)}:
            hub.page("ready", offset, limit)
            hub.page("active", offset, limit)
    print(hub.url, flush=True)
    async with server:
        while True:
            hub.date = formatdate(usegmt=True).encode()
            await asyncio.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--idle", type=int, default=0, help="number of idle servers")
    parser.add_argument("--stop-seconds", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(Hub(options.users, options.idle, options.stop_seconds)))


if __name__ == "__main__":
    main()
