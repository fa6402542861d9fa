"""The JupyterHub configuration of the tests' real hub.

JupyterHub loads this file. The settings are in the JSON file that the environment variable
``REALHUB_SETTINGS`` names; realhub.py writes it.
"""

import asyncio
import hmac
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import scope_definitions
from jupyterhub.spawner import SimpleLocalProcessSpawner, Spawner
from tornado import web
from traitlets.config import Config

SETTINGS: dict[str, Any] = json.loads(Path(os.environ["REALHUB_SETTINGS"]).read_text())


class TinySpawner(SimpleLocalProcessSpawner):  # type: ignore[misc] # jupyterhub has no types
    """Runs tiny_server.py as a local process; needs no system account.

    User options: ``profile`` (any text), ``start_seconds``, ``stop_seconds`` (float, how long a
    start or stop takes), ``fail_stop`` (true: a stop raises).
    """

    def _default_home(self) -> str:
        return str(Path(SETTINGS["directory"]) / "homes" / quote(self.user.name, safe=""))

    async def start(self) -> tuple[str, int]:
        self.home_dir = self._default_home()
        await asyncio.sleep(float(self.user_options.get("start_seconds", 0)))
        address: tuple[str, int] = await super().start()
        return address

    async def stop(self, now: bool = False) -> None:
        await asyncio.sleep(float(self.user_options.get("stop_seconds", 0)))
        if self.user_options.get("fail_stop"):
            raise RuntimeError("this stop fails on purpose")
        await super().stop(now=now)


class NothingSpawner(Spawner):  # type: ignore[misc] # jupyterhub has no types
    """Starts no process and reports the address of the proxy's API; for measurements.

    ``stop_seconds`` in the settings is how long a stop takes.
    """

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        if getattr(self, "_runs", False):
            state["running"] = True
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self._runs = bool(state)

    def clear_state(self) -> None:
        super().clear_state()
        self._runs = False

    async def start(self) -> tuple[str, int]:
        self._runs = True
        return "127.0.0.1", SETTINGS["proxy_api_port"]

    async def poll(self) -> int | None:
        return None if getattr(self, "_runs", False) else 0

    async def stop(self, now: bool = False) -> None:
        await asyncio.sleep(float(SETTINGS["stop_seconds"]))
        self._runs = False


class LastActivityHandler(BaseHandler):  # type: ignore[misc] # jupyterhub has no types
    """Sets last_activity to any time, including earlier ones, which the API rejects."""

    def check_xsrf_cookie(self) -> None:
        """Skip the check, because this handler requires a token in the header."""

    async def post(self) -> None:
        sent = self.request.headers.get("Authorization", "")
        if not hmac.compare_digest(sent, f"token {SETTINGS['admin_token']}"):
            raise web.HTTPError(403)
        body = json.loads(self.request.body)
        user = self.find_user(body["user"])
        if user is None:
            raise web.HTTPError(404)
        when = _naive_utc(datetime.fromisoformat(body["when"])) if body["when"] else None
        target = user.orm_user if body["server"] is None else user.orm_spawners[body["server"]]
        target.last_activity = when
        self.db.commit()
        self.set_status(204)


def _naive_utc(when: datetime) -> datetime:
    """Convert a time to the format of the Hub's database."""
    return when.astimezone(UTC).replace(tzinfo=None)


def _configure(c: Config) -> None:
    """Fill in the hub's configuration from the settings."""
    directory = Path(SETTINGS["directory"])
    c.JupyterHub.bind_url = SETTINGS["url"] + SETTINGS["base_url"]
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = SETTINGS["hub_port"]
    c.JupyterHub.db_url = f"sqlite:///{directory / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(directory / "cookie_secret")
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.last_activity_interval = SETTINGS["last_activity_interval"]
    c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 10, "slow_stop_timeout": 10} | (
        SETTINGS["tornado_settings"]
    )
    c.JupyterHub.extra_handlers = [(r"/test/last-activity", LastActivityHandler)]
    c.JupyterHub.concurrent_spawn_limit = 0
    # At this level, each request is logged; reports of failed tests include the log.
    c.JupyterHub.log_level = "INFO"

    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.auth_token = SETTINGS["proxy_token"]
    c.ConfigurableHTTPProxy.api_url = SETTINGS["proxy_api_url"]

    c.JupyterHub.authenticator_class = "dummy"
    c.Authenticator.allow_all = True
    c.Authenticator.admin_users = {SETTINGS["admin"]}

    c.JupyterHub.spawner_class = {"tiny": TinySpawner, "nothing": NothingSpawner}[
        SETTINGS["spawner"]
    ]
    c.Spawner.cmd = [sys.executable, "-S", "-E", SETTINGS["tiny_server"]]
    c.Spawner.environment = {"REALHUB_MARK": SETTINGS["mark"]}
    c.Spawner.poll_interval = 5
    c.Spawner.http_timeout = 20

    c.JupyterHub.services = [
        {"name": "test-admin", "api_token": SETTINGS["admin_token"]},
        *SETTINGS["services"],
    ]
    c.JupyterHub.load_roles = [
        {"name": "test-admin", "services": ["test-admin"], "scopes": ADMIN_SCOPES},
        *SETTINGS["roles"],
    ]
    c.JupyterHub.load_groups = SETTINGS["groups"]


# The scopes of the admin role and more; older Hubs do not have all of them.
_ADMIN_SCOPES = [
    "admin-ui",
    "admin:users",
    "admin:servers",
    "admin:groups",
    "admin:services",
    "list:services",
    "tokens",
    "read:roles",
    "read:hub",
    "proxy",
    "shutdown",
    "access:services",
    "access:servers",
    "read:metrics",
    "shares",
]
ADMIN_SCOPES = [scope for scope in _ADMIN_SCOPES if scope in scope_definitions]


def _mark_services(c: Config) -> None:
    """Add the mark, by which processes are found, to every managed service."""
    for service in c.JupyterHub.services:
        if service.get("command"):
            service.setdefault("environment", {})["REALHUB_MARK"] = SETTINGS["mark"]


_configure(c)  # type: ignore[name-defined] # noqa: F821 - JupyterHub defines c
exec(SETTINGS["extra_config"])  # noqa: S102 - the test's own lines of configuration
_mark_services(c)  # type: ignore[name-defined] # noqa: F821 - JupyterHub defines c
