"""Declaring the services in a Hub's configuration."""

import pydoc
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from traitlets.config import Config

import services.declare
from services.cull.scopes import ADMIN_SCOPE as CULL_ADMIN_SCOPE
from services.cull.scopes import AUDIT_SCOPE
from services.declare import declare
from services.declare.options import HUB_OPTIONS
from services.stats.scopes import CULLER_AUDIT_SCOPE
from tests.declare.declared import role, service


def test_all_three() -> None:
    """Each service is managed, started with this interpreter and open to all users."""
    c = Config()
    declare(c, cull=True, stats=True, formgrader_proxy=True)
    assert [each["name"] for each in c.JupyterHub.services] == ["cull", "stats", "formgrader"]
    ports = {urlsplit(each["url"]).port for each in c.JupyterHub.services}
    assert all(ports)
    assert service(c, "formgrader") == {
        "name": "formgrader",
        "url": f"http://127.0.0.1:{urlsplit(service(c, 'formgrader')['url']).port}",
        "display": True,
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": ["custom:jupyterhub-formgrader:admin"],
        "command": [sys.executable, "-P", "-m", "services.formgrader_proxy", "--stats-url=stats/"],
    }
    assert role(c, "user")["scopes"] == [
        "self",
        "access:services!service=cull",
        "access:services!service=stats",
        "access:services!service=formgrader",
    ]
    assert set(c.JupyterHub.custom_scopes) == {
        "custom:jupyterhub-cull:admin",
        "custom:jupyterhub-cull:read-audit",
        "custom:jupyterhub-stats:admin",
        "custom:jupyterhub-formgrader:admin",
    }


AUDIT = "custom:jupyterhub-cull:read-audit"


def test_the_statistics_read_the_cullers_audit_log() -> None:
    """They get its address, and access to the audit log and nothing else of the culler."""
    c = Config()
    c.JupyterHub.base_url = "/hubs/one/"
    declare(c, cull={"name": "idle", "port": 9123}, stats=True)
    url = "http://127.0.0.1:9123/hubs/one/services/idle/"
    assert service(c, "stats")["command"][4:] == [f"--cull-url={url}"]
    scopes = set(role(c, "stats-service")["scopes"])
    assert {"access:services!service=idle", AUDIT} <= scopes
    assert CULL_ADMIN_SCOPE not in scopes
    assert AUDIT == AUDIT_SCOPE == CULLER_AUDIT_SCOPE
    assert set(c.JupyterHub.custom_scopes) >= {AUDIT}


@pytest.mark.parametrize(
    ("cull", "stats", "flags"),
    [
        pytest.param(None, {}, [], id="no culler"),
        pytest.param({"url": False}, {}, [], id="a culler without pages"),
        pytest.param(True, {"cull_url": ""}, ["--cull-url="], id="turned off"),
        pytest.param(
            True, {"cull_url": "http://a/x"}, ["--cull-url=http://a/x"], id="another culler"
        ),
    ],
)
def test_no_access_to_an_audit_log_that_is_not_read(
    cull: bool | dict[str, object] | None, stats: dict[str, object], flags: list[str]
) -> None:
    """The role of the statistics then has no scope of the culler."""
    c = Config()
    declare(c, cull=cull, stats=stats)
    assert service(c, "stats")["command"][4:] == flags
    assert AUDIT not in role(c, "stats-service")["scopes"]
    assert AUDIT not in c.JupyterHub.custom_scopes


def test_statistics_elsewhere_get_the_scopes_only() -> None:
    """Their flags are set where they are started; the declaration repeats the one for the role."""
    c = Config()
    elsewhere = {"url": "http://10.0.0.5:9000", "api_token": "x" * 32}
    declare(c, cull=True, stats={**elsewhere, "cull_url": "http://10.0.0.4:9100/services/cull/"})
    assert AUDIT in role(c, "stats-service")["scopes"]
    assert "command" not in service(c, "stats")


@pytest.mark.parametrize(
    ("stats", "options", "flags"),
    [
        (None, {}, []),
        ({"url": False}, {}, []),
        ({"name": "usage"}, {}, ["--stats-url=usage/"]),
        (
            True,
            {"stats_url": "https://stats.example.org/"},
            ["--stats-url=https://stats.example.org/"],
        ),
        (True, {"stats_url": ""}, ["--stats-url="]),
    ],
)
def test_the_formgrader_links_to_the_statistics(
    stats: bool | dict[str, object] | None, options: dict[str, object], flags: list[str]
) -> None:
    """If they are declared with pages, unless the options say otherwise."""
    c = Config()
    declare(c, stats=stats, formgrader_proxy=options)
    assert service(c, "formgrader")["command"][4:] == flags


def test_a_formgrader_elsewhere_gets_no_flags() -> None:
    """Its flags are set where it is started."""
    c = Config()
    external = {"api_token": "12345678", "url": "http://10.0.0.5:9000"}
    declare(c, stats=True, formgrader_proxy=external)
    assert "command" not in service(c, "formgrader")


@pytest.mark.parametrize("nothing", [None, False], ids=repr)
def test_nothing_declared(nothing: bool | None) -> None:
    """A service that is False or left out adds no service, role or scope."""
    c = Config()
    declare(c, cull=nothing)
    assert c.JupyterHub.services == []
    assert c.JupyterHub.load_roles == []
    assert c.JupyterHub.custom_scopes == {}


def test_existing_settings_are_kept() -> None:
    """Services, roles and scopes in the configuration are kept and not modified."""
    c = Config()
    mine = {"name": "user", "scopes": ["self", "read:hub"]}
    c.JupyterHub.services = [{"name": "mine"}]
    c.JupyterHub.load_roles = [mine]
    c.JupyterHub.custom_scopes = {"custom:mine": {"description": "mine"}}
    declare(c, cull=True)
    assert [each["name"] for each in c.JupyterHub.services] == ["mine", "cull"]
    assert role(c, "user")["scopes"] == ["self", "read:hub", "access:services!service=cull"]
    assert set(c.JupyterHub.custom_scopes) == {"custom:mine", "custom:jupyterhub-cull:admin"}
    assert mine == {"name": "user", "scopes": ["self", "read:hub"]}


def test_appended_settings_are_kept() -> None:
    """Lists that were only appended to are kept as well."""
    c = Config()
    c.JupyterHub.services.append({"name": "mine"})
    c.JupyterHub.load_roles.append({"name": "mine-role", "scopes": []})
    c.JupyterHub.custom_scopes.update({"custom:mine": {"description": "mine"}})
    declare(c, stats=True)
    assert [each["name"] for each in c.JupyterHub.services] == ["mine", "stats"]
    assert role(c, "mine-role") == {"name": "mine-role", "scopes": []}
    assert "custom:mine" in c.JupyterHub.custom_scopes


def test_two_calls() -> None:
    """Services can be declared in separate calls."""
    c = Config()
    declare(c, cull=True)
    declare(c, stats=True)
    assert [each["name"] for each in c.JupyterHub.services] == ["cull", "stats"]
    assert len(role(c, "user")["scopes"]) == 3


@pytest.mark.parametrize(
    ("before", "scopes"),
    [
        ({}, ["users:activity!user", "access:servers!server"]),
        ({"Spawner": {"server_token_scopes": ["tokens!user"]}}, ["tokens!user"]),
        (
            {"JupyterHub": {"load_roles": [{"name": "server", "scopes": ["inherit"]}]}},
            ["inherit"],
        ),
    ],
    ids=["default", "set", "by role"],
)
def test_servers_may_list_the_services_of_courses(
    before: dict[str, Any], scopes: list[str]
) -> None:
    """The tokens of users' servers keep their scopes and get those for nbgrader's course list."""
    c = Config(before)
    declare(c, formgrader_proxy={"service_per_course": ["course101"]})
    assert c.Spawner.server_token_scopes == [
        *scopes,
        "read:users:name!user",
        "read:users:groups!user",
        "list:services!service=course101",
        "read:services!service=course101",
    ]


def test_a_function_for_server_tokens_is_kept() -> None:
    """A function for the tokens' scopes is not replaced; without courses nothing is set."""
    c = Config({"Spawner": {"server_token_scopes": len}})
    declare(c, formgrader_proxy={"service_per_course": ["course101"]})
    assert c.Spawner.server_token_scopes is len
    plain = Config()
    declare(plain, formgrader_proxy=True)
    assert "server_token_scopes" not in plain.Spawner


def test_help_documents_every_option() -> None:
    """``help(services.declare)`` describes every option that is not a flag."""
    text = pydoc.plain(pydoc.render_doc(services.declare))
    missing = [name for name in HUB_OPTIONS if f"``{name}``" not in text]
    assert missing == []
