"""The roles that ``declare`` adds, tested with tokens of the real Hub: sufficient and minimal."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from services.declare import declare
from tests.integration.conftest import MakeHub
from tests.integration.realhub import HubAnswerError, RealHub, user_path

Use = Callable[[RealHub, str], Awaitable[bool]]


async def answer(hub: RealHub, token: str, method: str, path: str) -> Any:
    """The Hub's response to this token; None if access is denied or the object is hidden."""
    try:
        return await hub.api(method, path, token=token) or {}
    except HubAnswerError as error:
        if error.status not in (403, 404):
            raise
        return None


def field(name: str) -> Use:
    """Whether the token sees this field of a user."""

    async def sees(hub: RealHub, token: str) -> bool:
        return name in (await answer(hub, token, "GET", user_path("una")) or {})

    return sees


def may(method: str, path: str) -> Use:
    """Whether the token may do this."""

    async def does(hub: RealHub, token: str) -> bool:
        return await answer(hub, token, method, path) is not None

    return does


async def stops(hub: RealHub, token: str) -> bool:
    """Whether the token may stop a user's server."""
    await hub.start_server("una")
    stopped = await answer(hub, token, "DELETE", user_path("una", "")) is not None
    await hub.stop_server("una")
    return stopped


async def deletes(hub: RealHub, token: str) -> bool:
    """Whether the token may delete a user."""
    await hub.create_user("umberto")
    return await answer(hub, token, "DELETE", user_path("umberto")) is not None


# What each scope is for: the thing that works with it and not without.
USES: dict[str, Use] = {
    "list:users": may("GET", "/users"),
    "read:users:activity": field("last_activity"),
    "read:users:groups": field("groups"),
    "read:users": field("created"),
    "read:servers": field("servers"),
    "delete:servers": stops,
    "delete:users": deletes,
    "read:metrics": may("GET", "/../metrics"),
}
# read:users brings these with it.
IMPLIED = {"read:users:activity", "read:users:groups"}


def scopes_of(**arguments: Any) -> list[str]:
    """The scopes of the only service's role."""
    c = Config()
    declare(c, **arguments)
    for role in c.JupyterHub.load_roles:
        if role["name"].endswith("-service"):
            return list(role["scopes"])
    return []


@pytest.mark.parametrize(
    "arguments",
    [
        {"cull": True},
        {"cull": {"cull_users": True, "settle": 0}},
        {"cull": {"url": False, "settle": 0}},
        {"stats": True},
    ],
    ids=["cull", "cull users", "cull least", "stats"],
)
async def test_every_scope_works_and_is_needed(
    real_hub: RealHub, arguments: dict[str, Any]
) -> None:
    """The scopes allow what they are for and nothing else, and none of them is superfluous."""
    await real_hub.create_user("una", groups=["una-group"])
    scopes = scopes_of(**arguments)
    token = await real_hub.token(scopes)
    implied = IMPLIED if "read:users" in scopes else set()
    for scope, use in USES.items():
        assert await use(real_hub, token) is (scope in scopes or scope in implied), scope
    for scope in set(scopes) - implied:
        without = await real_hub.token([each for each in scopes if each != scope])
        assert not await USES[scope](real_hub, without), scope
    for method, path in [
        ("POST", user_path("una", "")),
        ("POST", user_path("una") + "/tokens"),
        ("POST", "/users/new"),
        ("DELETE", "/groups/una-group"),
        ("GET", "/proxy"),
        ("GET", "/services"),
        ("GET", "/groups"),
    ]:
        assert await answer(real_hub, token, method, path) is None, (method, path)


async def test_the_hub_accepts_the_declaration(make_hub: MakeHub) -> None:
    """A Hub starts with all three services, and a service's token has the declared scopes."""
    hub = make_hub(
        extra_config="from services.declare import declare\n"
        "declare(c, **{\n"
        "    name: {'api_token': f'secret-of-{name}', 'url': SETTINGS['proxy_api_url'],\n"
        "           'admin_groups': ['staff']}\n"
        "    for name in ('cull', 'stats', 'formgrader_proxy')\n"
        "})\n",
        groups={"staff": ["sue"]},
    )
    for name in ("cull", "stats", "formgrader_proxy"):
        me = await hub.api("GET", "/user", token=f"secret-of-{name}")
        assert me["kind"] == "service"
        assert set(scopes_of(**{name: True})) <= set(me["scopes"])
    sue = await hub.api("GET", user_path("sue"))
    assert set(sue["roles"]) == {"user"}


async def test_a_service_per_course(make_hub: MakeHub, tmp_path: Path) -> None:
    """A course's service leads to its formgrader, and the course's graders can list it."""
    courses = tmp_path / "courses.toml"
    courses.write_text(f'[[course]]\nid = "course101"\ndirectory = "{tmp_path / "course"}"\n')
    hub = make_hub(
        extra_config="from services.declare import declare\n"
        "declare(c, formgrader_proxy={'service_per_course': ['course101'],\n"
        f"    'courses': '{courses}', 'db_url': 'sqlite:///{tmp_path / 'audit.sqlite'}'}})\n",
        groups={"formgrade-course101": ["greta"], "nbgrader-course101": ["ada"]},
    )
    lists = {}
    for name in ("greta", "ada"):
        token = await hub.token(["inherit"], user=name)
        lists[name] = await answer(hub, token, "GET", "/services")
    assert lists["greta"].keys() == {"course101"}
    assert lists["greta"]["course101"]["url"]
    assert lists["ada"] is None
    async with hub.login("greta") as session:
        address = hub.url + "services/course101/lab?formgrader=true"
        async with session.get(address, allow_redirects=False) as moved:
            assert moved.status == 302
            assert moved.headers["Location"] == "/services/formgrader/course101/formgrader"
