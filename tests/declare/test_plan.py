"""The services, roles and scopes that a declaration adds."""

import sys
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from common.errors import ConfigError
from services.declare import declare
from tests.declare.declared import role, service


def test_flags() -> None:
    """Options that the Hub does not use become flags, in the given order."""
    c = Config()
    options = {
        "timeout": 600,
        "cull_users": True,
        "cull_default_servers": False,
        "policy": Path("/etc/cull.toml"),
        "db_url": None,
        "settle": 90,
        "port": 9000,
        "environment": {"A": "b"},
        "cwd": Path("/var/lib"),
    }
    declare(c, cull=options)
    found = service(c, "cull")
    assert found["command"] == [
        *(sys.executable, "-P", "-m", "services.cull"),
        *("--timeout=600", "--cull-users", "--cull-default-servers=false"),
        *("--policy=/etc/cull.toml", "--settle=90"),
    ]
    assert found["url"] == "http://127.0.0.1:9000"
    assert found["environment"] == {"A": "b"}
    assert found["cwd"] == "/var/lib"


def test_access_for_some_users_only() -> None:
    """With users or groups, only these get access, and the role of all users does not change."""
    c = Config()
    declare(c, stats={"users": ["ada"], "groups": ["staff"]})
    assert [each["name"] for each in c.JupyterHub.load_roles] == ["stats-service", "stats-access"]
    access = role(c, "stats-access")
    assert access["scopes"] == ["access:services!service=stats"]
    assert (access["users"], access["groups"]) == (["ada"], ["staff"])


def test_administrators() -> None:
    """Administrators of a service get its admin scope and access to its pages."""
    c = Config()
    declare(c, cull={"admin_groups": ["staff"], "name": "idle"})
    admin = role(c, "idle-admin")
    assert admin["scopes"] == ["access:services!service=idle", "custom:jupyterhub-cull:admin"]
    assert (admin["users"], admin["groups"]) == ([], ["staff"])


def test_lists_and_files_of_the_statistics() -> None:
    """A list becomes a repeated flag, and a file one flag."""
    c = Config()
    declare(c, stats={"exclude": ["bot-*", "group:staff"], "terms": "/srv/terms.toml"})
    flags = service(c, "stats")["command"]
    for flag in ("--exclude=bot-*", "--exclude=group:staff", "--terms=/srv/terms.toml"):
        assert flag in flags


def test_without_pages() -> None:
    """A culler without pages has no URL, and no role gives access to it."""
    c = Config()
    declare(c, cull={"url": False})
    assert service(c, "cull").keys() == {"name", "command"}
    assert [each["name"] for each in c.JupyterHub.load_roles] == ["cull-service"]


def test_a_service_that_runs_elsewhere() -> None:
    """A service with a token is not started by the Hub; its role does not change."""
    c = Config()
    token = "a-long-secret"
    declare(c, cull={"api_token": token, "url": "http://cull:8080", "cull_users": True})
    assert "command" not in service(c, "cull")
    assert service(c, "cull")["api_token"] == token
    assert "delete:users" in role(c, "cull-service")["scopes"]


def test_internal_ssl() -> None:
    """With internal_ssl, the services use TLS, and a warning names the Hub's bug."""
    c = Config()
    c.JupyterHub.internal_ssl = True
    with pytest.warns(
        UserWarning, match=r"Cannot connect to stats service.*stats=\{\"url\": False"
    ):
        declare(c, stats=True)
    assert service(c, "stats")["url"].startswith("https://127.0.0.1:")


@pytest.mark.parametrize(
    "options", [{"url": False}, {"url": "https://cull:8080", "api_token": "a-long-secret"}]
)
def test_internal_ssl_without_pages_or_elsewhere(options: dict[str, Any]) -> None:
    """Without pages or a managed process there is no warning (which would fail this test)."""
    c = Config()
    c.JupyterHub.internal_ssl = True
    declare(c, cull=options)
    assert service(c, "cull")["name"] == "cull"


def test_a_service_per_course() -> None:
    """Each course gets a service of its name at the formgrader's URL, visible to its graders."""
    c = Config()
    declare(c, formgrader_proxy={"service_per_course": ["course101", "Bio.2"]})
    assert service(c, "Bio.2") == {
        "name": "Bio.2",
        "url": service(c, "formgrader")["url"],
        "display": False,
    }
    seen = role(c, "formgrader-course-bio.2")
    assert seen["scopes"] == ["list:services!service=Bio.2", "read:services!service=Bio.2"]
    assert seen["groups"] == ["formgrade-Bio.2"]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"services": [{"name": "cull"}]}, 'a service named "cull" already'),
        ({"load_roles": [{"name": "cull-service"}]}, 'a role named "cull-service" already'),
    ],
    ids=["service", "role"],
)
def test_an_existing_name(before: dict[str, Any], said: str) -> None:
    """A service or role with the same name is an error; nothing is overwritten."""
    c = Config({"JupyterHub": before})
    with pytest.raises(ConfigError, match=said):
        declare(c, cull=True)
    assert dict(c.JupyterHub) == before
