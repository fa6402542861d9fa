"""The description of the JSON API matches its routes and responses."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.stats.web.api.openapi import describe
from tests.stats.course import ALL
from tests.stats.web.api.client import ask
from tests.stats.web.site import PREFIX, StatsSite

DOCUMENT = describe(PREFIX, "1.2.3")
EXAMPLES = {
    "since": "2026-03-02",
    "excluded": "1",
    "until": "2026-03-05",
    "timezone": "Europe/Berlin",
    "group": "nbgrader-x",
    "user": "ana",
    "by": "week",
    "q": "a",
    "sort": "-days_active",
    "page": "1",
    "points": "10",
    "days": "3",
    "standing": "all",
}
"""A valid value of every parameter."""

NAMES = [name.removeprefix("/api/") for name in DOCUMENT["paths"] if "openapi" not in name]


def schema(name: str, status: int = 200) -> dict[str, Any]:
    """The described schema of a response, without allowing additional properties."""
    answers = DOCUMENT["paths"][f"/api/{name}"]["get"]["responses"]
    schemas = {
        key: value | {"additionalProperties": False}
        for key, value in DOCUMENT["components"]["schemas"].items()
    }
    return {
        **answers[str(status)]["content"]["application/json"]["schema"],
        "components": {"schemas": schemas},
    }


def check(value: Any, of: dict[str, Any]) -> None:
    """Raise unless the value matches the schema, formats included."""
    Draft202012Validator(of, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def parameters(name: str) -> Iterator[dict[str, Any]]:
    """The parameters of an operation, with references resolved."""
    for one in DOCUMENT["paths"][f"/api/{name}"]["get"]["parameters"]:
        key = one.get("$ref", "").rpartition("/")[2]
        yield DOCUMENT["components"]["parameters"][key] if key else one


async def test_description_lists_every_route(site: StatsSite) -> None:
    """The description is served without authentication and lists exactly the routes."""
    status, served = await ask(site, "", "openapi.json")
    assert status == 200
    assert served["openapi"] == "3.1.0"
    assert served["paths"].keys() == DOCUMENT["paths"].keys()
    described = {
        (method.upper(), PREFIX.rstrip("/") + path)
        for path, operations in served["paths"].items()
        for method in operations
    }
    routes = {
        (route.method, route.resource.canonical)
        for route in site.app.router.routes()
        if route.resource is not None
        and route.resource.canonical.startswith(PREFIX + "api/")
        and route.method != "HEAD"
    }
    assert described == routes


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_schemas_are_valid(name: str) -> None:
    """Schemas follow JSON Schema 2020-12, as in OpenAPI 3.1, and every reference resolves."""
    found = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(found)
    for reference in references(found):
        assert reference.rpartition("/")[2] in DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    """Every $ref in the value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


@pytest.mark.parametrize("name", NAMES)
async def test_responses_match_the_schema(site: StatsSite, name: str) -> None:
    """Responses match for an administrator and a student, with a gap and a time zone."""
    takes = {one["name"] for one in parameters(name)}
    since = ALL if "until" in takes else "since=2026-03-04" if "since" in takes else ""
    for who, user in (("root", ""), ("root", "user=ana"), ("ana", "user=ana")):
        if (user or name == "timeline") and "user" not in takes:
            continue
        asked = user or ("user=ben" if name == "timeline" else "")
        zone = "timezone=Asia/Tokyo" if "timezone" in takes else ""
        query = "&".join(part for part in (since, asked, zone) if part)
        status, body = await ask(site, who, f"{name}?{query}")
        assert status == 200
        check(body, schema(name))


@pytest.mark.parametrize("name", NAMES)
async def test_described_parameters_are_accepted(site: StatsSite, name: str) -> None:
    """All described parameters can be sent together; any other is rejected."""
    described = {one["name"]: one for one in parameters(name)}
    for key, one in described.items():
        number = key in ("page", "points", "days")
        check(int(EXAMPLES[key]) if number else EXAMPLES[key], one["schema"])
    query = "&".join(f"{key}={EXAMPLES[key]}" for key in described)
    status, body = await ask(site, "root", f"{name}?{query}")
    assert status == 200
    check(body, schema(name))
    for key in EXAMPLES.keys() - described.keys():
        status, body = await ask(site, "root", f"{name}?{query}&{key}={EXAMPLES[key]}")
        assert status == 400
        assert key in body["message"]


@pytest.mark.parametrize("name", NAMES)
async def test_required_parameters(site: StatsSite, name: str) -> None:
    """A request without parameters succeeds unless a parameter is described as required."""
    required = [one["name"] for one in parameters(name) if one.get("required")]
    status, _ = await ask(site, "root", f"{name}?user=ana" if name == "timeline" else name)
    assert (status == 400) == bool(required)


@pytest.mark.parametrize("name", NAMES)
async def test_errors_match_the_schema(site: StatsSite, name: str) -> None:
    """Every error that a route can return is described and matches its schema."""
    takes = {one["name"] for one in parameters(name)}
    since = "since=2026-03-04&" if "since" in takes else ""
    cases = [("", "", 401), ("root", "nothing=1", 400)]
    if "user" in takes:
        cases.append(("eva", since + "user=ana", 403))
    if name == "timeline":
        cases.append(("root", since + "user=nobody", 404))
    for who, query, wanted in cases:
        status, body = await ask(site, who, f"{name}?{query}")
        assert status == wanted
        check(body, schema(name, status))
    site.hub.fail("status", status=503, times=100)
    status, body = await ask(site, "root", name)
    assert status == 503
    check(body, schema(name, 503))


def test_schema_check_can_fail() -> None:
    """The check finds an unexpected null, a missing key and an additional one."""
    good = {"groups": [{"name": "x", "members": 3}], "total": 1, "page": 1, "pages": 1}
    of = Draft202012Validator(schema("groups"))
    assert of.is_valid(good)
    assert not of.is_valid(good | {"total": None})
    assert not of.is_valid(good | {"more": 1})
    assert not of.is_valid({key: good[key] for key in good if key != "page"})
