"""The Hub's configuration, from environment variables and secret files.

docker/.env.example documents the settings. All problems are reported at once.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from classroom_hub.sign_in import GOOGLE, SHARED_PASSWORD, SignIn, configure_sign_in
from classroom_hub.subdomains import configure_subdomains
from classroom_hub.swarm.settings import configure_swarm
from classroom_hub.sync import SCOPES as SYNC_SCOPES
from classroom_hub.uids import Uids
from classroom_hub.waiting import wait_for
from common.config.suggestions import did_you_mean
from common.errors import ConfigError
from services.declare import declare

SPAWNERS = ("docker", "systemuser", "swarm")
#: The secrets that each authenticator needs.
AUTHENTICATOR_SECRETS = {
    GOOGLE: ("client_id", "client_secret"),
    SHARED_PASSWORD: ("user_password", "admin_password"),
}
SHORTEST_SECRET = 32
HUB = "http://hub:8081"
SERVICE_PORT = 8000
_MEMORY = re.compile(r"\d+(\.\d+)?[KMGT]?")


def configure(
    c: Any, environ: Mapping[str, str], secrets: Path, etc: Path, wait_seconds: float = 0
) -> None:
    """Configure ``c``, the object of jupyterhub_config.py.

    ``wait_seconds`` is how long to wait for the database and for the proxy, each. With 0 the
    database must respond at once, and the proxy is not checked.

    :raises ConfigError: with all problems
    """
    _Configuration(c, environ, secrets, etc, wait_seconds).build()


class _Configuration:
    """Builds a configuration and collects the problems."""

    def __init__(
        self, c: Any, environ: Mapping[str, str], secrets: Path, etc: Path, wait_seconds: float
    ) -> None:
        self._c = c
        self._environ = environ
        self._secrets = secrets
        self._etc = etc
        self._wait_seconds = wait_seconds
        self._problems: list[str] = []

    def build(self) -> None:
        self._addresses()
        database = self._database()
        self._sign_in()
        self._roster()
        self._services()
        self._limits()
        if self._problems:
            raise ConfigError(self._problems)
        # Connect to the database only if all other settings are valid.
        self._wait_for("the database", database, 5432)
        try:
            uids = Uids(create_engine(database, pool_pre_ping=True))
        except SQLAlchemyError as error:
            # The driver's message, not the URL, which contains the password.
            raise ConfigError(
                [f"the database does not respond: {_driver_message(error)}"]
            ) from None
        self._spawner(uids)
        if self._problems:
            raise ConfigError(self._problems)
        self._wait_for("the proxy's API", self._c.ConfigurableHTTPProxy.api_url, 8001)

    def _wait_for(self, what: str, url: str, port: int) -> None:
        parts = urlsplit(url)
        if self._wait_seconds and parts.hostname:
            wait_for(what, parts.hostname, parts.port or port, self._wait_seconds)

    def _setting(self, name: str, default: str = "") -> str:
        return self._environ.get(name) or default

    def _secret(self, name: str, shortest: int = SHORTEST_SECRET) -> str:
        """Return a secret; report one that is missing or too short, and return an empty string."""
        try:
            text = (self._secrets / name).read_text(encoding="utf-8").strip()
        except OSError as error:
            self._problems.append(
                f"cannot read secrets/{name} ({error.strerror}): run docker/setup"
            )
            return ""
        if len(text) < shortest:
            self._problems.append(
                f"secrets/{name} is shorter than {shortest} characters: delete it and run"
                " docker/setup to generate a strong one"
            )
            return ""
        return text

    def _addresses(self) -> None:
        hub = self._c.JupyterHub
        hub.hub_bind_url = "http://0.0.0.0:8081"
        hub.hub_connect_url = HUB
        public = self._setting("PUBLIC_URL")
        if urlsplit(public).scheme not in {"http", "https"} or not urlsplit(public).hostname:
            self._problems.append(
                f'PUBLIC_URL="{public}" is not valid: use the address that browsers open, such as'
                " https://hub.university.example"
            )
        hub.public_url = public
        wanted = self._setting("SUBDOMAINS", "no")
        self._problems += configure_subdomains(self._c, wanted, public)
        if urlsplit(public).scheme == "https":
            # The Hub secures its session cookies by default, but not the cookie of its XSRF token.
            hub.tornado_settings = {"cookie_options": {"secure": True}}
        hub.cookie_secret = self._secret("cookie_secret").encode()
        self._c.CryptKeeper.keys = [self._secret("crypt_key")]
        hub.proxy_class = "classroom_hub.proxy.WatchedProxy"
        self._c.ConfigurableHTTPProxy.should_start = False
        self._c.ConfigurableHTTPProxy.api_url = self._setting(
            "PROXY_API_URL", "http://proxy-api:8001"
        )
        self._c.ConfigurableHTTPProxy.auth_token = self._secret("proxy_token")
        # Do not keep connections alive: one to a proxy or server on a lost machine would hang.
        # Do not cache addresses either: a replaced container has a new one.
        self._c.JupyterHubHTTPClient.connector_options = {
            "force_close": True,
            "use_dns_cache": False,
        }
        # Servers and their routes keep working while the hub restarts.
        hub.cleanup_servers = False
        hub.cleanup_proxy = False
        # Interval in seconds at which the Hub reads servers' activity from the proxy's routes.
        hub.last_activity_interval = 60
        hub.allow_named_servers = self._setting("NAMED_SERVERS", "no") == "yes"

    def _database(self) -> str:
        url = self._setting("HUB_DATABASE", "postgresql+psycopg://classroom@db/hub")
        if url.startswith("postgresql"):
            password = quote(self._secret("postgres_password"), safe="")
            user, at, rest = url.partition("@")
            url = f"{user}:{password}{at}{rest}"
        self._c.JupyterHub.db_url = url
        return url

    def _sign_in(self) -> None:
        authenticator = self._setting("AUTHENTICATOR", SHARED_PASSWORD)
        names = AUTHENTICATOR_SECRETS.get(authenticator, ())
        secrets = {name: self._secret(name, 1) for name in names}
        if "" in secrets.values():
            return
        settings = SignIn(
            authenticator, self._etc / "roster.toml", self._setting("PUBLIC_URL"), secrets
        )
        try:
            configure_sign_in(self._c, settings)
        except ConfigError as error:
            self._problems += error.problems

    def _roster(self) -> None:
        """Add the service that synchronizes users and groups with the roster."""
        self._c.JupyterHub.services = [
            {
                "name": "roster",
                "command": [
                    sys.executable,
                    "-m",
                    "classroom_hub.sync",
                    str(self._etc / "roster.toml"),
                ],
                "display": False,
            }
        ]
        self._c.JupyterHub.load_roles = [
            {
                "name": "roster-service",
                "description": "Synchronize users and groups with the roster",
                "scopes": list(SYNC_SCOPES),
                "services": ["roster"],
            }
        ]

    def _services(self) -> None:
        wanted = self._setting("SERVICES", "cull,stats,formgrader").split(",")
        options: dict[str, Any] = {}
        for name in (each.strip() for each in wanted if each.strip()):
            argument = {"formgrader": "formgrader_proxy"}.get(name, name)
            if argument not in {"cull", "stats", "formgrader_proxy"}:
                self._problems.append(
                    f"SERVICES: unknown service {name}"
                    f"{did_you_mean(name, ('cull', 'stats', 'formgrader'))}"
                )
                continue
            token = self._secret(f"{name}_token")
            options[argument] = {
                "url": f"http://{name}:{SERVICE_PORT}",
                "api_token": token or "-" * SHORTEST_SECRET,
            }
        # The statistics and formgrader services decide who may see their pages.
        policy = self._etc / "cull.toml"
        if "cull" in options and policy.exists():
            options["cull"]["policy"] = str(policy)
        try:
            declare(self._c, **options)
        except ConfigError as error:
            self._problems += error.problems
        scopes = ["read:metrics"]
        if (self._secrets / "metrics_token").exists():
            self._c.JupyterHub.services = [
                *self._c.JupyterHub.services,
                {
                    "name": "prometheus",
                    "api_token": self._secret("metrics_token"),
                    "display": False,
                },
            ]
            role = {"name": "prometheus-service", "scopes": scopes, "services": ["prometheus"]}
            self._c.JupyterHub.load_roles = [*self._c.JupyterHub.load_roles, role]

    def _limits(self) -> None:
        spawner = self._c.Spawner
        for name, trait in (("MEMORY_LIMIT", "mem_limit"), ("MEMORY_GUARANTEE", "mem_guarantee")):
            value = self._setting(name, {"MEMORY_LIMIT": "1G"}.get(name, ""))
            if value and not _MEMORY.fullmatch(value):
                self._problems.append(
                    f"{name}={value} is not a valid size: use a value such as 512M or 1G"
                )
            elif value:
                setattr(spawner, trait, value)
        for name, trait in (("CPU_LIMIT", "cpu_limit"), ("CPU_GUARANTEE", "cpu_guarantee")):
            value = self._setting(name, {"CPU_LIMIT": "2"}.get(name, ""))
            try:
                if value:
                    setattr(spawner, trait, float(value))
            except ValueError:
                self._problems.append(
                    f"{name}={value} is not a number of cores: use a value such as 0.5 or 2"
                )
        spawner.cmd = ["jupyterhub-singleuser"]
        spawner.default_url = self._setting("DEFAULT_URL", "/lab")
        spawner.http_timeout = 120
        spawner.start_timeout = 180

    def _spawner(self, uids: Uids) -> None:
        spawner_name = self._setting("SPAWNER", "docker")
        firewall = self._setting("STUDENTS_FIREWALL", "yes")
        if firewall not in {"yes", "no"}:
            self._problems.append(f"STUDENTS_FIREWALL={firewall} is not valid: use yes or no")
        self._c.DockerSpawner.image = self._setting(
            "SINGLEUSER_IMAGE", "classroom-singleuser:latest"
        )
        if spawner_name == "swarm":
            try:
                configure_swarm(self._c, self._environ, uids.of, firewall=firewall == "yes")
            except ConfigError as error:
                self._problems += error.problems
            return
        if spawner_name not in SPAWNERS:
            self._problems.append(
                f"SPAWNER={spawner_name} is not valid: use one of {', '.join(SPAWNERS)}"
            )
            return
        self._c.JupyterHub.spawner_class = "classroom_hub.spawner.ClassroomDockerSpawner"
        spawner = self._c.ClassroomDockerSpawner
        spawner.uid_of = uids.of
        spawner.may_reach = "hub proxy" if firewall == "yes" else ""
        spawner.prefix = self._setting("SERVERS_PREFIX", "classroom")
        spawner.network_name = self._setting("STUDENTS_NETWORK", "classroom_students")
        spawner.use_internal_ip = True
        spawner.remove = True
        spawner.exchange = self._setting("EXCHANGE")
        spawner.courses = self._setting("COURSES")
        if spawner_name == "systemuser":
            spawner.homes = self._setting("HOMES", "/srv/classroom/homes")
            spawner.skeleton = self._setting("SKELETON")


def _driver_message(error: SQLAlchemyError) -> str:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
