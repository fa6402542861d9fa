"""The configuration of the benchmarks' Hub, whose servers run only according to its database.

`real_hub.py` starts it and sets the BENCH_* variables.
"""

import asyncio
import json
import os
from typing import Any

from jupyterhub.spawner import Spawner

STOP_SECONDS = float(os.environ["BENCH_STOP_SECONDS"])


class FakeSpawner(Spawner):  # type: ignore[misc] # jupyterhub has no types
    """A server that exists only in the database, and takes STOP_SECONDS to stop."""

    stopped = False

    async def start(self) -> str:
        raise NotImplementedError("no benchmark starts a server")

    async def poll(self) -> int | None:
        return 0 if self.stopped else None

    async def stop(self, now: bool = False) -> None:
        await asyncio.sleep(STOP_SECONDS)
        self.stopped = True


c: Any = get_config()  # type: ignore[name-defined] # noqa: F821 # traitlets defines it
c.JupyterHub.db_url = f"sqlite:///{os.environ['BENCH_DB']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['BENCH_HUB_PORT']}"
c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['BENCH_PROXY_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['BENCH_PROXY_API_PORT']}"
c.ConfigurableHTTPProxy.command = json.loads(os.environ["BENCH_PROXY"])
c.JupyterHub.pid_file = ""
c.JupyterHub.cleanup_servers = False
c.JupyterHub.spawner_class = FakeSpawner
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.cookie_secret = bytes(32)
# Treat the services' tokens like those that the Hub generates: one round of hashing per request
# instead of 16,384.
c.JupyterHub.trust_user_provided_tokens = True
# Wait until the Hub has checked every server, so that all runs start in the same state.
c.JupyterHub.init_spawners_timeout = -1
# The proxy would report servers as active, because their routes are new after a start.
c.JupyterHub.last_activity_interval = 24 * 3600
# The scopes in the README of jupyterhub-idle-culler, and the ones that services.cull needs.
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
c.JupyterHub.services = [
    {"name": name, "api_token": os.environ[f"BENCH_{name.upper()}_TOKEN"]}
    for name in ("peer", "ours")
]
c.JupyterHub.load_roles = [
    {"name": "peer-role", "scopes": scopes, "services": ["peer"]},
    {"name": "ours-role", "scopes": scopes, "services": ["ours"]},
]
