"""The configuration of the benchmarks' Hub: its servers run because the database says so.

`real_hub.py` starts it and says everything that changes in BENCH_*.
"""

import asyncio
import json
import os
from typing import Any

from jupyterhub.spawner import Spawner

STOP_SECONDS = float(os.environ["BENCH_STOP_SECONDS"])


class StandingSpawner(Spawner):  # type: ignore[misc] # the Hub is not typed
    """Starts nothing, is up until stopped, and takes STOP_SECONDS to stop."""

    stopped = False

    async def start(self) -> str:
        raise NotImplementedError("no benchmark starts a server")

    async def poll(self) -> int | None:
        return 0 if self.stopped else None

    async def stop(self, now: bool = False) -> None:
        await asyncio.sleep(STOP_SECONDS)
        self.stopped = True


c: Any = get_config()  # type: ignore[name-defined] # noqa: F821 # traitlets puts it here
c.JupyterHub.db_url = f"sqlite:///{os.environ['BENCH_DB']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['BENCH_HUB_PORT']}"
c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['BENCH_PROXY_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['BENCH_PROXY_API_PORT']}"
c.ConfigurableHTTPProxy.command = json.loads(os.environ["BENCH_PROXY"])
c.JupyterHub.pid_file = ""
c.JupyterHub.cleanup_servers = False
c.JupyterHub.spawner_class = StandingSpawner
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.cookie_secret = bytes(32)
# Treat the services' tokens as those that the Hub makes for services it starts itself: one round
# of hashing a request instead of 16,384.
c.JupyterHub.trust_user_provided_tokens = True
# Wait until every server is known to run, so that each run finds the same Hub.
c.JupyterHub.init_spawners_timeout = -1
# Routes are new to the proxy after a start: it would call their servers active.
c.JupyterHub.last_activity_interval = 24 * 3600
# What the peer's README asks for, and all that ours needs where it culls servers by flags alone.
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
c.JupyterHub.services = [
    {"name": name, "api_token": os.environ[f"BENCH_{name.upper()}_TOKEN"]}
    for name in ("peer", "ours")
]
c.JupyterHub.load_roles = [
    {"name": "peer-role", "scopes": scopes, "services": ["peer"]},
    {"name": "ours-role", "scopes": scopes, "services": ["ours"]},
]
