"""Clients for students' servers and kernels that connect through the proxy, as a browser does."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp


async def eventually(what: str, happened: Callable[[], Awaitable[Any]], *, seconds: float) -> Any:
    """Wait for a true result and return it; failed requests are retried.

    :raises AssertionError: timed out
    """
    end, last = time.monotonic() + seconds, ""
    while True:
        try:
            if found := await happened():
                return found
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            last = repr(error)
        assert time.monotonic() < end, f"waited {seconds} s for {what} {last}"
        await asyncio.sleep(0.3)


class Hub:
    """A client for the hub's API that authenticates with a token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self.session = session
        self.url = url
        self.headers = {"Authorization": f"token {token}"}

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return a response's JSON, if any. :raises aiohttp.ClientResponseError: 400 and above"""
        timeout = aiohttp.ClientTimeout(total=20)
        async with self.session.request(
            method, self.url + path, headers=self.headers, timeout=timeout, **options
        ) as answer:
            text = await answer.text()
            answer.raise_for_status()
            return json.loads(text) if text else None

    async def answers(self) -> None:
        """Wait until the hub responds."""
        await eventually("the hub", lambda: self.ask("GET", "/hub/api/"), seconds=90)

    async def signed_in(self, user: str) -> "Hub":
        """Return a client that uses a new token of the given user."""
        made = await self.ask("POST", f"/hub/api/users/{user}/tokens", json={"note": "tests"})
        return Hub(self.session, self.url, made["token"])

    async def start(self, user: str, *, seconds: float = 150) -> None:
        """Start a user's server and wait until it is ready."""
        await self.answers()
        known = await eventually(user, lambda: self._known(user), seconds=90)
        if "" not in known["servers"]:
            await self.ask("POST", f"/hub/api/users/{user}/server")
        await eventually(f"{user}'s server", lambda: self._ready(user), seconds=seconds)

    async def _known(self, user: str) -> Any:
        return await self.ask("GET", f"/hub/api/users/{user}")

    async def _ready(self, user: str) -> bool:
        server = (await self._known(user))["servers"].get("")
        assert server is not None, f"{user}'s server did not start; the hub's log says why"
        return bool(server["ready"])

    async def stop(self, user: str) -> None:
        """Stop a user's server and wait until it has stopped."""
        await self.ask("DELETE", f"/hub/api/users/{user}/server")

        async def gone() -> bool:
            return "" not in (await self._known(user))["servers"]

        await eventually(f"the end of {user}'s server", gone, seconds=90)

    async def write(self, user: str, name: str, text: str) -> None:
        """Save a file in a user's home directory, as JupyterLab does."""
        body = {"type": "file", "format": "text", "content": text}
        path = f"/user/{user}/api/contents/{name}"
        await eventually(name, lambda: self.ask("PUT", path, json=body), seconds=90)

    async def read(self, user: str, name: str) -> str:
        """Return the contents of a file in a user's home directory."""
        path = f"/user/{user}/api/contents/{name}"
        found = await eventually(name, lambda: self.ask("GET", path), seconds=90)
        return str(found["content"])

    async def kernel(self, user: str) -> "Kernel":
        """Start a kernel on a user's server and connect to it."""
        path, body = f"/user/{user}/api/kernels", {"name": "python3"}
        made = await eventually("a kernel", lambda: self.ask("POST", path, json=body), seconds=90)
        kernel = Kernel(self, user, str(made["id"]))
        await kernel.connect()
        return kernel


class Kernel:
    """A running kernel and a connection to it."""

    def __init__(self, hub: Hub, user: str, identity: str) -> None:
        self._hub = hub
        self._path = f"/user/{user}/api/kernels/{identity}/channels?session_id={uuid.uuid4().hex}"
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def connect(self) -> None:
        """Connect or reconnect to the kernel."""

        async def connected() -> aiohttp.ClientWebSocketResponse:
            async with asyncio.timeout(20):
                return await self._hub.session.ws_connect(
                    self._hub.url + self._path, headers=self._hub.headers, max_msg_size=0
                )

        await self.close()
        self._socket = await eventually("the kernel's connection", connected, seconds=90)

    async def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            await self._socket.close()

    async def run(self, code: str, value: str = "None") -> str:
        """Run code in the kernel, then evaluate an expression and return its repr.

        :raises AssertionError: the code raised an exception, or the connection was closed
        """
        assert self._socket is not None
        identity = uuid.uuid4().hex
        header = {"msg_id": identity, "msg_type": "execute_request", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        await self._socket.send_json(
            {
                "header": {**header, "username": "", "session": identity},
                "parent_header": {},
                "metadata": {},
                "content": {**content, "user_expressions": {"value": value}},
                "buffers": [],
                "channel": "shell",
            }
        )
        async with asyncio.timeout(90):
            while True:
                message = await self._socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, f"the kernel's connection: {message}"
                said = json.loads(message.data)
                about = said["parent_header"].get("msg_id")
                if about == identity and said["msg_type"] == "execute_reply":
                    assert said["content"]["status"] == "ok", said["content"]
                    return str(said["content"]["user_expressions"]["value"]["data"]["text/plain"])
