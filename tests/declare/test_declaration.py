"""Declaring the services in a hub's configuration."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from traitlets.config import Config

from common.errors import ConfigError
from services.cull.app import IdleCuller
from services.declare import declare
from services.declare.options import flags
from services.stats.app import StatsApp


def role(c: Config, name: str) -> dict[str, Any]:
    """The role of this name; there must be exactly one."""
    (found,) = [each for each in c.JupyterHub.load_roles if each["name"] == name]
    assert isinstance(found, dict)
    return found


def service(c: Config, name: str) -> dict[str, Any]:
    """The service of this name; there must be exactly one."""
    (found,) = [each for each in c.JupyterHub.services if each["name"] == name]
    assert isinstance(found, dict)
    return found


def problems(**arguments: Any) -> list[str]:
    """What declare says about wrong arguments, without touching the configuration."""
    c = Config()
    with pytest.raises(ConfigError) as caught:
        declare(c, **arguments)
    assert "services" not in c.JupyterHub
    assert "load_roles" not in c.JupyterHub
    return list(caught.value.problems)


def test_all_three() -> None:
    """Each service is managed, started with our interpreter and open to everybody who signs in."""
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
        "command": [sys.executable, "-m", "services.formgrader_proxy"],
    }
    assert role(c, "user")["scopes"] == [
        "self",
        "access:services!service=cull",
        "access:services!service=stats",
        "access:services!service=formgrader",
    ]
    assert set(c.JupyterHub.custom_scopes) == {
        "custom:jupyterhub-cull:admin",
        "custom:jupyterhub-stats:admin",
        "custom:jupyterhub-formgrader:admin",
    }


@pytest.mark.parametrize("nothing", [None, False], ids=repr)
def test_nothing_declared(nothing: bool | None) -> None:
    """A service that is False or left out adds no service, role or scope."""
    c = Config()
    declare(c, cull=nothing)
    assert c.JupyterHub.services == []
    assert c.JupyterHub.load_roles == []
    assert c.JupyterHub.custom_scopes == {}


CULL = {"list:users", "read:users:activity", "read:servers", "delete:servers"}


@pytest.mark.parametrize(
    ("options", "scopes"),
    [
        ({}, CULL | {"read:users:groups", "read:metrics"}),
        ({"url": False, "settle": 0}, CULL),
        ({"url": False}, CULL | {"read:metrics"}),
        ({"url": False, "settle": 0, "policy": "p.toml"}, CULL | {"read:users:groups"}),
        (
            {"url": False, "settle": 0, "cull_users": True},
            CULL | {"delete:users", "read:users"},
        ),
    ],
    ids=["pages", "least", "settling", "policy", "users"],
)
def test_the_culler_may_do_what_its_options_need(options: dict[str, Any], scopes: set[str]) -> None:
    """The culler's role grows with what it is asked to do, and not beyond."""
    c = Config()
    declare(c, cull=options)
    found = role(c, "cull-service")
    assert set(found["scopes"]) == scopes
    assert len(found["scopes"]) == len(scopes)
    assert found["services"] == ["cull"]


def test_flags() -> None:
    """Options that are not about the Hub become flags, in the order given."""
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
        *(sys.executable, "-m", "services.cull"),
        *("--timeout=600", "--cull-users", "--cull-default-servers=false"),
        *("--policy=/etc/cull.toml", "--settle=90"),
    ]
    assert found["url"] == "http://127.0.0.1:9000"
    assert found["environment"] == {"A": "b"}
    assert found["cwd"] == "/var/lib"


def test_a_list_repeats_its_flag() -> None:
    """A flag that may be given several times is, once for each value."""
    assert flags({"only": ["a", "b"], "rate": 1.5}) == ["--only=a", "--only=b", "--rate=1.5"]


def test_a_flag_that_there_is_not() -> None:
    """A slip in a flag's name is told before the Hub starts the service in vain."""
    assert problems(cull={"timout": 5}) == [
        "declare(): cull: Unknown option --timout; did you mean --timeout?"
    ]


def test_what_was_set_before_stays() -> None:
    """Services, roles and scopes that are in the configuration are kept, and not changed."""
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


def test_what_was_appended_before_stays() -> None:
    """Lists that were appended to and never set are kept as well."""
    c = Config()
    c.JupyterHub.services.append({"name": "mine"})
    c.JupyterHub.load_roles.append({"name": "mine-role", "scopes": []})
    c.JupyterHub.custom_scopes.update({"custom:mine": {"description": "mine"}})
    declare(c, stats=True)
    assert [each["name"] for each in c.JupyterHub.services] == ["mine", "stats"]
    assert role(c, "mine-role") == {"name": "mine-role", "scopes": []}
    assert "custom:mine" in c.JupyterHub.custom_scopes


def test_two_calls() -> None:
    """Services can be declared one call at a time."""
    c = Config()
    declare(c, cull=True)
    declare(c, stats=True)
    assert [each["name"] for each in c.JupyterHub.services] == ["cull", "stats"]
    assert len(role(c, "user")["scopes"]) == 3


def test_only_some_may_open_the_pages() -> None:
    """With users or groups, these alone get access, and the role of everybody is left alone."""
    c = Config()
    declare(c, stats={"users": ["ada"], "groups": ["staff"]})
    assert [each["name"] for each in c.JupyterHub.load_roles] == ["stats-service", "stats-access"]
    access = role(c, "stats-access")
    assert access["scopes"] == ["access:services!service=stats"]
    assert (access["users"], access["groups"]) == (["ada"], ["staff"])


def test_administrators() -> None:
    """Administrators of a service get its own scope and access to it."""
    c = Config()
    declare(c, cull={"admin_groups": ["staff"], "name": "idle"})
    admin = role(c, "idle-admin")
    assert admin["scopes"] == ["access:services!service=idle", "custom:jupyterhub-cull:admin"]
    assert (admin["users"], admin["groups"]) == ([], ["staff"])


def test_without_pages() -> None:
    """A culler without pages has no address, and nobody gets access to it."""
    c = Config()
    declare(c, cull={"url": False})
    assert service(c, "cull").keys() == {"name", "command"}
    assert [each["name"] for each in c.JupyterHub.load_roles] == ["cull-service"]


def test_elsewhere() -> None:
    """A service with a token is not started by the Hub; its role is the same."""
    c = Config()
    token = "a-long-secret"
    declare(c, cull={"api_token": token, "url": "http://cull:8080", "cull_users": True})
    assert "command" not in service(c, "cull")
    assert service(c, "cull")["api_token"] == token
    assert "delete:users" in role(c, "cull-service")["scopes"]


def test_internal_ssl() -> None:
    """With the Hub's internal_ssl the services listen with TLS."""
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
    """What the Hub need not greet is nothing to warn of; here a warning is an error."""
    c = Config()
    c.JupyterHub.internal_ssl = True
    declare(c, cull=options)
    assert service(c, "cull")["name"] == "cull"


def test_every_problem_at_once() -> None:
    """All wrong options of all services are told in one error."""
    found = problems(
        cull={"port": "x", "url": "nonsense", "cull-every": 5, "timeout": {}},
        stats="yes",
        formgrader_proxy={"users": "ada"},
    )
    assert found == [
        "declare(): cull: \"port\" must be a port number, or 0 for a free one, not 'x'",
        'declare(): cull: "url" must be like http://127.0.0.1:9000, or False for no pages, '
        "not 'nonsense'",
        'declare(): cull: "cull-every" is no option; write flags with underscores, such as '
        "cull_every",
        'declare(): cull: "timeout" must be text, a number, True, False or a list of these, not {}',
        'declare(): cull: give "port" or "url", not both',
        "declare(): stats is 'yes': write True, False or a dict of options",
        "declare(): formgrader_proxy: \"users\" must be a list of names, not 'ada'",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "Cull"}, "lower-case"),
        ({"name": "a/b"}, "lower-case"),
        ({"port": 70_000}, "port number"),
        ({"port": True}, "port number"),
        ({"url": "cull:8080"}, "must be like"),
        ({"url": "http://cull:port"}, "must be like"),
        ({"url": "http://[::1"}, "must be like"),
        ({"environment": {"A": 1}}, "text to text"),
        ({"display": "no"}, "True or False"),
        ({"admin_groups": [1]}, "list of names"),
        ({"service_per_course": ["course101"]}, "option of formgrader_proxy"),
        ({"api_token": "a-long-secret"}, "runs elsewhere"),
        ({"api_token": "a-long-secret", "url": False, "timeout": 5}, "timeout where"),
        ({"api_token": "short", "url": False}, "at least 8"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_one_problem(options: dict[str, Any], said: str) -> None:
    """Each wrong option is told, with what to write, and never with a token's text."""
    (found,) = problems(cull=options)
    assert said in found
    assert "secret" not in found
    assert "short" not in found


def test_a_service_per_course() -> None:
    """Each course gets a service of its name at the formgrader's address, seen by its graders."""
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
    """Users' servers keep what their tokens had, and get what nbgrader's course list asks for."""
    c = Config(before)
    declare(c, formgrader_proxy={"service_per_course": ["course101"]})
    assert c.Spawner.server_token_scopes == [
        *scopes,
        "read:users:name!user",
        "read:users:groups!user",
        "list:services!service=course101",
        "read:services!service=course101",
    ]


def test_a_function_for_the_tokens_of_servers_stays() -> None:
    """It knows what it does; without courses nothing is set at all."""
    c = Config({"Spawner": {"server_token_scopes": len}})
    declare(c, formgrader_proxy={"service_per_course": ["course101"]})
    assert c.Spawner.server_token_scopes is len
    plain = Config()
    declare(plain, formgrader_proxy=True)
    assert "server_token_scopes" not in plain.Spawner


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"services": [{"name": "cull"}]}, 'a service "cull" already'),
        ({"load_roles": [{"name": "cull-service"}]}, 'a role "cull-service" already'),
    ],
    ids=["service", "role"],
)
def test_a_name_that_is_taken(before: dict[str, Any], said: str) -> None:
    """A service or role of the same name is an error, and nothing is overwritten."""
    c = Config({"JupyterHub": before})
    with pytest.raises(ConfigError, match=said):
        declare(c, cull=True)
    assert dict(c.JupyterHub) == before


def test_the_statistics_miss_no_scope() -> None:
    """What the statistics say they need is in their role, and no more."""
    c = Config()
    declare(c, stats=True)
    assert set(role(c, "stats-service")["scopes"]) == set(StatsApp().needed_scopes)


def test_the_formgrader_needs_no_scope() -> None:
    """The formgrader proxy asks the Hub for nothing but sign-ins, and so has no role."""
    c = Config()
    declare(c, formgrader_proxy=True)
    assert [each["name"] for each in c.JupyterHub.load_roles] == ["user"]


@pytest.mark.parametrize("cull_users", [False, True], ids=["servers", "users"])
@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_the_culler_misses_no_scope(cull_users: bool, pages: bool) -> None:
    """What the culler says it needs is in the role that it is given."""
    c = Config()
    declare(c, cull={"cull_users": cull_users} | ({} if pages else {"url": False}))
    needed = set(IdleCuller(cull_users=cull_users).needed_scopes)
    assert needed <= set(role(c, "cull-service")["scopes"])
