"""The OpenAPI description of the JSON API, generated from the types of its responses. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from common.web.openapi import ERROR, document
from services.stats.days import By
from services.stats.query.cohort import standing
from services.stats.query.cohort.standing import ALL, Standing, StandingQuery, StandingSort
from services.stats.query.people import LONGEST_SEARCH, PAGE_SIZE, Sort
from services.stats.query.question import DEFAULT_DAYS, LONGEST_NAME
from services.stats.web.api import cohort_types
from services.stats.web.api import types as api_types
from services.stats.web.api.parameters import (
    DEFAULT_POINTS,
    MOST_DAYS,
    MOST_DETAILED_DAYS,
    MOST_POINTS,
)
from services.stats.web.api.servers import types as server_types
from services.stats.web.resources.types import CostAnswer, ResourcesAnswer

_RESPONSES: dict[str, type[msgspec.Struct]] = {
    "about": api_types.About,
    "summary": api_types.SummaryAnswer,
    "days": api_types.DaysAnswer,
    "week-by-hour": api_types.WeekAnswer,
    "session-lengths": api_types.LengthsAnswer,
    "people": api_types.PeopleAnswer,
    "inactive": api_types.InactiveAnswer,
    "dropped-off": cohort_types.StandingsAnswer,
    "distribution": cohort_types.DistributionAnswer,
    "timeline": api_types.TimelineAnswer,
    "groups": api_types.GroupsAnswer,
    "gaps": api_types.GapsAnswer,
    "concurrency": api_types.ConcurrencyAnswer,
    "profiles": server_types.UseAnswer,
    "images": server_types.UseAnswer,
    "server-ages": server_types.AgesAnswer,
    "forecast": server_types.ForecastAnswer,
    "spawns": server_types.SpawnsAnswer,
    "resources": ResourcesAnswer,
    "cost": CostAnswer,
}

_ERRORS = {
    "400": "The request is invalid; `problems` lists everything wrong with it.",
    "401": "Not signed in, and no token was sent.",
    "403": "No access to the service or to this data, or the XSRF token is missing.",
    "404": "No such data, or none that you may see.",
    "503": "The Hub or the database is unavailable; try again.",
}

_DESCRIPTION = f"""\
Who used the hub, and when. Administrators see everything. Members of the group `formgrade-COURSE`
see the members of `nbgrader-COURSE`, each for the days on which they were in that group. Other
users see their own activity (`user` set to their own name).

Without `group` and `user`, a response covers the whole hub; with both, the user while in the
group. Days begin at midnight in the recorder's time zone, which each response names. What was not
observed is null, never zero. Unknown parameters are rejected. A response covers at most
{MOST_DAYS} days ({MOST_DETAILED_DAYS} for timelines, gaps and concurrency, which are read from
the raw records), and lists have {PAGE_SIZE} rows per page."""


def describe(prefix: str, version: str) -> dict[str, Any]:
    """The description of the API below ``prefix``."""
    _, schemas = msgspec.json.schema_components(
        _RESPONSES.values(), ref_template="#/components/schemas/{name}"
    )
    info = {"title": "JupyterHub statistics", "version": version, "description": _DESCRIPTION}
    components = {"schemas": {**schemas, "Error": ERROR}, "parameters": _parameters()}
    return document("stats", info, prefix, _paths(), components)


def _paths() -> dict[str, Any]:
    days, who, paged = ("since", "until"), ("group", "user"), ("q", "sort", "page")
    described = {
        "about": _get("about", "Your access, and what is recorded", ("timezone",)),
        "summary": _get(
            "summary",
            "Numbers of the whole range, and by day, week or another period",
            (*days, "timezone", *who, "by"),
        ),
        "days": _get("days", "Numbers of each day", (*days, "timezone", *who)),
        "week-by-hour": _get(
            "week-by-hour", "Mean active users by weekday and hour", (*days, *who)
        ),
        "session-lengths": _get(
            "session-lengths", "Lengths of the sessions that ended", (*days, *who)
        ),
        "people": _get(
            "people",
            "The table of users, including users without activity",
            (*days, *who, *paged, "excluded"),
        ),
        "inactive": _get(
            "inactive",
            "Users who have not been active since a day",
            ("since", *who, *paged, "excluded"),
        ),
        "dropped-off": _get(
            "dropped-off",
            "Users who worked before and have not for some days, or who have not started",
            (*who, "days", "standing", *paged),
        ),
        "distribution": _get(
            "distribution",
            "Users by active time per week, days active, and last day at the Hub",
            (*days, *who),
        ),
        "timeline": _get(
            "timeline",
            "A user's sessions and activity; without `user`, your own",
            (*days, "timezone", *who),
            errors=("404",),
        ),
        "groups": _get("groups", "The groups that you may see", ("q", "page")),
        "gaps": _get("gaps", "Times that were not observed", (*days, "timezone")),
        "concurrency": _get(
            "concurrency", "Running servers over time", (*days, "timezone", *who, "points")
        ),
        "profiles": _get("profiles", "Servers by the profile that users chose", (*days, *who)),
        "images": _get("images", "Servers by the image that users chose", (*days, *who)),
        "server-ages": _get(
            "server-ages", "How long running servers have run", ("timezone", *who, "page")
        ),
        "forecast": _get(
            "forecast", "The peak of concurrent servers to expect in the coming week", ("group",)
        ),
        "spawns": _get(
            "spawns",
            "Starts of servers, failures and durations, by the Hub's counters",
            (*days, "by"),
        ),
        "resources": _get(
            "resources",
            "Memory and CPU of servers, if Prometheus is configured",
            (*days, "group", "page"),
        ),
        "cost": _get("cost", "The estimated cost of servers by group", (*days, "group")),
    }
    # Only here is a parameter required.
    described["inactive"]["parameters"][0] = {
        **_parameters()["since"],
        "required": True,
    }
    described["dropped-off"]["parameters"][-2] = _sort_parameter(
        StandingSort, f"-{StandingQuery.DEFAULT_SORT}"
    )
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
        "description": "OK",
        "content": {"application/json": {"schema": _ref("schemas", _RESPONSES[name].__name__)}},
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
    described = {
        "since": (
            {"type": "string", "pattern": rf"^({day}|\d{{1,5}}d)$"},
            f"The first day (2026-03-01) or a number of days (90d). Default: {DEFAULT_DAYS}d.",
        ),
        "until": (
            {"type": "string", "pattern": rf"^{day}$"},
            "The last day. Default: the latest with records.",
        ),
        "timezone": (name, "The time zone of times, such as Europe/Berlin. Default: UTC."),
        "group": (name, "Only members of this group, each for the days on which they were in it."),
        "user": (name, "Only this user."),
        "by": (
            {"type": "string", "enum": list(By), "default": By.DAY.value},
            "The length of the periods. `all`: the whole range is one. `term`: the terms that the"
            " service was started with, and the days between them.",
        ),
        "q": (
            {"type": "string", "maxLength": LONGEST_SEARCH},
            "Text to find anywhere in the name.",
        ),
        "days": (
            {
                "type": "integer",
                "minimum": 1,
                "maximum": standing.MOST_DAYS,
                "default": standing.DEFAULT_DAYS,
            },
            "The number of days before today, and today, on which the users have not worked.",
        ),
        "standing": (
            {"type": "string", "enum": [*Standing, ALL], "default": Standing.DROPPED_OFF.value},
            "Which of them to list.",
        ),
        "page": ({"type": "integer", "minimum": 1, "default": 1}, f"{PAGE_SIZE} rows per page."),
        "excluded": (
            {"type": "string", "enum": ["0", "1"], "default": "0"},
            "1: also list users who are not counted. Only for users who may see everything.",
        ),
        "points": (
            {"type": "integer", "minimum": 2, "maximum": MOST_POINTS, "default": DEFAULT_POINTS},
            "The approximate number of moments; they are at least a minute apart.",
        ),
    }
    parameters = {
        key: {"name": key, "in": "query", "schema": schema, "description": description}
        for key, (schema, description) in described.items()
    }
    return parameters | {"sort": _sort_parameter(Sort, Sort.NAME.value)}


def _sort_parameter(columns: type[StrEnum], default: str) -> dict[str, Any]:
    sorts = [sign + column for column in columns for sign in ("", "-")]
    return {
        "name": "sort",
        "in": "query",
        "schema": {"type": "string", "enum": sorts, "default": default},
        "description": "The column to sort by; prefix it with `-` for descending order.",
    }
