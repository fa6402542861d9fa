"""The Hub's configuration in docker/hub, from settings and files of secrets."""

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
    """The files and settings of a hub that starts."""

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
        """The configuration with these settings. :raises ConfigError: as configure does"""
        c = Config()
        # JupyterHub reads these as lists, where a Config gives lazy ones.
        c.JupyterHub.services, c.JupyterHub.load_roles = [], []
        configure(c, {**self.environ, **settings}, self.secrets, self.etc)
        return c

    def problems(self, **settings: str) -> list[str]:
        """What is wrong with these settings."""
        with pytest.raises(ConfigError) as caught:
            self.configure(**settings)
        return list(caught.value.problems)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """All that is needed."""
    return Files(tmp_path)


def test_the_services_get_their_addresses_tokens_and_roles(files: Files) -> None:
    """As declare makes them for services that run elsewhere, besides the roster's and metrics'."""
    c = files.configure()
    services = {each["name"]: each for each in c.JupyterHub.services}
    assert set(services) == {"roster", "cull", "stats", "formgrader", "prometheus"}
    for number, name in ((3, "cull"), (4, "stats"), (5, "formgrader")):
        assert services[name]["url"].rstrip("/") == f"http://{name}:8000"
        assert services[name]["api_token"] == f"{number}" * 64
        assert "command" not in services[name]
    roles = {name: role for role in c.JupyterHub.load_roles for name in role.get("services", ())}
    # Whoever signs in at the formgrader is asked about with their own token: it needs no role.
    assert set(roles) == set(services) - {"formgrader"}
    assert roles["prometheus"]["scopes"] == ["read:metrics"]
    assert "admin:users" not in roles["cull"]["scopes"]


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_cookies_are_for_https_alone_where_it_is_to_be_had(
    files: Files, scheme: str, secure: bool
) -> None:
    """Every one of them; a trial on http://localhost would have none otherwise."""
    c = files.configure(PUBLIC_URL=f"{scheme}://hub.test")
    settings = c.JupyterHub.get("tornado_settings", {})
    assert settings.get("cookie_options", {}).get("secure", False) is secure


@pytest.mark.parametrize("way", ["docker", "systemuser"])
def test_a_users_server_has_limits_and_its_own_uid(files: Files, way: str) -> None:
    """The homes are a folder of the machine for systemuser alone."""
    c = files.configure(SPAWNER=way, MEMORY_LIMIT="2G", CPU_LIMIT="0.5")
    assert (c.Spawner.mem_limit, c.Spawner.cpu_limit) == ("2G", 0.5)
    spawner = c.ClassroomDockerSpawner
    assert spawner.uid_of("ada") == spawner.uid_of("ada") != spawner.uid_of("bob")
    assert spawner.get("homes", "") == {"docker": "", "systemuser": "/srv/classroom/homes"}[way]
    assert spawner.remove is True


@pytest.mark.parametrize(
    ("way", "firewall", "may_reach"),
    [
        ("docker", "yes", "hub proxy"),
        ("systemuser", "no", ""),
        ("swarm", "yes", "hub proxy tasks.hub tasks.proxy"),
        ("swarm", "no", ""),
    ],
)
def test_a_users_server_reaches_hub_and_proxy_alone(
    files: Files, way: str, firewall: str, may_reach: str
) -> None:
    """Unless that is switched off."""
    more = {"FILES_OPTIONS": "addr=192.0.2.20", "STUDENTS_NETWORK": "students"}
    c = files.configure(SPAWNER=way, STUDENTS_FIREWALL=firewall, **more)
    assert c[c.JupyterHub.spawner_class.rpartition(".")[2]].may_reach == may_reach


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SPAWNER": "swram"}, "SPAWNER=swram: write one of docker, systemuser, swarm"),
        ({"MEMORY_LIMIT": "lots"}, "MEMORY_LIMIT=lots: write a size such as 512M or 1G"),
        ({"CPU_LIMIT": "two"}, "CPU_LIMIT=two: write a number of cores, such as 0.5 or 2"),
        ({"PUBLIC_URL": "hub.test"}, 'PUBLIC_URL="hub.test": write the address that browsers'),
        ({"STUDENTS_FIREWALL": "on"}, "STUDENTS_FIREWALL=on: write yes or no"),
        ({"SERVICES": "cul"}, "SERVICES: cul is none"),
        ({"AUTHENTICATOR": "no.Such"}, 'there is no authenticator "no.Such"'),
        ({"HUB_DATABASE": "sqlite:////no/such/folder/x"}, "the database does not answer: "),
    ],
)
def test_a_wrong_setting_is_told(files: Files, settings: dict[str, str], said: str) -> None:
    """In a line that says what to write."""
    (problem,) = files.problems(**settings)
    assert problem.startswith(said)


def test_a_database_that_is_away_is_told_without_its_password(files: Files) -> None:
    """No traceback either: the hub's container tries again."""
    files.secret("postgres_password", "p" * 64)
    url = "postgresql+psycopg2://classroom@127.0.0.1:1/hub"
    pytest.importorskip("psycopg2")
    (problem,) = files.problems(HUB_DATABASE=url)
    assert problem.startswith("the database does not answer: ")
    assert "ppp" not in problem


def test_weak_and_missing_secrets_are_told_together(files: Files) -> None:
    """Each with its file and what to do, and never with what is in it."""
    files.secret("cookie_secret", "secret-word")
    (files.secrets / "stats_token").unlink()
    weak, missing = files.problems()
    assert weak == (
        "secrets/cookie_secret is shorter than 32 characters: remove it and run docker/setup,"
        " which makes a strong one"
    )
    assert missing.startswith("secrets/stats_token cannot be read (No such file or directory)")


def test_google_needs_its_client_and_https(files: Files) -> None:
    """The line has the redirect address that must stand in Google's console."""
    files.secret("client_id", "")
    assert files.problems(AUTHENTICATOR="google")[0].startswith("secrets/client_id is shorter")
    files.secret("client_id", "id")
    files.secret("client_secret", "secret")
    (problem,) = files.problems(AUTHENTICATOR="google", PUBLIC_URL="http://hub.test")
    assert problem.startswith("http://hub.test: Google sends people back to https addresses only")
    c = files.configure(AUTHENTICATOR="google")
    assert c.GoogleOAuthenticator.oauth_callback_url == "https://hub.test/hub/oauth_callback"
