"""The Hub's whole configuration, from the environment and the files of secrets.

docker/.env.example says what each setting means; every mistake is told at once.
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
from classroom_hub.swarm.settings import configure_swarm
from classroom_hub.sync import SCOPES as SYNC_SCOPES
from classroom_hub.uids import Uids
from classroom_hub.waiting import wait_for
from common.config.suggestions import did_you_mean
from common.errors import ConfigError
from services.declare import declare

SPAWNERS = ("docker", "systemuser", "swarm")
#: What each way to sign in needs in secrets/.
SIGN_IN_SECRETS = {
    GOOGLE: ("client_id", "client_secret"),
    SHARED_PASSWORD: ("user_password", "admin_password"),
}
SHORTEST_SECRET = 32
HUB = "http://hub:8081"
SERVICE_PORT = 8000
_MEMORY = re.compile(r"\d+(\.\d+)?[KMGT]?")


def configure(
    c: Any, environ: Mapping[str, str], secrets: Path, etc: Path, patience: float = 0
) -> None:
    """Set up ``c``. :raises ConfigError: with all that is wrong

    ``patience`` is for how many seconds to wait for each of the database and the proxy; 0: the
    database must be there, the proxy is not looked at.
    """
    _Configuration(c, environ, secrets, etc, patience).make()


class _Configuration:
    """One configuration in the making; what is wrong is collected."""

    def __init__(
        self, c: Any, environ: Mapping[str, str], secrets: Path, etc: Path, patience: float
    ) -> None:
        self._c = c
        self._environ = environ
        self._secrets = secrets
        self._etc = etc
        self._patience = patience
        self._problems: list[str] = []

    def make(self) -> None:
        self._addresses()
        database = self._database()
        self._sign_in()
        self._roster()
        self._services()
        self._limits()
        if self._problems:
            raise ConfigError(self._problems)
        # The database is asked only where all else is right.
        self._wait_for("the database", database, 5432)
        try:
            uids = Uids(create_engine(database, pool_pre_ping=True))
        except SQLAlchemyError as error:
            # Its words and not the address, which has the password in it.
            raise ConfigError([f"the database does not answer: {_words(error)}"]) from None
        self._spawner(uids)
        if self._problems:
            raise ConfigError(self._problems)
        self._wait_for("the proxy's API", self._c.ConfigurableHTTPProxy.api_url, 8001)

    def _wait_for(self, what: str, url: str, port: int) -> None:
        parts = urlsplit(url)
        if self._patience and parts.hostname:
            wait_for(what, parts.hostname, parts.port or port, self._patience)

    def _setting(self, name: str, default: str = "") -> str:
        return self._environ.get(name) or default

    def _secret(self, name: str, shortest: int = SHORTEST_SECRET) -> str:
        """A secret's text; one that is missing or weak is a problem, and empty."""
        try:
            text = (self._secrets / name).read_text(encoding="utf-8").strip()
        except OSError as error:
            self._problems.append(f"secrets/{name} cannot be read ({error.strerror}): docker/setup")
            return ""
        if len(text) < shortest:
            self._problems.append(
                f"secrets/{name} is shorter than {shortest} characters: remove it and run"
                " docker/setup, which makes a strong one"
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
                f'PUBLIC_URL="{public}": write the address that browsers have, such as'
                " https://hub.university.example"
            )
        hub.public_url = public
        if urlsplit(public).scheme == "https":
            # The Hub's own do by themselves, but not its token against forged requests.
            hub.tornado_settings = {"cookie_options": {"secure": True}}
        hub.cookie_secret = self._secret("cookie_secret").encode()
        self._c.CryptKeeper.keys = [self._secret("crypt_key")]
        hub.proxy_class = "classroom_hub.proxy.WatchedProxy"
        self._c.ConfigurableHTTPProxy.should_start = False
        self._c.ConfigurableHTTPProxy.api_url = self._setting(
            "PROXY_API_URL", "http://proxy-api:8001"
        )
        self._c.ConfigurableHTTPProxy.auth_token = self._secret("proxy_token")
        # No connection is kept: one to a proxy or server whose machine is gone would hang for long.
        # Nor is an address: who is replaced has another.
        self._c.JupyterHubHTTPClient.connector_options = {
            "force_close": True,
            "use_dns_cache": False,
        }
        # Neither the servers nor the way to them ends with the hub.
        hub.cleanup_servers = False
        hub.cleanup_proxy = False
        # How often servers' activity is read off the proxy's routes, in seconds.
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
        way = self._setting("AUTHENTICATOR", SHARED_PASSWORD)
        secrets = {name: self._secret(name, 1) for name in SIGN_IN_SECRETS.get(way, ())}
        if "" in secrets.values():
            return
        settings = SignIn(way, self._etc / "roster.toml", self._setting("PUBLIC_URL"), secrets)
        try:
            configure_sign_in(self._c, settings)
        except ConfigError as error:
            self._problems += error.problems

    def _roster(self) -> None:
        """Let the service that keeps users and groups in line with the roster do so."""
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
                "description": "Keep users and groups as the roster says",
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
                    f"SERVICES: {name} is none{did_you_mean(name, ('cull', 'stats', 'formgrader'))}"
                )
                continue
            token = self._secret(f"{name}_token")
            options[argument] = {
                "url": f"http://{name}:{SERVICE_PORT}",
                "api_token": token or "-" * SHORTEST_SECRET,
            }
        # The pages of statistics and grading are for whom these say; the culler's for everybody.
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
                self._problems.append(f"{name}={value}: write a size such as 512M or 1G")
            elif value:
                setattr(spawner, trait, value)
        for name, trait in (("CPU_LIMIT", "cpu_limit"), ("CPU_GUARANTEE", "cpu_guarantee")):
            value = self._setting(name, {"CPU_LIMIT": "2"}.get(name, ""))
            try:
                if value:
                    setattr(spawner, trait, float(value))
            except ValueError:
                self._problems.append(f"{name}={value}: write a number of cores, such as 0.5 or 2")
        spawner.cmd = ["jupyterhub-singleuser"]
        spawner.default_url = self._setting("DEFAULT_URL", "/lab")
        spawner.http_timeout = 120
        spawner.start_timeout = 180

    def _spawner(self, uids: Uids) -> None:
        way = self._setting("SPAWNER", "docker")
        walls = self._setting("STUDENTS_FIREWALL", "yes")
        if walls not in {"yes", "no"}:
            self._problems.append(f"STUDENTS_FIREWALL={walls}: write yes or no")
        self._c.DockerSpawner.image = self._setting(
            "SINGLEUSER_IMAGE", "classroom-singleuser:latest"
        )
        if way == "swarm":
            try:
                configure_swarm(self._c, self._environ, uids.of, firewall=walls == "yes")
            except ConfigError as error:
                self._problems += error.problems
            return
        if way not in SPAWNERS:
            self._problems.append(f"SPAWNER={way}: write one of {', '.join(SPAWNERS)}")
            return
        self._c.JupyterHub.spawner_class = "classroom_hub.spawner.ClassroomDockerSpawner"
        spawner = self._c.ClassroomDockerSpawner
        spawner.uid_of = uids.of
        spawner.may_reach = "hub proxy" if walls == "yes" else ""
        spawner.prefix = self._setting("SERVERS_PREFIX", "classroom")
        spawner.network_name = self._setting("STUDENTS_NETWORK", "classroom_students")
        spawner.use_internal_ip = True
        spawner.remove = True
        spawner.exchange = self._setting("EXCHANGE")
        spawner.courses = self._setting("COURSES")
        if way == "systemuser":
            spawner.homes = self._setting("HOMES", "/srv/classroom/homes")
            spawner.skeleton = self._setting("SKELETON")


def _words(error: SQLAlchemyError) -> str:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
