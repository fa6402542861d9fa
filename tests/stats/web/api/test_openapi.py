"""The description of the statistics' JSON API is held against routes and answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.stats.web.api.openapi import describe
from tests.stats.web.api.test_handlers import ALL, ask, site, store, written
from tests.stats.web.site import PREFIX, StatsSite

__all__ = ["site", "store", "written"]  # fixtures

DOCUMENT = describe(PREFIX, "1.2.3")
EXAMPLES = {
    "since": "2026-03-02",
    "until": "2026-03-05",
    "timezone": "Europe/Berlin",
    "group": "nbgrader-x",
    "user": "ana",
    "by": "week",
    "q": "a",
    "sort": "-sessions",
    "page": "1",
    "points": "10",
}
"""A lawful value of each parameter there is."""

NAMES = [name.removeprefix("/api/") for name in DOCUMENT["paths"] if "openapi" not in name]


def schema(name: str, status: int = 200) -> dict[str, Any]:
    """What the description says of an answer; no key may be there that it does not name."""
    answers = DOCUMENT["paths"][f"/api/{name}"]["get"]["responses"]
    schemas = {
        key: value | {"additionalProperties": False}
        for key, value in DOCUMENT["components"]["schemas"].items()
    }
    return {
        **answers[str(status)]["content"]["application/json"]["schema"],
        "components": {"schemas": schemas},
    }


def fits(value: Any, of: dict[str, Any]) -> None:
    """Raises where the value is not what the schema says; formats count."""
    Draft202012Validator(of, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def parameters(name: str) -> Iterator[dict[str, Any]]:
    """Of an operation, its references followed."""
    for one in DOCUMENT["paths"][f"/api/{name}"]["get"]["parameters"]:
        key = one.get("$ref", "").rpartition("/")[2]
        yield DOCUMENT["components"]["parameters"][key] if key else one


async def test_every_route_is_described_and_no_other(site: StatsSite) -> None:
    """The served description is open to everybody and names what is served."""
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
def test_every_schema_is_one(name: str) -> None:
    """JSON Schema 2020-12, which is OpenAPI 3.1's; every reference leads somewhere."""
    found = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(found)
    for reference in references(found):
        assert reference.rpartition("/")[2] in DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    """Every $ref in it."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


@pytest.mark.parametrize("name", NAMES)
async def test_answers_fit(site: StatsSite, name: str) -> None:
    """With numbers, with a gap, and in another time zone, for an admin and a student."""
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
        fits(body, schema(name))


@pytest.mark.parametrize("name", NAMES)
async def test_every_parameter_is_taken_and_no_other(site: StatsSite, name: str) -> None:
    """What is described can be sent, all of it at once; what is not is refused."""
    described = {one["name"]: one for one in parameters(name)}
    for key, one in described.items():
        fits(int(EXAMPLES[key]) if key in ("page", "points") else EXAMPLES[key], one["schema"])
    query = "&".join(f"{key}={EXAMPLES[key]}" for key in described)
    status, body = await ask(site, "root", f"{name}?{query}")
    assert status == 200
    fits(body, schema(name))
    for key in EXAMPLES.keys() - described.keys():
        status, body = await ask(site, "root", f"{name}?{query}&{key}={EXAMPLES[key]}")
        assert status == 400
        assert key in body["message"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_must_be_there(site: StatsSite, name: str) -> None:
    """A route asked for nothing answers, unless a parameter is described as required."""
    required = [one["name"] for one in parameters(name) if one.get("required")]
    status, _ = await ask(site, "root", f"{name}?user=ana" if name == "timeline" else name)
    assert (status == 400) == bool(required)


@pytest.mark.parametrize("name", NAMES)
async def test_errors_fit(site: StatsSite, name: str) -> None:
    """Every error that a route can give is described, and is what the description says."""
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
        fits(body, schema(name, status))
    site.hub.fail("status", status=503, times=100)
    status, body = await ask(site, "root", name)
    assert status == 503
    fits(body, schema(name, 503))


def test_the_check_can_fail() -> None:
    """A null that is not foreseen, a lost key and one too many are all found."""
    good = {"groups": [{"name": "x", "members": 3}], "total": 1, "page": 1, "pages": 1}
    of = Draft202012Validator(schema("groups"))
    assert of.is_valid(good)
    assert not of.is_valid(good | {"total": None})
    assert not of.is_valid(good | {"more": 1})
    assert not of.is_valid({key: good[key] for key in good if key != "page"})
