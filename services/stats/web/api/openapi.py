"""The OpenAPI description of the JSON API, made from the types of its answers. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from common.web.openapi import ERROR, document
from services.stats.days import By
from services.stats.query.people_list import LONGEST_SEARCH, PAGE_SIZE, Sort
from services.stats.query.periods import LONGEST_NAME, USUAL_DAYS
from services.stats.web.api import types as api_types
from services.stats.web.api.parameters import MOST_DAYS, MOST_POINTS, MOST_RAW_DAYS, USUAL_POINTS

_ANSWERS: dict[str, type[msgspec.Struct]] = {
    "about": api_types.About,
    "summary": api_types.SummaryAnswer,
    "days": api_types.DaysAnswer,
    "week-by-hour": api_types.WeekAnswer,
    "session-lengths": api_types.LengthsAnswer,
    "people": api_types.PeopleAnswer,
    "inactive": api_types.InactiveAnswer,
    "timeline": api_types.TimelineAnswer,
    "groups": api_types.GroupsAnswer,
    "gaps": api_types.GapsAnswer,
    "concurrency": api_types.ConcurrencyAnswer,
}

_ERRORS = {
    "400": "The request cannot be used; `problems` lists all that is wrong with it.",
    "401": "Nobody is signed in and no token was sent.",
    "403": "No access to the service, not yours to see, or the XSRF token is missing.",
    "404": "Nothing is known of it, or nothing that you may see.",
    "503": "The Hub or the database is out of reach; try again.",
}

_DESCRIPTION = f"""\
Who used the hub, and when. Administrators see everything; who is in the group `formgrade-COURSE`
sees the members of `nbgrader-COURSE`, each for the days on which they were in it; everybody else
sees what they did themselves (`user` set to their own name).

Without `group` and `user` a question is about the whole hub; with both, about the person while in
the group. Days are those of the recorder's time zone, which each answer names. What was not
observed is null, never zero. Unknown parameters are refused. At most {MOST_DAYS} days are answered
at once ({MOST_RAW_DAYS} for timelines, gaps and concurrency, which are read from the raw records),
and lists have {PAGE_SIZE} lines a page."""


def describe(prefix: str, version: str) -> dict[str, Any]:
    """The description of the API below ``prefix``."""
    _, schemas = msgspec.json.schema_components(
        _ANSWERS.values(), ref_template="#/components/schemas/{name}"
    )
    info = {"title": "JupyterHub statistics", "version": version, "description": _DESCRIPTION}
    components = {"schemas": {**schemas, "Error": ERROR}, "parameters": _parameters()}
    return document("stats", info, prefix, _paths(), components)


def _paths() -> dict[str, Any]:
    days, who, paged = ("since", "until"), ("group", "user"), ("q", "sort", "page")
    described = {
        "about": _get("about", "Who you are here, and what there is", ("timezone",)),
        "summary": _get(
            "summary", "All in numbers, and by day, week or month", (*days, "timezone", *who, "by")
        ),
        "days": _get("days", "Each day's numbers", (*days, "timezone", *who)),
        "week-by-hour": _get(
            "week-by-hour", "Users active by weekday and hour, the mean", (*days, *who)
        ),
        "session-lengths": _get(
            "session-lengths", "How long sessions were that ended", (*days, *who)
        ),
        "people": _get(
            "people", "The table of users, also of those who did nothing", (*days, *who, *paged)
        ),
        "inactive": _get(
            "inactive", "Who has not been active since a day", ("since", *who, *paged)
        ),
        "timeline": _get(
            "timeline",
            "A person's sessions and work; without `user`, your own",
            (*days, "timezone", *who),
            errors=("404",),
        ),
        "groups": _get("groups", "The groups that you may ask for", ("q", "page")),
        "gaps": _get("gaps", "When nobody was looking", (*days, "timezone")),
        "concurrency": _get(
            "concurrency", "Running servers over time", (*days, "timezone", *who, "points")
        ),
    }
    # One parameter is not optional here.
    described["inactive"]["parameters"][0] = {
        **_parameters()["since"],
        "required": True,
    }
    paths = {f"/api/{name}": {"get": operation} for name, operation in described.items()}
    paths["/api/openapi.json"] = {
        "get": {
            "operationId": "openapi",
            "summary": "This description",
            "security": [],
            "responses": {
                "200": {
                    "description": "OpenAPI 3.1",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }
            },
        }
    }
    return paths


def _get(
    name: str, summary: str, parameters: Sequence[str], *, errors: Sequence[str] = ()
) -> dict[str, Any]:
    good = {
        "description": "Done",
        "content": {"application/json": {"schema": _ref("schemas", _ANSWERS[name].__name__)}},
    }
    bad = {
        code: {
            "description": _ERRORS[code],
            "content": {"application/json": {"schema": _ref("schemas", "Error")}},
        }
        for code in sorted({"400", "401", "403", "503", *errors})
    }
    return {
        "operationId": name.replace("-", "_"),
        "summary": summary,
        "parameters": [_ref("parameters", parameter) for parameter in parameters],
        "responses": {"200": good, **bad},
    }


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _parameters() -> dict[str, Any]:
    name = {"type": "string", "maxLength": LONGEST_NAME}
    day = r"\d{4}-\d{2}-\d{2}"
    sorts = [sign + column for column in Sort for sign in ("", "-")]
    described = {
        "since": (
            {"type": "string", "pattern": rf"^({day}|\d{{1,5}}d)$"},
            f"The first day, as 2026-03-01, or how far back, as 90d. Default: {USUAL_DAYS}d.",
        ),
        "until": (
            {"type": "string", "pattern": rf"^{day}$"},
            "The last day. Default: the newest with records.",
        ),
        "timezone": (name, "In which time zone moments are told, as Europe/Berlin. Default: UTC."),
        "group": (name, "Only the members of this group, each for the days they were in it."),
        "user": (name, "Only this person."),
        "by": ({"type": "string", "enum": list(By), "default": By.DAY.value}, "How to count."),
        "q": ({"type": "string", "maxLength": LONGEST_SEARCH}, "Text anywhere in the name."),
        "sort": (
            {"type": "string", "enum": sorts, "default": Sort.NAME.value},
            "The column; with `-` in front, descending.",
        ),
        "page": ({"type": "integer", "minimum": 1, "default": 1}, f"{PAGE_SIZE} lines a page."),
        "points": (
            {"type": "integer", "minimum": 2, "maximum": MOST_POINTS, "default": USUAL_POINTS},
            "About so many moments; they are at least a minute apart.",
        ),
    }
    return {
        key: {"name": key, "in": "query", "schema": schema, "description": description}
        for key, (schema, description) in described.items()
    }
