"""The configuration of docker/hub, from settings and secret files."""

from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from classroom_hub.configure import configure
from common.errors import ConfigError

SECRETS = (
    *("cookie_secret", "crypt_key", "proxy_token"),
    *("cull_token", "stats_token", "formgrader_token"),
)
PASSWORDS = {"user_password": "u" * 12, "admin_password": "a" * 32}


class Files:
    """A complete set of files and settings for the hub."""

    def __init__(self, tmp_path: Path) -> None:
        self.secrets, self.etc = tmp_path / "secrets", tmp_path / "etc"
        self.secrets.mkdir()
        self.etc.mkdir()
        for number, name in enumerate((*SECRETS, "metrics_token")):
            self.secret(name, f"{number}" * 64)
        for name, text in PASSWORDS.items():
            self.secret(name, text)
        (self.etc / "roster.toml").write_text(
            'admins = ["admin"]\n[[course]]\nid = "course101"\nstudents = ["ada"]\n'
        )
        self.environ = {
            "PUBLIC_URL": "https://hub.test",
            "HUB_DATABASE": f"sqlite:///{tmp_path / 'hub.sqlite'}",
        }

    def secret(self, name: str, text: str) -> None:
        """Write a secret."""
        (self.secrets / name).write_text(text + "\n")

    def configure(self, **settings: str) -> Any:
        """Return the configuration for these settings. :raises ConfigError: see configure"""
        c = Config()
        # A Config would create lazy lists, but JupyterHub expects real ones.
        c.JupyterHub.services, c.JupyterHub.load_roles = [], []
        configure(c, {**self.environ, **settings}, self.secrets, self.etc)
        return c

    def problems(self, **settings: str) -> list[str]:
        """Return the problems with these settings."""
        with pytest.raises(ConfigError) as caught:
            self.configure(**settings)
        return list(caught.value.problems)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A complete set of files and settings."""
    return Files(tmp_path)


def test_services_get_their_addresses_tokens_and_roles(files: Files) -> None:
    """External services are declared, next to the roster and Prometheus services."""
    c = files.configure()
    services = {each["name"]: each for each in c.JupyterHub.services}
    assert set(services) == {"roster", "cull", "stats", "formgrader", "prometheus"}
    for number, name in ((3, "cull"), (4, "stats"), (5, "formgrader")):
        assert services[name]["url"].rstrip("/") == f"http://{name}:8000"
        assert services[name]["api_token"] == f"{number}" * 64
        assert "command" not in services[name]
    roles = {name: role for role in c.JupyterHub.load_roles for name in role.get("services", ())}
    # The formgrader service uses the users' own tokens, so it needs no role.
    assert set(roles) == set(services) - {"formgrader"}
    assert roles["prometheus"]["scopes"] == ["read:metrics"]
    assert "admin:users" not in roles["cull"]["scopes"]


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_cookies_are_secure_with_https(files: Files, scheme: str, secure: bool) -> None:
    """With plain http, as on http://localhost, secure cookies would not be sent."""
    c = files.configure(PUBLIC_URL=f"{scheme}://hub.test")
    settings = c.JupyterHub.get("tornado_settings", {})
    assert settings.get("cookie_options", {}).get("secure", False) is secure


def test_separate_origins_are_optional(files: Files) -> None:
    """With SUBDOMAINS=yes, users and services get names below the host of PUBLIC_URL."""
    assert not files.configure().JupyterHub.get("subdomain_host", "")
    c = files.configure(SUBDOMAINS="yes", PUBLIC_URL="https://hub.test:8443/")
    assert c.JupyterHub.subdomain_host == "https://hub.test:8443"


@pytest.mark.parametrize("name", ["docker", "systemuser"])
def test_a_users_server_has_limits_and_its_own_uid(files: Files, name: str) -> None:
    """Only systemuser keeps homes in a folder on the machine."""
    c = files.configure(SPAWNER=name, MEMORY_LIMIT="2G", CPU_LIMIT="0.5")
    assert (c.Spawner.mem_limit, c.Spawner.cpu_limit) == ("2G", 0.5)
    spawner = c.ClassroomDockerSpawner
    assert spawner.uid_of("ada") == spawner.uid_of("ada") != spawner.uid_of("bob")
    assert spawner.get("homes", "") == {"docker": "", "systemuser": "/srv/classroom/homes"}[name]
    assert spawner.remove is True


@pytest.mark.parametrize(
    ("name", "firewall", "may_reach"),
    [
        ("docker", "yes", "hub proxy"),
        ("systemuser", "no", ""),
        ("swarm", "yes", "hub proxy tasks.hub tasks.proxy"),
        ("swarm", "no", ""),
    ],
)
def test_a_users_server_reaches_only_hub_and_proxy(
    files: Files, name: str, firewall: str, may_reach: str
) -> None:
    """The firewall can be disabled."""
    more = {"FILES_OPTIONS": "addr=192.0.2.20", "STUDENTS_NETWORK": "students"}
    c = files.configure(SPAWNER=name, STUDENTS_FIREWALL=firewall, **more)
    assert c[c.JupyterHub.spawner_class.rpartition(".")[2]].may_reach == may_reach


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"SPAWNER": "swram"}, "SPAWNER=swram is not valid: use one of docker, systemuser, swarm"),
        (
            {"MEMORY_LIMIT": "lots"},
            "MEMORY_LIMIT=lots is not a valid size: use a value such as 512M or 1G",
        ),
        (
            {"CPU_LIMIT": "two"},
            "CPU_LIMIT=two is not a number of cores: use a value such as 0.5 or 2",
        ),
        (
            {"PUBLIC_URL": "hub.test"},
            'PUBLIC_URL="hub.test" is not valid: use the address that browsers',
        ),
        ({"STUDENTS_FIREWALL": "on"}, "STUDENTS_FIREWALL=on is not valid: use yes or no"),
        ({"SUBDOMAINS": "true"}, "SUBDOMAINS=true is not valid: use yes or no"),
        (
            {"SUBDOMAINS": "yes", "PUBLIC_URL": "http://192.0.2.1:8000"},
            "SUBDOMAINS=yes needs a DNS name in PUBLIC_URL, not 192.0.2.1; use the hub's name",
        ),
        (
            {"SUBDOMAINS": "yes", "PUBLIC_URL": "http://localhost:8000"},
            "SUBDOMAINS=yes needs a DNS name in PUBLIC_URL, not localhost; use the hub's name",
        ),
        ({"SERVICES": "cul"}, "SERVICES: unknown service cul"),
        ({"AUTHENTICATOR": "no.Such"}, 'unknown authenticator "no.Such"; installed: '),
        ({"HUB_DATABASE": "sqlite:////no/such/folder/x"}, "the database does not respond: "),
    ],
)
def test_an_invalid_setting_is_reported(
    files: Files, settings: dict[str, str], expected: str
) -> None:
    """The message names the valid values."""
    (problem,) = files.problems(**settings)
    assert problem.startswith(expected)


def test_an_unavailable_database_is_reported_without_its_password(files: Files) -> None:
    """There is no traceback either; Docker restarts the hub's container."""
    files.secret("postgres_password", "p" * 64)
    url = "postgresql+psycopg2://classroom@127.0.0.1:1/hub"
    pytest.importorskip("psycopg2")
    (problem,) = files.problems(HUB_DATABASE=url)
    assert problem.startswith("the database does not respond: ")
    assert "ppp" not in problem


def test_short_and_missing_secrets_are_reported_together(files: Files) -> None:
    """Each message names the file and the remedy, but never the content."""
    files.secret("cookie_secret", "secret-word")
    (files.secrets / "stats_token").unlink()
    short, missing = files.problems()
    assert short == (
        "secrets/cookie_secret is shorter than 32 characters: delete it and run docker/setup"
        " to generate a strong one"
    )
    assert missing.startswith("cannot read secrets/stats_token (No such file or directory)")


def test_google_needs_its_client_and_https(files: Files) -> None:
    """A missing client and a plain http address are reported; the redirect URI is set."""
    files.secret("client_id", "")
    assert files.problems(AUTHENTICATOR="google")[0].startswith("secrets/client_id is shorter")
    files.secret("client_id", "id")
    files.secret("client_secret", "secret")
    (problem,) = files.problems(AUTHENTICATOR="google", PUBLIC_URL="http://hub.test")
    assert problem.startswith("http://hub.test: Google redirects users only to https addresses")
    c = files.configure(AUTHENTICATOR="google")
    assert c.GoogleOAuthenticator.oauth_callback_url == "https://hub.test/hub/oauth_callback"
