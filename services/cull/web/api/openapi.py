"""The OpenAPI description of the JSON API, generated from the types of its responses. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from common.web.openapi import ERROR, document
from services.cull.web.api import types as api_types
from services.cull.web.forms import LONGEST_HOLD, ServerFilter, SortKey

_RESPONSES: tuple[type[msgspec.Struct], ...] = (
    api_types.ServerList,
    api_types.Extended,
    api_types.HoldView,
    api_types.HoldList,
    api_types.PassList,
    api_types.AuditList,
    api_types.PolicyView,
)

_ERRORS = {
    "400": "The request is invalid; `problems` lists everything that is wrong with it.",
    "401": "The request has no valid token or session.",
    "403": "This is not allowed, or the XSRF token is missing.",
    "404": "Not found.",
    "405": "The method is not allowed; `Allow` lists those that are.",
    "409": "The rule allows no further extension at this time.",
    "413": "The request body is too large.",
    "503": "The Hub or the database is not available; try again.",
}


def describe(prefix: str, version: str) -> dict[str, Any]:
    """The description of the API below ``prefix``."""
    schemas = msgspec.json.schema_components(
        _RESPONSES, ref_template="#/components/schemas/{name}"
    )[1]
    info = {
        "title": "JupyterHub idle culler",
        "version": version,
        "description": "Shows when servers will be stopped, and keeps them running.",
    }
    components = {"schemas": {**schemas, "NewHold": _new_hold(), "Error": _error()}}
    return document("cull", info, prefix, _paths(), components)


def _paths() -> dict[str, Any]:
    extend = _operation(
        "Keep one of your servers running for as long as its rule allows",
        "Extended",
        errors=("400", "403", "404", "409", "413", "503"),
    )
    return {
        "/api/servers": {
            "get": _operation(
                "List your servers; with `all`, those of all users (administrators only)",
                "ServerList",
                parameters=[
                    _query(
                        "all", {"type": "string", "enum": ["1"]}, "List the servers of all users."
                    ),
                    _query(
                        "q",
                        {"type": "string"},
                        "Text in the name of the user, the server or a group.",
                    ),
                    _query("rule", {"type": "string"}, "The name of a rule."),
                    _query(
                        "show",
                        {"type": "string", "enum": list(ServerFilter)},
                        "Which servers to list.",
                    ),
                    _query(
                        "sort",
                        {
                            "type": "string",
                            "enum": [sign + key for key in SortKey for sign in ("", "-")],
                        },
                        "The column to sort by; a leading `-` reverses the order.",
                    ),
                    _query(
                        "page",
                        {"type": "integer", "minimum": 1},
                        "The number of the page, with 100 servers each.",
                    ),
                ],
                errors=("400", "403", "503"),
            )
        },
        "/api/servers/{user}/extend": {
            "parameters": [_path("user")],
            "post": {**extend, "summary": extend["summary"] + ": the default server"},
        },
        "/api/servers/{user}/{server}/extend": {
            "parameters": [_path("user"), _path("server")],
            "post": {**extend, "summary": extend["summary"] + ": a named server"},
        },
        "/api/holds": {
            "get": _operation("List the holds in force", "HoldList", errors=("403", "503")),
            "post": {
                **_operation(
                    "Hold a server, a user or a group; replaces an existing hold",
                    "HoldView",
                    status="201",
                    errors=("400", "403", "413", "503"),
                ),
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("NewHold")}},
                },
            },
        },
        "/api/holds/{id}": {
            "parameters": [_path("id", {"type": "integer", "minimum": 1})],
            "delete": _operation(
                "Release a hold", None, status="204", errors=("400", "403", "404", "503")
            ),
        },
        "/api/passes": {"get": _operation("List the last passes", "PassList", errors=("403",))},
        "/api/audit": {
            "get": _operation(
                "List the audit log, the newest events first",
                "AuditList",
                parameters=[
                    _query(
                        "limit",
                        {"type": "integer", "minimum": 1, "maximum": 1000},
                        "The maximum number of events.",
                    ),
                    _query(
                        "before",
                        {"type": "integer", "minimum": 1},
                        "Only events older than this id.",
                    ),
                ],
                errors=("400", "403", "503"),
            )
        },
        "/api/policy": {
            "get": _operation("List the rules in force", "PolicyView", errors=("403",))
        },
        "/api/openapi.json": {
            "get": {
                "summary": "This description",
                "responses": {"200": {"description": "OpenAPI 3.1"}},
            }
        },
    }


def _operation(
    summary: str,
    response: str | None,
    *,
    status: str = "200",
    parameters: Sequence[dict[str, Any]] = (),
    errors: Sequence[str] = (),
) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if response is not None:
        success["content"] = {"application/json": {"schema": _ref(response)}}
    errors_by_status = {
        code: {
            "description": _ERRORS[code],
            "content": {"application/json": {"schema": _ref("Error")}},
        }
        for code in sorted({"401", "405", *errors})
    }
    described: dict[str, Any] = {
        "summary": summary,
        "responses": {status: success, **errors_by_status},
    }
    if parameters:
        described["parameters"] = list(parameters)
    return described


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _path(name: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema or {"type": "string"}}


def _new_hold() -> dict[str, Any]:
    name = {"type": "string", "maxLength": 255}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "name"],
        "description": "Give either `until` or `hours`, not both.",
        "properties": {
            "kind": {"enum": ["server", "user", "group"]},
            "name": {**name, "description": "The name of the user or group."},
            "server": {
                **name,
                "description": "For a server hold: its name, empty for the default server.",
            },
            "until": {"type": "string", "format": "date-time"},
            "hours": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": LONGEST_HOLD.days * 24,
            },
            "why": {"type": "string", "maxLength": 500},
        },
    }


def _error() -> dict[str, Any]:
    again = {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "With status 409: when the next extension is allowed.",
    }
    return {**ERROR, "properties": {**ERROR["properties"], "again_at": again}}
