"""The culler's JSON API, before a fake Hub."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from services.cull.policy.model import Flags, Policy
from services.cull.scopes import ADMIN_SCOPE
from services.cull.store.records import HoldKind
from tests.cull.web.site import ACCESS, PREFIX, CullSite, cull_site
from tests.fakes.clock import START

NAMES = ["ada", "q?x=1", "h#frag", "%41", "名前", "sp ace", "a&b", "o'neil", "+", "a;b"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[CullSite]:
    """A user with a server idle for a minute, another user, and an admin of the Hub."""
    async with cull_site(tmp_path) as made:
        made.add_user("ada", "course")
        made.add_user("bob")
        made.add_user("root", admin=True)
        made.hub.add_server("ada", idle=60)
        yield made


def path(user: str, server: str = "") -> str:
    """The address of an extension, its names quoted."""
    middle = f"/{quote(server, safe='')}" if server else ""
    return f"servers/{quote(user, safe='')}{middle}/extend"


async def test_own_servers_are_read_fresh(site: CullSite) -> None:
    """A server that no pass has seen yet is listed, with its stop, the rule and the offer."""
    status, body = await site.api("GET", "servers", user="ada")
    assert status == 200
    [server] = body["servers"]
    assert server | {"groups": None, "rule_does": None, "why": None} == {
        "user": "ada",
        "server": "",
        "groups": None,
        "admin": False,
        "state": "ready",
        "started": "2026-03-02T10:00:00Z",
        "last_activity": "2026-03-02T11:59:00Z",
        "stops_at": "2026-03-02T12:09:00Z",
        "action": "keep",
        "reason": "active",
        "why": None,
        "rule": "default",
        "rule_does": None,
        "extended_until": None,
        "held_until": None,
        "offer": {"until": "2026-03-02T13:09:00Z", "left": 2},
        "no_offer": "",
    }
    assert datetime(2026, 3, 2, 12, tzinfo=UTC) == START


async def test_an_extension_moves_the_stop_and_is_audited(site: CullSite) -> None:
    """After the extension the listing and the protections of the next pass have the new time."""
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body) == (
        200,
        {"user": "ada", "server": "", "until": "2026-03-02T13:09:00Z", "used": 1, "limit": 2},
    )
    _, listed = await site.api("GET", "servers", user="ada")
    assert listed["servers"][0]["stops_at"] == "2026-03-02T13:09:00Z"
    [(_, event)] = await site.store.audit_log()
    assert (event.who, event.action, event.name, event.rule) == ("ada", "extend", "ada", "default")


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_can_be_extended_and_only_it(site: CullSite, name: str) -> None:
    """Odd names reach the very server they name, in the path and at the Hub."""
    site.add_user(name)
    site.hub.add_server(name, name, idle=60)
    status, body = await site.api("POST", path(name, name), user=name)
    assert (status, body["user"], body["server"]) == (200, name, name)
    assert list((await site.store.protections(START)).extensions) == [(name, name)]


async def test_a_second_click_is_no_second_extension(site: CullSite) -> None:
    """A request repeated a moment later succeeds and does not count."""
    await site.api("POST", path("ada"), user="ada")
    site.clock.advance(3)
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body["until"], body["used"]) == (200, "2026-03-02T13:09:00Z", 1)


async def test_the_daily_limit_is_told_with_when_it_ends(site: CullSite) -> None:
    """The extension beyond the limit is a 409 that says when the next is allowed."""
    for _ in range(2):
        assert (await site.api("POST", path("ada"), user="ada"))[0] == 200
        site.clock.advance(600)
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body["again_at"]) == (409, "2026-03-03T12:00:00Z")
    assert "2 extensions a day" in body["message"]


async def test_a_rule_may_allow_no_extension(site: CullSite) -> None:
    """Where the rule allows none, there is no offer and a request is refused."""
    site.policy = Policy.from_flags(Flags(extensions_per_day=0))
    _, listed = await site.api("GET", "servers", user="ada")
    assert listed["servers"][0]["offer"] is None
    assert "not allowed" in listed["servers"][0]["no_offer"]
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body["again_at"]) == (409, None)


@pytest.mark.parametrize("who", ["bob", "root"])
@pytest.mark.parametrize("name", ["ada", "nobody"])
async def test_another_users_server_cannot_be_extended(site: CullSite, who: str, name: str) -> None:
    """Not by an admin either, and the answer does not tell whether there is such a user."""
    status, _ = await site.api("POST", path(name), user=who)
    assert status == 403
    assert (await site.store.protections(START)).extensions == {}


async def test_a_service_is_not_the_user_of_its_name(site: CullSite) -> None:
    """A service called like a user neither sees nor extends that user's servers."""
    assert (await site.api("GET", "servers", service="ada"))[1]["servers"] == []
    assert (await site.api("POST", path("ada"), service="ada"))[0] == 403


async def test_a_user_who_was_deleted_is_let_in_no_more(site: CullSite) -> None:
    """A token that outlives its user opens nothing."""
    del site.hub.users["ada"]
    assert (await site.api("GET", "servers", user="ada"))[0] == 403


async def test_a_server_that_does_not_run_cannot_be_extended(site: CullSite) -> None:
    """A server that is not there gets a 404."""
    assert (await site.api("POST", path("ada", "gone"), user="ada"))[0] == 404


async def test_everybodys_servers_are_for_admins(site: CullSite) -> None:
    """Admins list what the last pass saw, with the holds of now; others get a 403."""
    await site.culler.run_pass()
    await site.store.hold(
        HoldKind.GROUP, "course", until=START + timedelta(hours=5), by="root", now=START
    )
    assert (await site.api("GET", "servers?all=1", user="ada"))[0] == 403
    status, body = await site.api("GET", "servers?all=1", user="root")
    assert (status, body["total"], body["as_of"]) == (200, 1, "2026-03-02T12:00:00Z")
    assert body["servers"][0]["held_until"] == "2026-03-02T17:00:00Z"
    assert body["servers"][0]["stops_at"] == "2026-03-02T17:00:00Z"


async def test_a_hold_is_made_listed_and_released(site: CullSite) -> None:
    """What an admin holds is in force at once, and no more after its release."""
    wish = {"kind": "user", "name": "ada", "hours": 3, "why": "exam"}
    status, made = await site.api("POST", "holds", user="root", json=wish)
    assert (status, made["until"], made["by"]) == (201, "2026-03-02T15:00:00Z", "root")
    assert (await site.api("GET", "holds", user="root"))[1] == {"holds": [made]}
    _, listed = await site.api("GET", "servers", user="ada")
    assert listed["servers"][0]["held_until"] == "2026-03-02T15:00:00Z"

    assert (await site.api("DELETE", f"holds/{made['id']}", user="root"))[0] == 204
    assert (await site.api("DELETE", f"holds/{made['id']}", user="root"))[0] == 404
    assert (await site.api("GET", "holds", user="root"))[1] == {"holds": []}
    _, audit = await site.api("GET", "audit", user="root")
    assert [event["action"] for event in audit["events"]] == ["release", "hold"]


@pytest.mark.parametrize("kind", ["user", "group"])
async def test_whom_the_hub_does_not_know_cannot_be_held(site: CullSite, kind: str) -> None:
    """A slip in a name is told, and not stored as a hold of nobody."""
    site.hub.scopes.append("read:groups")
    wish = {"kind": kind, "name": "adda", "hours": 1}
    status, body = await site.api("POST", "holds", user="root", json=wish)
    assert (status, body["problems"]) == (400, [f"name: the Hub knows no {kind} 'adda'"])


async def test_a_group_is_believed_where_groups_may_not_be_read(site: CullSite) -> None:
    """A role without read:groups can still hold a group."""
    wish = {"kind": "group", "name": "course", "hours": 1}
    assert (await site.api("POST", "holds", user="root", json=wish))[0] == 201


async def test_all_problems_of_a_hold_are_told(site: CullSite) -> None:
    """A bad body gets a 400 with every problem in it."""
    status, body = await site.api("POST", "holds", user="root", json={"kind": "x", "hours": "y"})
    assert status == 400
    assert [problem.partition(":")[0] for problem in body["problems"]] == ["kind", "name", "hours"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_told(site: CullSite, body: bytes) -> None:
    """Whatever is no JSON object gets a 400, however it is broken."""
    status, answer = await site.api("POST", "holds", user="root", data=body)
    assert status == 400
    assert answer["problems"][0].startswith("the body: ")


@pytest.mark.parametrize(
    "asked",
    [
        "servers?all=2",
        "servers?sort=x",
        "servers?page=0",
        "audit?limit=0",
        "audit?before=x",
    ],
)
async def test_a_bad_query_is_told(site: CullSite, asked: str) -> None:
    """A bad query gets a 400 with its problem."""
    status, body = await site.api("GET", asked, user="root")
    assert status == 400
    assert body["problems"]


async def test_passes_and_policy_are_told(site: CullSite) -> None:
    """The last passes, the newest first, and the rules."""
    site.hub.add_server("bob", idle=3600)
    await site.culler.run_pass()
    site.clock.advance(60)
    await site.culler.run_pass()
    _, body = await site.api("GET", "passes", user="root")
    assert [(one["started"], one["stopped"]) for one in body["passes"]] == [
        ("2026-03-02T12:01:00Z", 0),
        ("2026-03-02T12:00:00Z", 1),
    ]
    _, policy = await site.api("GET", "policy", user="root")
    assert [rule["name"] for rule in policy["rules"]] == ["default"]


ADMINS = [
    ("GET", "servers?all=1"),
    ("GET", "holds"),
    ("POST", "holds"),
    ("DELETE", "holds/1"),
    ("GET", "passes"),
    ("GET", "audit"),
    ("GET", "policy"),
]


@pytest.mark.parametrize(("method", "asked"), ADMINS)
async def test_what_is_for_admins_is_for_nobody_else(
    site: CullSite, method: str, asked: str
) -> None:
    """Nobody: 401. A user, or a service without the scope: 403. With the scope, it goes on."""
    wish: dict[str, Any] = {}
    if method == "POST":
        wish["json"] = {"kind": "user", "name": "ada", "hours": 1}
    assert (await site.api(method, asked, **wish))[0] == 401
    assert (await site.api(method, asked, user="ada", **wish))[0] == 403
    assert (await site.api(method, asked, service="bot", **wish))[0] == 403
    status, _ = await site.api(
        method, asked, user="root", scopes=("access:services!service=other",), **wish
    )
    assert status == 403, "without access to the service nobody is an admin"
    status, _ = await site.api(method, asked, service="bot", scopes=(ACCESS, ADMIN_SCOPE), **wish)
    assert status in (200, 201, 404)


async def test_admin_groups_take_the_place_of_hub_admins(tmp_path: Path) -> None:
    """Where admin groups are set, their members are admins and Hub admins are not."""
    async with cull_site(tmp_path, admin_groups=frozenset({"staff"})) as site:
        site.add_user("eve", "staff")
        site.add_user("root", admin=True)
        assert (await site.api("GET", "holds", user="eve"))[0] == 200
        assert (await site.api("GET", "holds", user="root"))[0] == 403


async def test_a_lost_admin_can_hold_no_more(site: CullSite) -> None:
    """Who is an admin is asked anew for each request."""
    assert (await site.api("GET", "holds", user="root"))[0] == 200
    site.hub.users["root"].admin = False
    assert (await site.api("GET", "holds", user="root"))[0] == 403


async def test_a_script_on_a_page_needs_the_xsrf_token(site: CullSite) -> None:
    """A signed-in browser's fetch is refused without the token of our page, and works with it."""
    browser = await site.browser("ada")
    page = await browser.go(PREFIX)
    found = re.search(r'name="xsrf-token" content="([^"]+)"', page.text)
    assert found is not None
    address = PREFIX + "api/" + path("ada")
    assert (await browser.fetch(address, method="POST")).status == 403
    assert (await browser.fetch(address, method="POST", token="made-up")).status == 403
    assert (await site.store.protections(START)).extensions == {}
    assert (await browser.fetch(address, method="POST", token=found[1])).status == 200


async def test_a_hub_that_is_away_is_a_503(site: CullSite) -> None:
    """While the Hub is out of reach the answer says so, and nobody is let in."""
    site.hub.fail("status", status=503, times=100)
    status, body = await site.api("GET", "servers", user="ada")
    assert status == 503
    assert "Hub" in body["message"]


async def test_a_database_that_is_away_is_a_503(site: CullSite) -> None:
    """While the database is out of reach the answer says so, without its address."""
    await site.store.close()
    status, body = await site.api("GET", "servers", user="ada")
    assert status == 503
    assert "database" in body["message"]
    assert "sqlite" not in body["message"]


async def test_the_description_covers_every_route_and_answer(site: CullSite) -> None:
    """OpenAPI names each route of the API and no other, open to everybody, and its answers hold."""
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
                told = operation["responses"]
                assert "405" in told or operation["summary"] == "This description"
                assert method != "post" or "413" in told

    await site.culler.run_pass()
    await site.api("POST", path("ada"), user="ada")
    await site.api("POST", "holds", user="root", json={"kind": "user", "name": "ada", "hours": 1})
    for template in ("servers?all=1", "holds", "passes", "audit", "policy"):
        _, answer = await site.api("GET", template, user="root")
        operation = document["paths"]["/api/" + template.partition("?")[0]]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert_fits(answer, schema, document)


def assert_fits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """The part of JSON Schema that the description uses."""
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
