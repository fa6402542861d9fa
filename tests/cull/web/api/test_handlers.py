"""The culler's JSON API, in front of a fake Hub."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from services.cull.policy.model import Flags, Policy
from services.cull.scopes import ADMIN_SCOPE, AUDIT_SCOPE
from services.cull.store.records import HoldKind
from tests.cull.web.site import ACCESS, PREFIX, CullSite, cull_site
from tests.fakes.clock import START

NAMES = ["ada", "a{b}", "q?x=1", "h#frag", "%41", "名前", "sp ace", "a&b", "o'neil", "+", "a;b"]


def path(user: str, server: str = "") -> str:
    """The path of an extension, with quoted names."""
    middle = f"/{quote(server, safe='')}" if server else ""
    return f"servers/{quote(user, safe='')}{middle}/extend"


async def test_own_servers_are_read_fresh(site: CullSite) -> None:
    """A server that no pass has seen yet is listed with its stop, its rule and the offer."""
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
    """The list and the audit log show the extension."""
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
    """Unusual names in the path reach exactly the server that they name."""
    site.add_user(name)
    site.hub.add_server(name, name, idle=60)
    status, body = await site.api("POST", path(name, name), user=name)
    assert (status, body["user"], body["server"]) == (200, name, name)
    assert list((await site.store.protections(START)).extensions) == [(name, name)]


async def test_a_repeated_request_does_not_extend_again(site: CullSite) -> None:
    """A request repeated a moment later succeeds but does not count."""
    await site.api("POST", path("ada"), user="ada")
    site.clock.advance(3)
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body["until"], body["used"]) == (200, "2026-03-02T13:09:00Z", 1)


async def test_beyond_the_daily_limit_the_next_time_is_given(site: CullSite) -> None:
    """The response is a 409 that says when the next extension is allowed."""
    for _ in range(2):
        assert (await site.api("POST", path("ada"), user="ada"))[0] == 200
        site.clock.advance(600)
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body["again_at"]) == (409, "2026-03-03T12:00:00Z")
    assert "2 extensions a day" in body["message"]


async def test_a_rule_may_allow_no_extension(site: CullSite) -> None:
    """If the rule allows no extension, there is no offer and a request is refused."""
    site.policy = Policy.from_flags(Flags(extensions_per_day=0))
    _, listed = await site.api("GET", "servers", user="ada")
    assert listed["servers"][0]["offer"] is None
    assert "not allowed" in listed["servers"][0]["no_offer"]
    status, body = await site.api("POST", path("ada"), user="ada")
    assert (status, body["again_at"]) == (409, None)


@pytest.mark.parametrize("who", ["bob", "root"])
@pytest.mark.parametrize("name", ["ada", "nobody"])
async def test_another_users_server_cannot_be_extended(site: CullSite, who: str, name: str) -> None:
    """Not even by an administrator, and the response does not reveal whether the user exists."""
    status, _ = await site.api("POST", path(name), user=who)
    assert status == 403
    assert (await site.store.protections(START)).extensions == {}


async def test_a_service_is_not_the_user_of_its_name(site: CullSite) -> None:
    """A service with the name of a user neither sees nor extends that user's servers."""
    assert (await site.api("GET", "servers", service="ada"))[1]["servers"] == []
    assert (await site.api("POST", path("ada"), service="ada"))[0] == 403


async def test_a_deleted_user_is_refused(site: CullSite) -> None:
    """A token that is still valid after its user was deleted gives no access."""
    del site.hub.users["ada"]
    assert (await site.api("GET", "servers", user="ada"))[0] == 403


async def test_a_server_that_does_not_run_cannot_be_extended(site: CullSite) -> None:
    """An unknown server is a 404."""
    assert (await site.api("POST", path("ada", "gone"), user="ada"))[0] == 404


async def test_the_servers_of_all_users_are_for_administrators(site: CullSite) -> None:
    """They are those of the last pass with the current holds; other users get a 403."""
    await site.culler.run_pass()
    await site.store.hold(
        HoldKind.GROUP, "course", until=START + timedelta(hours=5), by="root", now=START
    )
    assert (await site.api("GET", "servers?all=1", user="ada"))[0] == 403
    status, body = await site.api("GET", "servers?all=1", user="root")
    assert (status, body["total"], body["as_of"]) == (200, 1, "2026-03-02T12:00:00Z")
    assert body["servers"][0]["held_until"] == "2026-03-02T17:00:00Z"
    assert body["servers"][0]["stops_at"] == "2026-03-02T17:00:00Z"


async def test_a_hold_is_added_listed_and_released(site: CullSite) -> None:
    """A hold takes effect at once and ends with its release; both are in the audit log."""
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
async def test_a_hold_needs_an_existing_name(site: CullSite, kind: str) -> None:
    """A mistyped name is reported and not stored."""
    site.hub.scopes.append("read:groups")
    wish = {"kind": kind, "name": "adda", "hours": 1}
    status, body = await site.api("POST", "holds", user="root", json=wish)
    assert (status, body["problems"]) == (400, [f"name: the Hub has no {kind} 'adda'"])


async def test_a_group_can_be_held_without_the_scope_to_read_it(site: CullSite) -> None:
    """Without read:groups, any group name is accepted."""
    wish = {"kind": "group", "name": "course", "hours": 1}
    assert (await site.api("POST", "holds", user="root", json=wish))[0] == 201


async def test_all_problems_of_a_hold_are_reported(site: CullSite) -> None:
    """An invalid body is a 400 that lists every problem."""
    status, body = await site.api("POST", "holds", user="root", json={"kind": "x", "hours": "y"})
    assert status == 400
    assert [problem.partition(":")[0] for problem in body["problems"]] == ["kind", "name", "hours"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_not_an_object_is_refused(site: CullSite, body: bytes) -> None:
    """Anything but a JSON object is a 400."""
    status, answer = await site.api("POST", "holds", user="root", data=body)
    assert status == 400
    assert answer["problems"][0].startswith("body: ")


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
async def test_an_invalid_query_is_refused(site: CullSite, asked: str) -> None:
    """The response is a 400 that lists the problem."""
    status, body = await site.api("GET", asked, user="root")
    assert status == 400
    assert body["problems"]


async def test_passes_and_rules_are_listed(site: CullSite) -> None:
    """The last passes come newest first, the rules in order."""
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
async def test_administrator_routes_are_for_administrators_only(
    site: CullSite, method: str, asked: str
) -> None:
    """No token: 401. A user, or a service without the scope: 403. With the scope: allowed."""
    wish: dict[str, Any] = {}
    if method == "POST":
        wish["json"] = {"kind": "user", "name": "ada", "hours": 1}
    assert (await site.api(method, asked, **wish))[0] == 401
    assert (await site.api(method, asked, user="ada", **wish))[0] == 403
    assert (await site.api(method, asked, service="bot", **wish))[0] == 403
    status, _ = await site.api(
        method, asked, user="root", scopes=("access:services!service=other",), **wish
    )
    assert status == 403, "without access to the service, even a Hub administrator is refused"
    status, _ = await site.api(method, asked, service="bot", scopes=(ACCESS, ADMIN_SCOPE), **wish)
    assert status in (200, 201, 404)


@pytest.mark.parametrize(("method", "asked"), ADMINS)
async def test_the_audit_scope_opens_the_audit_log_only(
    site: CullSite, method: str, asked: str
) -> None:
    """The statistics read what was stopped, and can neither hold servers nor see the rest."""
    wish: dict[str, Any] = {}
    if method == "POST":
        wish["json"] = {"kind": "user", "name": "ada", "hours": 1}
    scopes = (ACCESS, AUDIT_SCOPE)
    status, _ = await site.api(method, asked, service="stats", scopes=scopes, **wish)
    assert status == (200 if asked == "audit" else 403)


async def test_since_when_the_audit_log_is_complete(site: CullSite) -> None:
    """Before the first pass it is not known; then from its beginning to that of the latest one."""
    _, audit = await site.api("GET", "audit", user="root")
    assert (audit["complete_since"], audit["complete_until"]) == (None, None)
    for _ in range(2):
        await site.culler.run_pass()
    _, audit = await site.api("GET", "audit", user="root")
    assert audit["complete_since"] <= audit["complete_until"]


async def test_admin_groups_replace_hub_administrators(tmp_path: Path) -> None:
    """With admin groups, their members are administrators and those of the Hub are not."""
    async with cull_site(tmp_path, admin_groups=frozenset({"staff"})) as site:
        site.add_user("eve", "staff")
        site.add_user("root", admin=True)
        assert (await site.api("GET", "holds", user="eve"))[0] == 200
        assert (await site.api("GET", "holds", user="root"))[0] == 403


async def test_a_former_administrator_is_refused(site: CullSite) -> None:
    """The permission is checked again for each request."""
    assert (await site.api("GET", "holds", user="root"))[0] == 200
    site.hub.users["root"].admin = False
    assert (await site.api("GET", "holds", user="root"))[0] == 403


async def test_a_script_on_a_page_needs_the_xsrf_token(site: CullSite) -> None:
    """A request of a signed-in browser needs the token of the page."""
    browser = await site.browser("ada")
    page = await browser.go(PREFIX)
    found = re.search(r'name="xsrf-token" content="([^"]+)"', page.text)
    assert found is not None
    address = PREFIX + "api/" + path("ada")
    assert (await browser.fetch(address, method="POST")).status == 403
    assert (await browser.fetch(address, method="POST", token="made-up")).status == 403
    assert (await site.store.protections(START)).extensions == {}
    assert (await browser.fetch(address, method="POST", token=found[1])).status == 200


async def test_an_unavailable_hub_is_a_503(site: CullSite) -> None:
    """The message names the Hub, and access is refused."""
    site.hub.fail("status", status=503, times=100)
    status, body = await site.api("GET", "servers", user="ada")
    assert status == 503
    assert "Hub" in body["message"]


async def test_an_unavailable_database_is_a_503(site: CullSite) -> None:
    """The message names the database but not its address."""
    await site.store.close()
    status, body = await site.api("GET", "servers", user="ada")
    assert status == 503
    assert "database" in body["message"]
    assert "sqlite" not in body["message"]
