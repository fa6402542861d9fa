"""The OpenAPI description of the JSON API, made from the types of its answers. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from common.web.openapi import ERROR, document
from services.cull.web.api import types as api_types
from services.cull.web.forms import LONGEST_HOLD, Show, Sort

_ANSWERS: tuple[type[msgspec.Struct], ...] = (
    api_types.ServerList,
    api_types.Extended,
    api_types.HoldView,
    api_types.HoldList,
    api_types.PassList,
    api_types.AuditList,
    api_types.PolicyView,
)

_ERRORS = {
    "400": "The request cannot be used; `problems` lists all that is wrong with it.",
    "401": "Nobody is signed in and no token was sent.",
    "403": "Not yours to do, or the XSRF token is missing.",
    "404": "There is no such thing.",
    "405": "The path is there for other methods, which `Allow` names.",
    "409": "The rule allows no further extension now.",
    "413": "The body is too large.",
    "503": "The Hub or the database is out of reach; try again.",
}


def describe(prefix: str, version: str) -> dict[str, Any]:
    """The description of the API below ``prefix``."""
    schemas = msgspec.json.schema_components(_ANSWERS, ref_template="#/components/schemas/{name}")[
        1
    ]
    info = {
        "title": "JupyterHub idle culler",
        "version": version,
        "description": "When servers will be stopped, and how to keep them running.",
    }
    components = {"schemas": {**schemas, "NewHold": _new_hold(), "Error": _error()}}
    return document("cull", info, prefix, _paths(), components)


def _paths() -> dict[str, Any]:
    extend = _operation(
        "Keep an own server running as far as its rule allows",
        "Extended",
        errors=("400", "403", "404", "409", "413", "503"),
    )
    return {
        "/api/servers": {
            "get": _operation(
                "Own servers, read fresh; with `all` those of everybody, for admins",
                "ServerList",
                parameters=[
                    _query("all", {"type": "string", "enum": ["1"]}, "List everybody's servers."),
                    _query("q", {"type": "string"}, "Text in the user's, server's, group's name."),
                    _query("rule", {"type": "string"}, "The name of a rule."),
                    _query("show", {"type": "string", "enum": list(Show)}, "Which servers."),
                    _query(
                        "sort",
                        {
                            "type": "string",
                            "enum": [sign + key for key in Sort for sign in ("", "-")],
                        },
                        "The column; with `-` in front, descending.",
                    ),
                    _query("page", {"type": "integer", "minimum": 1}, "100 servers a page."),
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
            "get": _operation("Holds in force", "HoldList", errors=("403", "503")),
            "post": {
                **_operation(
                    "Hold a server, a user or a group until a time; replaces an earlier hold",
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
                "End a hold", None, status="204", errors=("400", "403", "404", "503")
            ),
        },
        "/api/passes": {"get": _operation("The last passes", "PassList", errors=("403",))},
        "/api/audit": {
            "get": _operation(
                "Who did what, the newest first",
                "AuditList",
                parameters=[
                    _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "At most."),
                    _query("before", {"type": "integer", "minimum": 1}, "Only older than this id."),
                ],
                errors=("400", "403", "503"),
            )
        },
        "/api/policy": {"get": _operation("The rules in force", "PolicyView", errors=("403",))},
        "/api/openapi.json": {
            "get": {
                "summary": "This description",
                "responses": {"200": {"description": "OpenAPI 3.1"}},
            }
        },
    }


def _operation(
    summary: str,
    answer: str | None,
    *,
    status: str = "200",
    parameters: Sequence[dict[str, Any]] = (),
    errors: Sequence[str] = (),
) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done"}
    if answer is not None:
        good["content"] = {"application/json": {"schema": _ref(answer)}}
    bad = {
        code: {
            "description": _ERRORS[code],
            "content": {"application/json": {"schema": _ref("Error")}},
        }
        for code in sorted({"401", "405", *errors})
    }
    described: dict[str, Any] = {"summary": summary, "responses": {status: good, **bad}}
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
        "description": "The end is either `until` or `hours`, never both.",
        "properties": {
            "kind": {"enum": ["server", "user", "group"]},
            "name": {**name, "description": "Of the user or the group."},
            "server": {**name, "description": "Of a server hold; empty for the default server."},
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
        "description": "With 409: when the next extension is allowed.",
    }
    return {**ERROR, "properties": {**ERROR["properties"], "again_at": again}}
