"""The scopes of each service type."""

from typing import Any

import pytest
from traitlets.config import Config

from services.cull.app import IdleCuller
from services.declare import declare
from services.stats.scopes import OPTIONAL_SCOPES, REQUIRED_SCOPES
from tests.declare.declared import role
from tests.paths import ROOT

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
    """The culler's role has exactly the scopes that its options need."""
    c = Config()
    declare(c, cull=options)
    found = role(c, "cull-service")
    assert set(found["scopes"]) == scopes
    assert len(found["scopes"]) == len(scopes)
    assert found["services"] == ["cull"]


def test_scopes_of_the_statistics() -> None:
    """The role of the statistics has the scopes that they need and those that they can use."""
    c = Config()
    declare(c, stats=True)
    assert set(role(c, "stats-service")["scopes"]) == {*REQUIRED_SCOPES, *OPTIONAL_SCOPES}


def test_the_formgrader_needs_no_scope() -> None:
    """The formgrader proxy only uses the Hub to sign users in, so it has no role."""
    c = Config()
    declare(c, formgrader_proxy=True)
    assert [each["name"] for each in c.JupyterHub.load_roles] == ["user"]


@pytest.mark.parametrize("policy", [False, True], ids=["no policy", "policy"])
@pytest.mark.parametrize("settle", [0, 360], ids=["no settling", "settling"])
@pytest.mark.parametrize("cull_users", [False, True], ids=["servers", "users"])
@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_the_printed_role_is_the_declared_one(
    pages: bool, cull_users: bool, settle: int, policy: bool
) -> None:
    """The role that the culler prints for a missing scope has the scopes that declare grants."""
    options: dict[str, Any] = {"cull_users": cull_users, "settle": settle}
    if policy:
        options["policy"] = str(ROOT / "examples/demo/cull-policy.toml")
    c = Config()
    declare(c, cull=options | ({} if pages else {"url": False}))
    app = IdleCuller(port=0 if pages else None, **options)
    printed = app.required_scopes | app.optional_scopes
    assert set(role(c, "cull-service")["scopes"]) == set(printed)
    assert app.required_scopes.keys() >= CULL
