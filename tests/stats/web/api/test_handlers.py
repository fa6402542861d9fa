"""The statistics' JSON API, before a fake Hub: who may ask what, and what is answered."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from yarl import URL

from services.stats.days import By, periods
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import ADMIN_SCOPE, WholeHub
from services.stats.query.people import PAGE_SIZE
from services.stats.records import Changes, Person
from services.stats.store.daily_rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store
from tests.fakes.oauth import Answer
from tests.stats.store.queries.test_dashboard import ANA, X, at, course, day
from tests.stats.web.site import ACCESS, PREFIX, StatsSite, stats_site

ALL = "since=2026-02-21&until=2026-03-09"
ODD = ["q?x=1&user=ana", "h#frag", "%41", "名前", "sp ace", "<b>", "o'\"neil", "+"]

ABOUT_WHOM = (
    *("summary", "days", "week-by-hour", "session-lengths", "people", "concurrency"),
    f"inactive?since={day(2)}",
)
"""Each is asked about the hub, a group or a person."""

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
    "other": {"y", "ana", "ana in y", "eva", "nobody"},  # what they get about eva is nothing
    "ana": {"ana"},
    "eva": {"eva"},
    "new": set(),
    "bot": set(),
    "bot called ana": set(),
}
"""By who asks; every other question is refused."""


async def write_course(path: Path) -> None:
    """The course of test_stats_queries, and some of odd names; a gap on Thursday."""
    store = await Store.open(f"sqlite:///{path}", ZoneInfo("UTC"))
    records = course()
    for number, name in enumerate(ODD, 10):
        records.people[number] = Person(number, name, at(-30), at(-9))
    await store.write(records, leader=await store.take_lead())
    await roll_up_until(store, at(7, 16))
    await store.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the course, to be copied: making it takes longer than most tests."""
    path = tmp_path_factory.mktemp("course") / "stats.sqlite"
    asyncio.run(write_course(path))
    return path


@pytest.fixture
async def store(written: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """A copy of the course, in UTC."""
    path = tmp_path / "stats.sqlite"
    await asyncio.to_thread(shutil.copy, written, path)
    store = await Store.open(f"sqlite:///{path}", ZoneInfo("UTC"))
    yield store
    await store.close()


def with_people(site: StatsSite) -> StatsSite:
    """One of each role."""
    site.add_user("root", admin=True)
    site.add_user("prof", "formgrade-x")
    site.add_user("other", "formgrade-y", "nbgrader-x")
    for name in ("ana", "eva"):
        site.add_user(name, "nbgrader-x")
    for name in ("new", "scope", *ODD):
        site.add_user(name)
    return site


@pytest.fixture
async def site(store: Store) -> AsyncIterator[StatsSite]:
    """The API, with one of each role."""
    async with stats_site(Queries(store)) as made:
        yield with_people(made)


async def ask(
    site: StatsSite, who: str, path: str, *, service: bool = False, scopes: tuple[str, ...] = ()
) -> tuple[int, Any]:
    """Ask with a token of a user or a service; status and JSON. who "": without a token."""
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
    """As one of MAY_ASK."""
    if role == "scope":
        return await ask(site, "scope", path, scopes=(ACCESS, ADMIN_SCOPE))
    if role == "bot with the scope":
        return await ask(site, "bot", path, service=True, scopes=(ACCESS, ADMIN_SCOPE))
    if role == "bot called ana":
        return await ask(site, "ana", path, service=True)
    return await ask(site, role, path, service=role == "bot")


def with_query(path: str, query: str) -> str:
    """The path with more in its query."""
    return path + ("&" if "?" in path else "?") + query if query else path


@pytest.mark.parametrize("role", MAY_ASK)
async def test_every_question_as_every_role(site: StatsSite, role: str) -> None:
    """Who may not see it gets a 403 from every route, whether or not it exists."""
    for path in ABOUT_WHOM:
        for question, query in QUESTIONS.items():
            status, body = await ask_as(site, role, with_query(path, query))
            wanted = 200 if question in MAY_ASK[role] else 403
            assert (status, path, question) == (wanted, path, question)
            if status == 403:
                assert set(body) == {"status", "message"}
                assert "you may not see" in body["message"].lower()


@pytest.mark.parametrize("role", MAY_ASK)
async def test_every_timeline_as_every_role(site: StatsSite, role: str) -> None:
    """A timeline is refused as all else; of strangers, and of nobody, nothing is known."""
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


ROUTES = (*ABOUT_WHOM, "about", "timeline", "groups", "gaps")


@pytest.mark.parametrize("path", ROUTES)
async def test_nobody_comes_in_without_access(site: StatsSite, path: str) -> None:
    """No token and a wrong one: 401. A token that is not for this service, even an admin's: 403."""
    assert (await ask(site, "", path))[0] == 401
    headers = {"Authorization": "token made-up"}
    async with site.session.get(f"{site.origin}{PREFIX}api/{path}", headers=headers) as answer:
        assert answer.status == 401
    elsewhere = ("access:services!service=cull", ADMIN_SCOPE)
    assert (await ask(site, "root", path, scopes=elsewhere))[0] == 403
    assert (await ask(site, "bot", path, service=True, scopes=elsewhere))[0] == 403


@pytest.mark.parametrize("path", ROUTES)
async def test_only_reading(site: StatsSite, path: str) -> None:
    """The API changes nothing: every other method is refused."""
    token = site.oauth.add_token("root", ACCESS)
    headers = {"Authorization": f"token {token}"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        url = f"{site.origin}{PREFIX}api/{path}"
        async with site.session.request(method, url, headers=headers) as answer:
            assert answer.status == 405


async def test_a_configured_group_takes_the_place_of_the_admins(store: Store) -> None:
    """Where admin groups are set their members see all, and Hub admins only themselves."""
    async with stats_site(Queries(store), admin_groups=frozenset({"heads"})) as site:
        site.add_user("head", "heads")
        site.add_user("root", admin=True)
        for path in ABOUT_WHOM:
            assert (await ask(site, "head", path))[0] == 200
            assert (await ask(site, "root", path))[0] == 403
            assert (await ask(site, "root", with_query(path, "user=root")))[0] == 200


async def test_who_may_see_is_asked_anew(site: StatsSite) -> None:
    """An instructor who leaves the group sees its students no more, with the next request."""
    assert (await ask(site, "prof", "days?group=nbgrader-x"))[0] == 200
    site.hub.users["prof"].groups.clear()
    assert (await ask(site, "prof", "days?group=nbgrader-x"))[0] == 403


async def test_a_stranger_is_empty_not_refused(site: StatsSite) -> None:
    """An instructor of another course learns nothing of eva, not even that there is one."""
    for path in ABOUT_WHOM:
        about_eva = await ask(site, "other", with_query(path, f"user=eva&{_range(path)}"))
        about_nobody = await ask(site, "other", with_query(path, f"user=nobody&{_range(path)}"))
        assert about_eva == about_nobody
        assert "eva" not in str(about_eva)
    _, people = await ask(site, "other", f"people?user=eva&{ALL}")
    assert (people["people"], people["total"]) == ([], 0)


def _range(path: str) -> str:
    return "" if "since=" in path else ALL


async def test_only_days_in_the_group_are_shown(site: StatsSite) -> None:
    """The instructor of y sees of ana what she did until she left it on Monday noon."""
    _, timeline = await ask(site, "other", f"timeline?user=ana&{ALL}")
    assert [session["started"] for session in timeline["sessions"]] == ["2026-03-02T10:00:00Z"]
    _, days = await ask(site, "other", f"days?user=ana&{ALL}")
    assert [one["day"] for one in days["days"] if one["active"]] == ["2026-03-02"]
    _, people = await ask(site, "other", f"people?group=nbgrader-y&{ALL}")
    assert [(one["name"], one["active_seconds"]) for one in people["people"]] == [("ana", 3600)]


async def test_summary_by_week(site: StatsSite) -> None:
    """The numbers of each week and of all of it, as they can be counted by hand."""
    status, body = await ask(site, "root", "summary?since=2026-02-23&until=2026-03-08&by=week")
    assert status == 200
    assert [(one["first"], one["last"]) for one in body["periods"]] == [
        ("2026-02-23", "2026-03-01"),
        ("2026-03-02", "2026-03-08"),
    ]
    week = body["periods"][1]
    assert {key: week[key] for key in ("active_users", "sessions", "active_hours")} == {
        "active_users": 1,
        "sessions": 2,
        "active_hours": 2.0,
    }
    assert (week["idle_hours"], week["server_hours"], week["after_hours"]) == (3.0, 5.0, 3.0)
    assert (week["median_minutes"], week["p90_minutes"], week["p99_minutes"]) == (120, 180, 180)
    assert body["total"]["sessions"] == 2
    assert (body["first"], body["last"], body["timezone"]) == ("2026-02-23", "2026-03-08", "UTC")


async def test_periods_by_day_are_those_of_the_report(site: StatsSite, store: Store) -> None:
    """Counted from the rows of days at once, they are what the database says of each day."""
    _, body = await ask(site, "root", f"summary?{ALL}")
    rows = await Queries(store).summaries(WholeHub(), periods(day(-9), day(7), By.DAY))
    assert [one["active_users"] for one in body["periods"]] == [row.active_users for row in rows]
    assert [one["sessions"] for one in body["periods"]] == [row.sessions for row in rows]
    assert [one["observed_percent"] for one in body["periods"]] == [
        row.observed_percent for row in rows
    ]


async def test_a_gap_is_null_and_never_zero(site: StatsSite) -> None:
    """Of Thursday nobody knows anything; on the quiet Wednesday nobody came, which is zero."""
    asked = f"since={day(2)}&until={day(4)}"
    _, body = await ask(site, "root", f"days?{asked}")
    wednesday, thursday, friday = body["days"]
    assert (wednesday["active"], wednesday["active_seconds"]) == (0, 0)
    numbers = set(thursday) - {"day", "observed_seconds"}
    assert {thursday[key] for key in numbers} == {None}
    assert (thursday["day"], thursday["observed_seconds"]) == ("2026-03-05", 0)
    assert friday["active"] == 0
    _, summary = await ask(site, "root", f"summary?since={day(3)}&until={day(3)}")
    assert set(summary["total"].values()) - {"2026-03-05", 0.0} == {None}
    _, week = await ask(site, "root", f"week-by-hour?since={day(2)}&until={day(3)}")
    assert week["users"][2] == [0.0] * 24
    assert week["users"][3] == [None] * 24
    _, lengths = await ask(site, "root", f"session-lengths?since={day(3)}&until={day(3)}")
    assert (lengths["sessions"], lengths["classes"]) == (None, [])
    _, moments = await ask(site, "root", f"concurrency?{asked}&points=72")
    known = {one["time"]: one["servers"] for one in moments["moments"]}
    assert known["2026-03-05T12:00:00Z"] is None
    assert known["2026-03-06T12:00:00Z"] == 1
    _, gaps = await ask(site, "ana", f"gaps?{ALL}")
    assert gaps["gaps"] == [{"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}]


async def test_session_lengths(site: StatsSite) -> None:
    """The classes hold every session that ended, each once."""
    _, body = await ask(site, "root", f"session-lengths?{ALL}")
    assert body["sessions"] == sum(one["sessions"] for one in body["classes"]) == 4
    two_hours = [one for one in body["classes"] if one["from_minutes"] == 120]
    assert two_hours == [{"from_minutes": 120, "below_minutes": 240, "sessions": 4}]
    assert body["classes"][0]["from_minutes"] == 0
    assert body["classes"][-1]["below_minutes"] is None


async def test_a_timeline(site: StatsSite) -> None:
    """Sessions with server and profile, work, and gaps; without a name, one's own."""
    _, own = await ask(site, "ana", f"timeline?{ALL}")
    assert own == (await ask(site, "ana", f"timeline?user=ana&{ALL}"))[1]
    assert (own["user"], own["deleted"]) == ("ana", False)
    assert own["sessions"][0] == {
        "server": "",
        "profile": "gpu",
        "started": "2026-03-02T10:00:00Z",
        "last_activity": "2026-03-02T11:00:00Z",
        "ended": "2026-03-02T12:00:00Z",
    }
    assert own["work"][0] == {"start": "2026-03-02T10:00:00Z", "end": "2026-03-02T11:00:00Z"}
    _, berlin = await ask(site, "ana", f"timeline?{ALL}&timezone=Europe/Berlin")
    assert berlin["work"][0]["start"] == "2026-03-02T11:00:00+01:00"
    assert (await ask(site, "bot", f"timeline?{ALL}", service=True))[0] == 400


async def test_who_had_the_name_before_is_somebody_else(site: StatsSite) -> None:
    """The ben of today does not see the ben who was deleted; an admin sees both in the table."""
    site.add_user("ben", "nbgrader-x")
    _, own = await ask(site, "ben", f"people?user=ben&{ALL}")
    assert [(one["deleted"], one["active_seconds"]) for one in own["people"]] == [(False, 7200)]
    _, both = await ask(site, "root", f"people?q=BEN&{ALL}")
    assert sorted(one["deleted"] for one in both["people"]) == [False, True]


async def test_people_are_searched_sorted_and_paged(site: StatsSite, store: Store) -> None:
    """A page of the table; beyond the last page is the last."""
    changes = Changes()
    for number in range(100, 100 + PAGE_SIZE):
        changes.people[number] = Person(number, f"many{number}", at(-30), at(-9))
    await store.write(changes, leader=await store.take_lead())
    _, body = await ask(site, "root", f"people?sort=-active_hours&{ALL}")
    assert body["people"][0]["active_seconds"] == 7200
    assert body["total"] == PAGE_SIZE + len(ODD) + 4
    assert (len(body["people"]), body["page"], body["pages"]) == (PAGE_SIZE, 1, 2)
    _, last = await ask(site, "root", f"people?page=99&{ALL}")
    assert (last["page"], len(last["people"])) == (2, len(ODD) + 4)
    _, found = await ask(site, "root", f"people?q=MANY1&{ALL}")
    assert found["total"] == PAGE_SIZE


async def test_inactive(site: StatsSite) -> None:
    """Who is enrolled and has not come since Wednesday, with when they came last."""
    status, body = await ask(site, "prof", f"inactive?group=nbgrader-x&since={day(2)}")
    assert status == 200
    assert body["people"] == [
        {"name": "ana", "last_active": "2026-03-03", "days_active": 2},
        {"name": "eva", "last_active": None, "days_active": 0},
    ]
    _, back = await ask(site, "prof", "inactive?group=nbgrader-x&since=6d")  # to Monday
    assert (back["since"], back["total"]) == ("2026-03-04", 2)
    status, refused = await ask(site, "prof", "inactive?group=nbgrader-x")
    assert status == 400
    assert refused["problems"][0].startswith("since: write a day")


async def test_groups_that_may_be_asked_for(site: StatsSite) -> None:
    """An admin gets all, an instructor the own course, a student none."""
    _, all_of_them = await ask(site, "root", "groups")
    assert [one["name"] for one in all_of_them["groups"]] == ["nbgrader-x", "nbgrader-y"]
    assert (await ask(site, "root", "groups?q=-Y"))[1]["total"] == 1
    assert [one["name"] for one in (await ask(site, "prof", "groups"))[1]["groups"]] == [
        "nbgrader-x"
    ]
    assert (await ask(site, "ana", "groups"))[1]["groups"] == []


async def test_about(site: StatsSite) -> None:
    """Who one is, and what there is."""
    _, root = await ask(site, "root", "about")
    assert (root["user"], root["whole_hub"], root["groups"]) == ("root", True, [])
    assert (root["first_day"], root["last_day"]) == ("2026-02-21", "2026-03-09")
    assert (root["last_poll"], root["made_up"]) == ("2026-03-09T16:00:00Z", False)
    _, prof = await ask(site, "prof", "about")
    assert (prof["whole_hub"], prof["groups"]) == (False, ["nbgrader-x"])
    _, bot = await ask(site, "ana", "about", service=True)
    assert (bot["user"], bot["groups"]) == ("", [])


@pytest.mark.parametrize("name", ODD)
async def test_any_name_gets_its_own(site: StatsSite, name: str) -> None:
    """A name with signs of a query, in any script, reaches the very person."""
    status, body = await ask(site, name, f"people?user={quote(name, safe='')}&{ALL}")
    assert status == 200
    assert [one["name"] for one in body["people"]] == [name]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("summary?since=soon", "since"),
        ("summary?until=2026-02-30", "until"),
        ("summary?since=2026-03-05&until=2026-03-01", "since"),
        ("summary?by=year", "by"),
        ("summary?timezone=Mars", "timezone"),
        ("summary?timezone=../../etc/passwd", "timezone"),
        ("summary?gruop=nbgrader-x", "'gruop'"),
        ("summary?group=a&group=b", "group"),
        ("summary?group=a%00b", "group"),
        ("summary?user=" + "a" * 300, "user"),
        ("people?sort=x", "sort"),
        ("people?page=0", "page"),
        ("people?page=-1", "page"),
        ("people?q=" + "a" * 300, "q"),
        ("concurrency?points=1", "points"),
        ("concurrency?points=9999999", "points"),
        ("concurrency?points=x", "points"),
        ("concurrency?points=%D9%A3", "points"),
        ("inactive?since=", "since"),
        ("gaps?group=nbgrader-x", "'group'"),
        ("about?x=1", "'x'"),
    ],
)
async def test_a_bad_query_is_told(site: StatsSite, path: str, problem: str) -> None:
    """A 400 with a line that names the parameter and says what to write."""
    status, body = await ask(site, "root", path)
    assert status == 400
    assert set(body) == {"status", "message", "problems"}
    assert body["problems"][0].startswith(problem)
    assert len(body["message"]) < 500


async def test_every_problem_is_told_at_once(site: StatsSite) -> None:
    """Not one after the other."""
    _, body = await ask(site, "root", "summary?since=soon&by=year&timezone=Mars")
    assert len(body["problems"]) == 3


async def test_answers_are_bounded(site: StatsSite, store: Store) -> None:
    """Years are not answered at once, and of the raw records a year at most."""
    async with store.writing() as connection:
        await store.write_meta(connection, first_day="2020-01-01")
    status, body = await ask(site, "root", "days?since=2020-01-01")
    assert (status, body["problems"]) == (
        400,
        ["since, until: the range is limited to 1100 days."],
    )
    assert (await ask(site, "root", "days?since=1100d"))[0] == 200
    for path in ("gaps", "concurrency", "timeline"):
        assert (await ask(site, "root", f"{path}?since=400d"))[0] == 400
    _, moments = await ask(site, "root", f"concurrency?{ALL}&points=2000")
    assert len(moments["moments"]) <= 2001


async def test_pruned_days_are_no_gap(site: StatsSite, store: Store) -> None:
    """Days whose raw records are gone have sums; gaps and moments begin with the raw records."""
    await store.prune(at(2))
    _, about = await ask(site, "root", "about")
    assert about["timelines_from"] == "2026-03-04"
    _, gaps = await ask(site, "root", f"gaps?{ALL}")
    assert gaps["first"] == "2026-03-04"
    assert [gap["start"] for gap in gaps["gaps"]] == ["2026-03-05T00:00:00Z"]
    _, days = await ask(site, "root", f"days?{ALL}")
    assert {one["day"]: one["active"] for one in days["days"]}["2026-03-02"] == 1


async def test_before_the_first_poll(tmp_path: Path) -> None:
    """An empty database has empty answers, and nobody is known."""
    store = await Store.open(f"sqlite:///{tmp_path / 'new.sqlite'}", ZoneInfo("UTC"))
    async with stats_site(Queries(store)) as site:
        with_people(site)
        for path in ABOUT_WHOM:
            status, body = await ask(site, "root", path)
            assert status == 200
            assert body.get("first") is None
        assert (await ask(site, "root", "about"))[1]["last_poll"] is None
        assert (await ask(site, "root", "gaps"))[1]["gaps"] == []
        assert (await ask(site, "ana", "timeline"))[0] == 404
    await store.close()


async def test_with_pseudonyms_people_ask_by_their_names(tmp_path: Path) -> None:
    """Who signs in finds themselves, though the database has hashes in place of names."""
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    pseudonyms = Pseudonyms.from_file(str(key))
    store = await Store.open(f"sqlite:///{tmp_path / 'hashed.sqlite'}", ZoneInfo("UTC"))
    records = course()
    records.people[ANA] = records.people[ANA]._replace(name=pseudonyms.name("ana"))
    await store.write(records, leader=await store.take_lead())
    async with stats_site(Queries(store, name_of=pseudonyms.name)) as site:
        with_people(site)
        _, own = await ask(site, "ana", f"timeline?{ALL}")
        assert own["user"] == pseudonyms.name("ana")
        assert len(own["sessions"]) == 2
        assert (await ask(site, "eva", f"timeline?user={pseudonyms.name('ana')}"))[0] == 403
    await store.close()


async def test_the_hub_away_is_a_503(site: StatsSite) -> None:
    """Nobody is let in while it cannot be asked who they are."""
    site.hub.fail("status", status=503, times=100)
    status, body = await ask(site, "root", "summary")
    assert status == 503
    assert "Hub" in body["message"]


async def test_the_database_away_is_a_503(tmp_path: Path) -> None:
    """The answer says so, without telling where the database is."""
    path = tmp_path / "stats.sqlite"
    store = await Store.open(f"sqlite:///{path}", ZoneInfo("UTC"))
    async with stats_site(Queries(store)) as site:
        with_people(site)
        async with store.writing() as connection:
            await connection.exec_driver_sql("ALTER TABLE meta RENAME TO gone")
        status, body = await ask(site, "root", "summary")
        assert status == 503
        assert "database" in body["message"]
        assert "sqlite" not in str(body)
        assert "meta" not in str(body)
    await store.close()


class TestCookies:
    """What a signed-in browser may do."""

    @staticmethod
    async def fetch(site: StatsSite, user: str, path: str, token: str | None) -> Answer:
        """A script's fetch(); token None: with the browser's own."""
        browser = await site.browser(user)
        assert (await browser.go(PREFIX)).status == 200
        token = browser.cookies()["_xsrf"] if token is None else token
        return await browser.fetch(PREFIX + "api/" + path, token=token)

    async def test_a_script_needs_the_xsrf_token(self, site: StatsSite) -> None:
        """A student's own server is on the same origin: its pages must not read for others."""
        for wrong in ("", "made-up"):
            answer = await self.fetch(site, "root", "summary", wrong)
            assert answer.status == 403
            assert "total" not in answer.text
        answer = await self.fetch(site, "root", "summary", None)
        assert answer.status == 200
        assert answer.json()["timezone"] == "UTC"

    async def test_an_admin_by_cookie_is_one(self, site: StatsSite) -> None:
        """Rights are the Hub's word on the user; the sign-in's token carries none."""
        assert (await self.fetch(site, "root", "people", None)).status == 200
        assert (await self.fetch(site, "prof", "people", None)).status == 403
        assert (await self.fetch(site, "prof", "people?group=nbgrader-x", None)).status == 200

    async def test_an_address_that_is_opened(self, site: StatsSite) -> None:
        """A person may open an address of the API as any page, for themselves."""
        browser = await site.browser("ana")
        await browser.go(PREFIX)
        answer = await browser.go(f"{PREFIX}api/timeline?{ALL}")
        assert (answer.status, answer.json()["user"]) == (200, "ana")
        answer = await browser.go(f"{PREFIX}api/summary")
        assert (answer.status, answer.json()["status"]) == (403, 403)

    async def test_signed_out_is_401(self, site: StatsSite) -> None:
        """A script gets an answer, not the login page."""
        browser = await site.browser()
        assert (await browser.fetch(PREFIX + "api/summary")).status == 401


async def test_another_group_of_the_same_member(site: StatsSite, store: Store) -> None:
    """A student who joins counts in the group's table from then on."""
    changes = Changes()
    changes.join(X, 10, at(7))
    await store.write(changes, leader=await store.take_lead())
    _, people = await ask(site, "prof", f"people?group=nbgrader-x&{ALL}")
    assert ODD[0] in [one["name"] for one in people["people"]]
