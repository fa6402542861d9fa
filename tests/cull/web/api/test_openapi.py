"""The OpenAPI description of the culler's JSON API."""

from datetime import datetime
from typing import Any

from tests.cull.web.site import PREFIX, CullSite


async def test_the_description_matches_the_routes_and_responses(site: CullSite) -> None:
    """It lists exactly the routes of the API, needs no token, and real responses fit it."""
    status, document = await site.api("GET", "openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    described = {
        (method.upper(), PREFIX.rstrip("/") + template)
        for template, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    served = {
        (route.method, route.resource.canonical)
        for route in site.app.router.routes()
        if route.resource is not None
        and route.resource.canonical.startswith(PREFIX + "api/")
        and route.method != "HEAD"
    }
    assert described == served

    for method, template in (("PUT", "holds"), ("DELETE", "servers")):
        status, answer = await site.api(method, template, user="root")
        assert (status, answer["status"]) == (405, 405)
        assert_fits(answer, {"$ref": "#/components/schemas/Error"}, document)
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method != "parameters":
                responses = operation["responses"]
                assert "405" in responses or operation["summary"] == "This description"
                assert method != "post" or "413" in responses

    await site.culler.run_pass()
    await site.api("POST", "servers/ada/extend", user="ada")
    await site.api("POST", "holds", user="root", json={"kind": "user", "name": "ada", "hours": 1})
    for template in ("servers?all=1", "holds", "passes", "audit", "policy"):
        _, answer = await site.api("GET", template, user="root")
        operation = document["paths"]["/api/" + template.partition("?")[0]]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert_fits(answer, schema, document)


def assert_fits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Check a value against the part of JSON Schema that the description uses."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schemas = [one for one in schema["anyOf"] if (one.get("type") == "null") == (value is None)]
        assert schemas, (value, schema)
        schema = schemas[0]
        if "$ref" in schema:
            return assert_fits(value, schema, document)
    if "enum" in schema:
        assert value in schema["enum"]
        return None
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    assert isinstance(value, kinds[schema["type"]]), (value, schema)
    if schema.get("format") == "date-time":
        assert datetime.fromisoformat(value).tzinfo is not None
    for key in schema.get("required", []):
        assert key in value
    for key, one in value.items() if isinstance(value, dict) else []:
        assert_fits(one, schema["properties"][key], document)
    for one in value if isinstance(value, list) else []:
        assert_fits(one, schema["items"], document)
    return None
