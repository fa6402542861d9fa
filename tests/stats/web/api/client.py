"""Requests to the API, by user and role."""

from typing import Any

from yarl import URL

from services.stats.scopes import ADMIN_SCOPE
from tests.stats.course import ALL, day
from tests.stats.web.site import ACCESS, PREFIX, StatsSite
from tests.stats.web.site import add_people as add_roles

ODD_NAMES = ["q?x=1&user=ana", "h#frag", "%41", "名前", "sp ace", "<b>", "o'\"neil", "+"]


ABOUT_WHOM = (
    *("summary", "days", "week-by-hour", "session-lengths", "people", "concurrency"),
    f"inactive?since={day(2)}",
    "dropped-off",
    "distribution",
    *("profiles", "images", "server-ages"),
)
"""The routes that are about the hub, a group or a user."""


QUESTIONS = {
    "hub": "",
    "x": "group=nbgrader-x",
    "y": "group=nbgrader-y",
    "graders of x": "group=formgrade-x",
    "ana": "user=ana",
    "ana in y": "user=ana&group=nbgrader-y",
    "eva": "user=eva",
    "nobody": "user=nobody",
}


MAY_ASK = {
    "root": set(QUESTIONS),
    "scope": set(QUESTIONS),
    "bot with the scope": set(QUESTIONS),
    "prof": {"x", "ana", "eva", "nobody"},
    "other": {"y", "ana", "ana in y", "eva", "nobody"},  # eva: an empty answer
    "ana": {"ana"},
    "eva": {"eva"},
    "new": set(),
    "bot": set(),
    "bot called ana": set(),
}
"""By role; every other question is answered with 403."""


def add_people(site: StatsSite) -> StatsSite:
    """Add a user of each role, and the odd names."""
    for name in ("scope", *ODD_NAMES):
        site.add_user(name)
    return add_roles(site)


async def ask(
    site: StatsSite, who: str, path: str, *, service: bool = False, scopes: tuple[str, ...] = ()
) -> tuple[int, Any]:
    """Send a request with a token of a user or a service; returns status and JSON.

    Without ``who``, no token is sent.
    """
    headers = {}
    if who:
        kind = "service" if service else "user"
        token = site.oauth.add_token(who, *(scopes or (ACCESS,)), kind=kind)
        headers["Authorization"] = f"token {token}"
    url = URL(f"{site.origin}{PREFIX}api/{path}", encoded=True)
    async with site.session.get(url, headers=headers) as answer:
        assert answer.content_type == "application/json"
        return answer.status, await answer.json()


async def ask_as(site: StatsSite, role: str, path: str) -> tuple[int, Any]:
    """Send a request as one of the roles of MAY_ASK."""
    if role == "scope":
        return await ask(site, "scope", path, scopes=(ACCESS, ADMIN_SCOPE))
    if role == "bot with the scope":
        return await ask(site, "bot", path, service=True, scopes=(ACCESS, ADMIN_SCOPE))
    if role == "bot called ana":
        return await ask(site, "ana", path, service=True)
    return await ask(site, role, path, service=role == "bot")


def with_query(path: str, query: str) -> str:
    """The path with an extended query string."""
    return path + ("&" if "?" in path else "?") + query if query else path


def range_of(path: str) -> str:
    """A query string for all days, unless the path has a range already."""
    return "" if "since=" in path or path == "server-ages" else ALL
