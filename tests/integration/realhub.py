"""A real JupyterHub behind a real configurable-http-proxy, for tests and measurements.

Methods that start, stop and kill processes block. Methods that send requests to the Hub are
coroutines with separate sessions, so that tests with different event loops can share a hub::

    with RealHub(directory) as hub:
        ...
        await hub.create_user("名前", groups=["nbgrader-course101"])
        await hub.start_server("名前")
        async with hub.login("名前") as session:
            page = await session.get(hub.url + "hub/home")
"""

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from json import loads as json_loads
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from tests.integration.processes import (
    end,
    end_marked,
    free_port,
    marked,
    proxy_command,
    status_of,
    wait_until,
)
from tests.paths import ROOT

HERE = Path(__file__).parent
ADMIN = "admin"
# A Python with another version of JupyterHub, to test the clients with it.
PYTHON = os.environ.get("REALHUB_PYTHON", sys.executable)
# The headers of a browser that opens a page. Clients without them count as scripts.
BROWSER = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


class HubAnswerError(AssertionError):
    """The Hub rejected a request of a test."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status} {body[:500]}")
        self.status = status


class RealHub:
    """A hub: its proxy, its Hub process, and all processes that these start.

    url: the public address, with a slash at the end. api_url: the Hub's API, not through the proxy.
    proxy_api_url and proxy_token: configurable-http-proxy's routes API. admin_token: grants all
    scopes. services and roles: as in c.JupyterHub.services and c.JupyterHub.load_roles.
    extra_config: Python code at the end of the Hub's configuration, which can use ``c``. spawner:
    "tiny" starts a small real server, "nothing" starts no process (a stop takes stop_seconds).
    domain: the proxy routes by host, and this is the Hub's; set subdomain_host in extra_config.
    last_activity_interval: seconds between the Hub's reads of the proxy's activity.
    """

    def __init__(
        self,
        directory: Path,
        *,
        services: Iterable[dict[str, Any]] = (),
        roles: Iterable[dict[str, Any]] = (),
        groups: dict[str, list[str]] | None = None,
        extra_config: str = "",
        spawner: str = "tiny",
        stop_seconds: float = 0,
        base_url: str = "/",
        domain: str = "",
        last_activity_interval: int = 300,
        tornado_settings: dict[str, Any] | None = None,
    ) -> None:
        self.directory = directory
        self.admin_token = secrets.token_hex(16)
        self.proxy_token = secrets.token_hex(16)
        self._mark = secrets.token_hex(16)
        self._hub: subprocess.Popen[bytes] | None = None
        self._proxy: subprocess.Popen[bytes] | None = None
        self._started = False
        self._domain = domain
        self._ports = [free_port() for _ in range(3)]
        public, hub_port, api_port = self._ports
        self.url = f"http://127.0.0.1:{public}{base_url}"
        self.api_url = f"http://127.0.0.1:{hub_port}{base_url}hub/api"
        self.proxy_api_url = f"http://127.0.0.1:{api_port}"
        self.admin = ADMIN
        self._settings: dict[str, Any] = {
            "directory": str(directory),
            "url": f"http://127.0.0.1:{public}",
            "base_url": base_url,
            "hub_port": hub_port,
            "proxy_api_port": api_port,
            "proxy_api_url": self.proxy_api_url,
            "proxy_token": self.proxy_token,
            "admin": ADMIN,
            "admin_token": self.admin_token,
            "mark": self._mark,
            "tiny_server": str(HERE / "tiny_server.py"),
            "services": list(services),
            "roles": list(roles),
            "groups": {name: {"users": users} for name, users in (groups or {}).items()},
            "extra_config": extra_config,
            "spawner": spawner,
            "stop_seconds": stop_seconds,
            "last_activity_interval": last_activity_interval,
            "tornado_settings": tornado_settings or {},
        }

    # -- processes

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.close)
            self.start_proxy()
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process ID of the running Hub."""
        assert self._hub is not None, "the hub is not running"
        return self._hub.pid

    @property
    def database(self) -> Path:
        """The Hub's SQLite file; write to it only while the Hub is stopped."""
        return self.directory / "jupyterhub.sqlite"

    def start(self) -> None:
        """Start the Hub and wait until its API responds; existing servers keep running."""
        assert self._hub is None, "the hub is already running"
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = self.directory / "settings.json"
        settings.write_text(json.dumps(self._settings))
        settings.chmod(0o600)
        self._hub = self._run(
            "hub",
            [PYTHON, "-m", "jupyterhub", "--config", str(HERE / "hub_config.py")],
            {"REALHUB_SETTINGS": str(settings)},
        )
        hub = self._hub
        self._wait("the Hub's API", lambda: status_of(self.api_url + "/") == 200, hub)
        self._wait(
            "the Hub's route", lambda: status_of(f"{self.url}hub/api/", self._domain) == 200, hub
        )

    def stop(self) -> None:
        """Stop the Hub as `systemctl stop` does; its servers and the proxy keep running."""
        hub, self._hub = self._hub, None
        if hub is not None:
            end(hub)

    def kill(self) -> None:
        """Kill the Hub (SIGKILL)."""
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.kill()
            hub.wait()

    def restart(self) -> None:
        """Stop, then start."""
        self.stop()
        self.start()

    def start_proxy(self) -> None:
        """Start configurable-http-proxy with only the default route."""
        assert self._proxy is None, "the proxy is already running"
        command = proxy_command()
        assert command is not None, "configurable-http-proxy is missing: run `make setup`"
        public, hub_port, api_port = self._ports
        self.directory.mkdir(parents=True, exist_ok=True)
        self._proxy = self._run(
            "proxy",
            [
                *command,
                *("--ip", "127.0.0.1", "--port", str(public)),
                *("--api-ip", "127.0.0.1", "--api-port", str(api_port)),
                *(["--host-routing"] if self._domain else []),
                *("--error-target", f"http://127.0.0.1:{hub_port}/hub/error"),
                # As the Hub would start it.
                *(["--host-routing"] if "subdomain" in self._settings["extra_config"] else []),
            ],
            {"CONFIGPROXY_AUTH_TOKEN": self.proxy_token},
        )
        self._wait(
            "the proxy's API",
            lambda: status_of(f"{self.proxy_api_url}/api/routes") == 403,
            self._proxy,
        )

    def stop_proxy(self) -> None:
        """Stop the proxy; all its routes are lost."""
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            end(proxy)

    def restart_proxy(self) -> None:
        """Stop, then start; the Hub restores its routes at its next check."""
        self.stop_proxy()
        self.start_proxy()

    def close(self) -> None:
        """End all processes of this hub."""
        self.stop()
        self.stop_proxy()
        end_marked(self._mark)

    def processes(self) -> list[int]:
        """Return the process IDs of the proxy, the Hub, managed services and servers."""
        return sorted(process.pid for process in marked(self._mark))

    def log(self, name: str = "hub") -> str:
        """Return the log of "hub" (with its managed services and servers) or "proxy"."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self, lines: int = 60) -> str:
        """Return the end of both logs, for the report of a failed test."""
        return "\n".join(
            f"--- {name}.log\n" + "\n".join(self.log(name).splitlines()[-lines:])
            for name in ("hub", "proxy")
        )

    def _run(
        self, name: str, command: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("JUPYTERHUB_", "CONFIGPROXY_"))
        }
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=inherited
                | {"REALHUB_MARK": self._mark, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
                | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, what: str, ready: Any, process: subprocess.Popen[bytes]) -> None:
        def ready_or_dead() -> bool:
            return process.poll() is not None or ready()

        try:
            wait_until(what, ready_or_dead, seconds=60)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log_tail()}") from None
        if process.poll() is not None:
            raise RuntimeError(f"{what}: exited with {process.returncode}\n{self.log_tail()}")

    # -- the Hub's API

    async def api(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        ok: tuple[int, ...] = (200, 201, 202, 204),
    ) -> Any:
        """Send a request to the Hub; return the response's JSON or text, or None if it is empty.

        ``path`` is below /hub/api, with quoted names (see user_path).

        :raises HubAnswerError: the status is not in ``ok``
        """
        headers = {
            "Authorization": f"token {token or self.admin_token}",
            "Accept": "application/json",
        }
        async with (
            aiohttp.ClientSession(headers=headers, requote_redirect_url=False) as session,
            session.request(method, _url(self.api_url + path), json=json) as answer,
        ):
            body = await answer.text()
            if answer.status not in ok:
                raise HubAnswerError(method, path, answer.status, body)
            if answer.content_type == "application/json" and body:
                return json_loads(body)
            return body or None

    async def create_user(
        self, name: str, *, groups: Iterable[str] = (), admin: bool = False
    ) -> None:
        """Create a user if needed, and add it to groups, which are created if needed."""
        # Only an admin's token can create another admin.
        token = await self.token(["admin:users"]) if admin else None
        await self.api("POST", user_path(name), {"admin": admin}, token=token, ok=(201, 409))
        for group in groups:
            await self.create_group(group, [name])

    async def create_group(self, name: str, users: Iterable[str] = ()) -> None:
        """Create a group if needed, and add users."""
        path = f"/groups/{quote(name, safe='')}"
        await self.api("POST", path, ok=(201, 409))
        await self.api("POST", f"{path}/users", {"users": list(users)})

    async def leave_group(self, name: str, users: Iterable[str]) -> None:
        """Remove users from a group."""
        path = f"/groups/{quote(name, safe='')}/users"
        await self.api("DELETE", path, {"users": list(users)})

    async def delete_user(self, name: str) -> None:
        """Delete a user."""
        await self.api("DELETE", user_path(name))

    async def user(self, name: str) -> dict[str, Any] | None:
        """Return the Hub's model of a user, or None if the user does not exist."""
        try:
            found: dict[str, Any] = await self.api("GET", user_path(name))
        except HubAnswerError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def servers(self, name: str) -> dict[str, dict[str, Any]]:
        """Return a user's running and pending servers by name; the default server is ""."""
        found = await self.user(name)
        return found["servers"] if found else {}

    async def start_server(
        self, user: str, server: str = "", *, options: dict[str, Any] | None = None
    ) -> None:
        """Start a server and wait until it is ready (at most 30 s)."""
        await self.api("POST", user_path(user, server), options or {})

        async def ready() -> bool:
            return bool((await self.servers(user)).get(server, {}).get("ready"))

        await self.until(f"server {user}/{server} ready", ready)

    async def stop_server(self, user: str, server: str = "") -> None:
        """Stop a server and wait until it is gone (at most 30 s)."""
        await self.api("DELETE", user_path(user, server))

        async def gone() -> bool:
            return server not in await self.servers(user)

        await self.until(f"server {user}/{server} stopped", gone)

    async def report_activity(self, user: str, server: str, when: datetime) -> None:
        """Report activity as a single-user server does; the Hub never goes back in time."""
        stamp = when.isoformat()
        await self.api(
            "POST",
            user_path(user) + "/activity",
            {"last_activity": stamp, "servers": {server: {"last_activity": stamp}}},
        )

    async def set_last_activity(self, user: str, server: str | None, when: datetime | None) -> None:
        """Set the last_activity of a server (None: of the user) to any time or to null."""
        body = {"user": user, "server": server, "when": when and when.isoformat()}
        await self.api("POST", "/../test/last-activity", body)

    async def token(self, scopes: Iterable[str], *, user: str = ADMIN, seconds: int = 3600) -> str:
        """Create an API token of a user with exactly these scopes."""
        answer = await self.api(
            "POST",
            user_path(user) + "/tokens",
            {"scopes": list(scopes), "expires_in": seconds, "note": "test"},
        )
        token: str = answer["token"]
        return token

    async def add_service(self, name: str, **spec: Any) -> None:
        """Add an external service at run time: url, api_token, oauth_client_id, ..."""
        await self.api("POST", f"/services/{quote(name, safe='')}", spec)

    @asynccontextmanager
    async def login(self, name: str) -> AsyncIterator[aiohttp.ClientSession]:
        """Sign in with the Hub's form; yield a session with the cookies."""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an IP address
        async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
            await sign_in(session, self.url, name)
            yield session

    async def until(self, what: str, happened: Any, *, seconds: float = 30) -> None:
        """Wait until `happened()` returns true. :raises TimeoutError: with the logs"""
        deadline = time.monotonic() + seconds
        while not await happened():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {seconds:g} s\n{self.log_tail()}")
            await asyncio.sleep(0.05)


def user_path(user: str, server: str | None = None) -> str:
    """Return the API path of a user or server, with quoted names."""
    path = f"/users/{quote(user, safe='')}"
    if server is None:
        return path
    return f"{path}/servers/{quote(server, safe='')}" if server else f"{path}/server"


async def sign_in(
    session: aiohttp.ClientSession, url: str, name: str, password: str = "any"
) -> None:
    """Submit the login form of the hub at `url`; the session stores the cookies."""
    async with session.get(f"{url}hub/login") as page:
        form = re.search(r'name="_xsrf" value="([^"]*)"', await page.text())
    assert form is not None, "the login page has no XSRF field"
    fields = {"username": name, "password": password, "_xsrf": form.group(1)}
    async with session.post(f"{url}hub/login", data=fields, allow_redirects=False) as answer:
        assert answer.status == 302, f"login of {name!r} failed: {answer.status}"


def _url(address: str) -> Any:
    """Return the URL unchanged; yarl must not unquote or normalize it."""
    from yarl import URL

    return URL(address.replace("/hub/api/../", "/hub/"), encoded=True)
