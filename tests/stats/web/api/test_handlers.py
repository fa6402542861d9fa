"""The JSON API: who may ask what."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.pseudonyms import Pseudonyms
from services.stats.records import Changes
from services.stats.scopes import ADMIN_SCOPE
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.oauth import Answer
from tests.stats.course import ALL, ANA, X, at, course
from tests.stats.web.api.client import (
    ABOUT_WHOM,
    MAY_ASK,
    ODD_NAMES,
    QUESTIONS,
    add_people,
    ask,
    ask_as,
    range_of,
    with_query,
)
from tests.stats.web.site import ACCESS, PREFIX, StatsSite, stats_site


@pytest.mark.parametrize("role", MAY_ASK)
async def test_access_by_role(site: StatsSite, role: str) -> None:
    """Every route answers 403 to roles without access, whether or not the data exists."""
    for path in ABOUT_WHOM:
        for question, query in QUESTIONS.items():
            status, body = await ask_as(site, role, with_query(path, query))
            wanted = 200 if question in MAY_ASK[role] else 403
            assert (status, path, question) == (wanted, path, question)
            if status == 403:
                assert set(body) == {"status", "message"}
                assert "you may not see" in body["message"].lower()


@pytest.mark.parametrize("role", MAY_ASK)
async def test_timelines_by_role(site: StatsSite, role: str) -> None:
    """Timelines follow the same rules; strangers and unknown users are both not found."""
    known = {
        "root": {"ana", "eva", "ana in y"},
        "scope": {"ana", "eva", "ana in y"},
        "bot with the scope": {"ana", "eva", "ana in y"},
        "prof": {"ana", "eva"},
        "other": {"ana", "ana in y"},
        "ana": {"ana"},
        "eva": {"eva"},
    }.get(role, set())
    for question in ("ana", "ana in y", "eva", "nobody"):
        status, _ = await ask_as(site, role, f"timeline?{ALL}&{QUESTIONS[question]}")
        wanted = 403 if question not in MAY_ASK[role] else 200 if question in known else 404
        assert (status, question) == (wanted, question)


ROUTES = (*ABOUT_WHOM, "about", "timeline", "groups", "gaps", "forecast", "spawns")


@pytest.mark.parametrize("path", ROUTES)
async def test_authentication_is_required(site: StatsSite, path: str) -> None:
    """No token or an invalid one gives 401; one for another service, even an admin's, 403."""
    assert (await ask(site, "", path))[0] == 401
    headers = {"Authorization": "token made-up"}
    async with site.session.get(f"{site.origin}{PREFIX}api/{path}", headers=headers) as answer:
        assert answer.status == 401
    elsewhere = ("access:services!service=cull", ADMIN_SCOPE)
    assert (await ask(site, "root", path, scopes=elsewhere))[0] == 403
    assert (await ask(site, "bot", path, service=True, scopes=elsewhere))[0] == 403


@pytest.mark.parametrize("path", ROUTES)
async def test_api_is_read_only(site: StatsSite, path: str) -> None:
    """Every method but GET is rejected."""
    token = site.oauth.add_token("root", ACCESS)
    headers = {"Authorization": f"token {token}"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        url = f"{site.origin}{PREFIX}api/{path}"
        async with site.session.request(method, url, headers=headers) as answer:
            assert answer.status == 405


async def test_admin_groups_replace_hub_admins(store: Store) -> None:
    """With admin groups, their members see everything and Hub administrators only themselves."""
    async with stats_site(Queries(store), admin_groups=frozenset({"heads"})) as site:
        site.add_user("head", "heads")
        site.add_user("root", admin=True)
        for path in ABOUT_WHOM:
            assert (await ask(site, "head", path))[0] == 200
            assert (await ask(site, "root", path))[0] == 403
            assert (await ask(site, "root", with_query(path, "user=root")))[0] == 200


async def test_leaving_a_group_takes_effect_at_once(site: StatsSite) -> None:
    """An instructor who leaves the group no longer sees its students."""
    assert (await ask(site, "prof", "days?group=nbgrader-x"))[0] == 200
    site.hub.users["prof"].groups.clear()
    assert (await ask(site, "prof", "days?group=nbgrader-x"))[0] == 403


async def test_strangers_look_like_unknown_users(site: StatsSite) -> None:
    """An instructor of another course cannot tell whether eva exists."""
    for path in ABOUT_WHOM:
        about_eva = await ask(site, "other", with_query(path, f"user=eva&{range_of(path)}"))
        about_nobody = await ask(site, "other", with_query(path, f"user=nobody&{range_of(path)}"))
        assert about_eva == about_nobody
        assert "eva" not in str(about_eva)
    _, people = await ask(site, "other", f"people?user=eva&{ALL}")
    assert (people["people"], people["total"]) == ([], 0)


async def test_only_days_in_the_group_are_shown(site: StatsSite) -> None:
    """The instructor of y sees ana's activity up to Monday noon, when she left."""
    _, timeline = await ask(site, "other", f"timeline?user=ana&{ALL}")
    assert [session["started"] for session in timeline["sessions"]] == ["2026-03-02T10:00:00Z"]
    _, days = await ask(site, "other", f"days?user=ana&{ALL}")
    assert [one["day"] for one in days["days"] if one["active"]] == ["2026-03-02"]
    _, people = await ask(site, "other", f"people?group=nbgrader-y&{ALL}")
    assert [(one["name"], one["active_seconds"]) for one in people["people"]] == [("ana", 3600)]


async def test_reused_name_is_another_user(site: StatsSite) -> None:
    """Ben does not see the deleted ben; an administrator sees both in the table."""
    site.add_user("ben", "nbgrader-x")
    _, own = await ask(site, "ben", f"people?user=ben&{ALL}")
    assert [(one["deleted"], one["active_seconds"]) for one in own["people"]] == [(False, 7200)]
    _, both = await ask(site, "root", f"people?q=BEN&{ALL}")
    assert sorted(one["deleted"] for one in both["people"]) == [False, True]


async def test_new_member_appears_in_the_group(site: StatsSite, store: Store) -> None:
    """A student who joins is in the group's table from then on."""
    changes = Changes()
    changes.join(X, 10, at(7))
    await store.write(changes, leader=await store.take_leadership())
    _, people = await ask(site, "prof", f"people?group=nbgrader-x&{ALL}")
    assert ODD_NAMES[0] in [one["name"] for one in people["people"]]


async def test_pseudonyms(tmp_path: Path) -> None:
    """Users find themselves although the database has pseudonyms in place of names."""
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    pseudonyms = Pseudonyms.from_file(str(key))
    store = await Store.open(f"sqlite:///{tmp_path / 'hashed.sqlite'}", ZoneInfo("UTC"))
    records = course()
    records.people[ANA] = records.people[ANA]._replace(name=pseudonyms.name("ana"))
    await store.write(records, leader=await store.take_leadership())
    async with stats_site(Queries(store, name_of=pseudonyms.name)) as site:
        add_people(site)
        _, own = await ask(site, "ana", f"timeline?{ALL}")
        assert own["user"] == pseudonyms.name("ana")
        assert len(own["sessions"]) == 2
        assert (await ask(site, "eva", f"timeline?user={pseudonyms.name('ana')}"))[0] == 403
    await store.close()


async def test_hub_unavailable(site: StatsSite) -> None:
    """Without the Hub no request can be authenticated: 503."""
    site.hub.fail("status", status=503, times=100)
    status, body = await ask(site, "root", "summary")
    assert status == 503
    assert "Hub" in body["message"]


async def test_database_unavailable(tmp_path: Path) -> None:
    """503 without revealing anything about the database."""
    path = tmp_path / "stats.sqlite"
    store = await Store.open(f"sqlite:///{path}", ZoneInfo("UTC"))
    async with stats_site(Queries(store)) as site:
        add_people(site)
        async with store.writing() as connection:
            await connection.exec_driver_sql("ALTER TABLE meta RENAME TO gone")
        status, body = await ask(site, "root", "summary")
        assert status == 503
        assert "database" in body["message"]
        assert "sqlite" not in str(body)
        assert "meta" not in str(body)
    await store.close()


class TestCookies:
    """Requests of a signed-in browser."""

    @staticmethod
    async def fetch(site: StatsSite, user: str, path: str, token: str | None) -> Answer:
        """A script's fetch(), with the browser's own XSRF token if ``token`` is None."""
        browser = await site.browser(user)
        assert (await browser.go(PREFIX)).status == 200
        token = browser.xsrf if token is None else token
        return await browser.fetch(PREFIX + "api/" + path, token=token)

    async def test_xsrf_token_is_required(self, site: StatsSite) -> None:
        """Students' servers share the origin; their pages must not read as another user."""
        for wrong in ("", "made-up"):
            answer = await self.fetch(site, "root", "summary", wrong)
            assert answer.status == 403
            assert "total" not in answer.text
        answer = await self.fetch(site, "root", "summary", None)
        assert answer.status == 200
        assert answer.json()["timezone"] == "UTC"

    async def test_cookie_gives_full_access(self, site: StatsSite) -> None:
        """Access depends on the user at the Hub, not on the scopes of the sign-in's token."""
        assert (await self.fetch(site, "root", "people", None)).status == 200
        assert (await self.fetch(site, "prof", "people", None)).status == 403
        assert (await self.fetch(site, "prof", "people?group=nbgrader-x", None)).status == 200

    async def test_address_opened_in_a_browser(self, site: StatsSite) -> None:
        """A user may open an address of the API like any page."""
        browser = await site.browser("ana")
        await browser.go(PREFIX)
        answer = await browser.go(f"{PREFIX}api/timeline?{ALL}")
        assert (answer.status, answer.json()["user"]) == (200, "ana")
        answer = await browser.go(f"{PREFIX}api/summary")
        assert (answer.status, answer.json()["status"]) == (403, 403)

    async def test_signed_out_script_gets_401(self, site: StatsSite) -> None:
        """A script gets 401 and not the login page."""
        browser = await site.browser()
        assert (await browser.fetch(PREFIX + "api/summary")).status == 401
