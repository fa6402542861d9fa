"""The dashboard, before a fake Hub, as a browser without scripts sees it."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from markupsafe import escape

from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import ADMIN_SCOPE
from services.stats.records import Changes, Person
from services.stats.store.daily_rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store
from services.stats.web.presentation import UNKNOWN
from tests.fakes.oauth import Answer, Browser
from tests.stats.store.queries.test_dashboard import at, course
from tests.stats.web.site import ACCESS, PREFIX, StatsSite, stats_site

HOSTILE = "<script>alert(1)</script>"
FORMULA = "=cmd|' /C calc'!A0"
NAMES = ["q?x=1&user=ana", "h#frag", "%41", "名前", "sp ace", HOSTILE, "o'\"neil", "&amp;", FORMULA]
ALL = "since=2026-02-21&until=2026-03-09"
FIGURES = ("active", "newcomers", "servers", "sessions", "hours", "lengths", "week")


def records() -> Changes:
    """The course of test_stats_queries, and somebody of each odd name in group x."""
    changes = course()
    for number, name in enumerate(NAMES, 10):
        changes.people[number] = Person(number, name, at(-30), at(-9))
        changes.join(1, number, at(-9))
    return changes


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Two weeks with a gap on Thursday, in UTC."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    await store.write(records(), leader=await store.take_lead())
    await roll_up_until(store, at(7, 16))
    yield store
    await store.close()


def people(site: StatsSite) -> StatsSite:
    """One of each role."""
    site.add_user("root", admin=True)
    site.add_user("prof", "formgrade-x")
    site.add_user("other", "formgrade-y", "nbgrader-x")
    site.add_user("ana", "nbgrader-x")
    site.add_user("eva", "nbgrader-x")
    site.add_user("new")
    return site


@pytest.fixture
async def site(store: Store) -> AsyncIterator[StatsSite]:
    """The pages, with one of each role."""
    async with stats_site(Queries(store)) as made:
        yield people(made)


async def get(site: StatsSite, user: str | None, path: str) -> Answer:
    """A page as that user gets it."""
    return await (await site.browser(user)).go(PREFIX + path)


def text(page: Answer) -> str:
    """What stands on the page."""
    main = page.text.partition("<main")[2].partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def rows(answer: Answer) -> list[dict[str, str]]:
    """The lines of a CSV file."""
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


# -- who sees what

PATHS = {
    "own": "",
    "hub": "csv/active.csv?" + ALL,
    "group": "?group=nbgrader-x",
    "other group": "?group=nbgrader-y",
    "unknown group": "?group=nbgrader-zzz",
    "graders' group": "?group=formgrade-x",
    "person": "person?user=ana&" + ALL,
    "person on the first page": "?user=ana&" + ALL,
    "person in a group": "person?user=ana&group=nbgrader-x&" + ALL,
    "nobody": "person?user=nobody",
    "users": "users",
    "users of group": "users?group=nbgrader-x",
    "users of other": "users?group=nbgrader-y",
    "inactive": "inactive",
    "inactive of group": "inactive?group=nbgrader-x",
    "person's csv": "csv/timeline.csv?user=ana&" + ALL,
    "users' csv": "csv/users.csv?group=nbgrader-x",
    "inactive's csv": "csv/inactive.csv?group=nbgrader-x",
    "week's csv": "csv/week.csv?group=nbgrader-x",
    "nobody's timeline": "person?group=nbgrader-x",
    "no csv": "csv/nothing.csv",
}
SEES: dict[str, dict[str, int]] = {
    "root": {"nobody": 404, "nobody's timeline": 404, "no csv": 404},
    "prof": {
        "nobody": 404,
        "nobody's timeline": 404,
        "other group": 403,
        "unknown group": 403,
        "graders' group": 403,
        "users of other": 403,
        "no csv": 404,
    },
    "other": {
        "nobody": 404,
        "nobody's timeline": 403,
        "group": 403,
        "unknown group": 403,
        "graders' group": 403,
        "person in a group": 403,
        "users of group": 403,
        "inactive of group": 403,
        "users' csv": 403,
        "inactive's csv": 403,
        "week's csv": 403,
        "no csv": 404,
    },
    "eva": dict.fromkeys(PATHS, 403) | {"own": 200, "hub": 200, "no csv": 404},
    "new": dict.fromkeys(PATHS, 403) | {"own": 200, "hub": 200, "no csv": 404},
}


@pytest.mark.parametrize("user", SEES)
async def test_every_page_as_every_role(site: StatsSite, user: str) -> None:
    """Nobody gets more than they may see; what they may not see is not told to exist."""
    browser = await site.browser(user)
    got = {}
    for name, path in PATHS.items():
        page = await browser.go(PREFIX + path)
        got[name] = page.status
        if page.status != 200:
            assert "ana" not in text(page)
    assert got == {name: SEES[user].get(name, 200) for name in PATHS}


async def test_a_student_sees_the_own_activity_and_nobody_elses(site: StatsSite) -> None:
    """No menu of users, no group picker, and the CSV behind the page is the student's."""
    page = await get(site, "ana", "?" + ALL)
    assert "Your activity" in text(page)
    assert "Active 2 h" in text(page)
    assert f'href="{PREFIX}users"' not in page.text
    assert '<select name="group"' not in page.text
    active = rows(await get(site, "ana", "csv/active.csv?" + ALL))
    assert sum(int(row["active_users"] or 0) for row in active) == 2


async def test_an_instructor_sees_first_the_own_course(site: StatsSite) -> None:
    """Without a choice it is the course, of which there is one; nobody of another is listed."""
    page = await get(site, "prof", "users?" + ALL)
    assert "Users of nbgrader-x" in text(page)
    assert "nbgrader-y" not in page.text
    listed = {row["name"] for row in rows(await get(site, "prof", "csv/users.csv?" + ALL))}
    assert {"ana", "ben", "eva"} <= listed


async def test_a_grader_sees_students_only_for_their_time_in_the_course(site: StatsSite) -> None:
    """Ana left the other course on Monday noon: Tuesday's session is nobody's business there."""
    mine = rows(await get(site, "other", "csv/timeline.csv?user=ana&" + ALL))
    assert [row["started"] for row in mine] == ["2026-03-02T10:00:00+00:00"]
    everything = rows(await get(site, "prof", "csv/timeline.csv?user=ana&" + ALL))
    assert len(everything) == 2


async def test_nobody_signed_in_is_sent_to_the_hub(site: StatsSite) -> None:
    """A person to the login, a script away."""
    browser = await site.browser()
    page = await browser.go(PREFIX + "users", follow=False)
    assert page.status == 302
    assert page.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    assert (await browser.fetch(PREFIX + "csv/users.csv")).status == 401


@pytest.mark.parametrize(
    ("owner", "kind", "scopes", "path", "status"),
    [
        ("root", "user", [ACCESS], "csv/users.csv", 200),
        ("root", "user", [], "csv/users.csv", 403),
        ("ana", "user", [ACCESS], "csv/users.csv", 403),
        ("ana", "user", [ACCESS], "csv/timeline.csv", 200),
        ("eva", "user", [ACCESS, ADMIN_SCOPE], "csv/users.csv", 200),
        ("robot", "service", [ACCESS], "csv/users.csv", 403),
        ("ana", "service", [ACCESS], "csv/timeline.csv", 403),
        ("robot", "service", [ACCESS, ADMIN_SCOPE], "csv/users.csv", 200),
    ],
)
async def test_tokens(
    site: StatsSite, owner: str, kind: str, scopes: list[str], path: str, status: int
) -> None:
    """With a token alone one sees what its owner sees; a service is no user of its name."""
    token = site.oauth.add_token(owner, *scopes, kind=kind)
    headers = {"Authorization": f"token {token}"}
    async with site.session.get(site.origin + PREFIX + path, headers=headers) as answer:
        assert answer.status == status


async def test_who_may_not_use_the_service_gets_nothing(site: StatsSite) -> None:
    """The access scope is asked first."""
    site.oauth.add_user("outsider", access=False)
    assert (await get(site, "outsider", "")).status == 403


async def test_configured_groups_go_before_admins(store: Store) -> None:
    """With --admin-groups their members see everything, and a Hub admin no more than a user."""
    async with stats_site(Queries(store), admin_groups=frozenset({"staff"})) as made:
        people(made).add_user("boss", "staff")
        assert "The whole hub" in text(await get(made, "boss", ""))
        assert (await get(made, "root", "users")).status == 403


async def test_a_group_left_today_is_left_at_once(site: StatsSite) -> None:
    """Groups are the Hub's of this moment, not those of the sign-in."""
    browser = await site.browser("prof")
    assert (await browser.go(PREFIX + "users")).status == 200
    site.hub.users["prof"].groups = []
    assert (await browser.go(PREFIX + "users")).status == 403


# -- what is asked


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "?since=yesterday",
            "since: 'yesterday' is not a date; write 2026-03-01, or 90d for 90 days.",
        ),
        ("?until=9999-12-31", "until: 9999-12-31 is out of range; write 2026-03-01."),
        ("?by=year", "by: 'year' is not one of day, week, month."),
        (
            "?timezone=Mars",
            "timezone: 'Mars' is not a time zone; write a name such as Europe/Berlin.",
        ),
        ("users?page=0", "page: '0' is not a page number; write 1 or more."),
        ("users?page=%D9%A3", "page: '٣' is not a page number; write 1 or more."),
        ("users?sort=%3Cb%3E", "sort: '<b>' is not one of name, last_active, days_active"),
        ("users?q=" + "x" * 300, "q: the search text is limited to 255 characters."),
        ("csv/active.csv?since=x&by=y", "by: 'y' is not one of day, week, month."),
        ("person?user=a%00b", r"user: 'a\x00b' is not a valid user name."),
    ],
)
async def test_wrong_parameters_get_a_clear_line(site: StatsSite, path: str, told: str) -> None:
    """400, what is wrong and what to write instead."""
    page = await get(site, "root", path)
    assert page.status == 400
    assert told in text(page)


async def test_a_program_gets_the_problems_as_json(site: StatsSite) -> None:
    """Each by itself."""
    token = site.oauth.add_token("root", ACCESS)
    url = f"{site.origin}{PREFIX}csv/active.csv?since=x&by=y"
    headers = {"Authorization": f"token {token}"}
    async with site.session.get(url, headers=headers) as answer:
        assert answer.status == 400
        assert len((await answer.json())["problems"]) == 2


async def test_any_name_is_found_and_escaped(site: StatsSite) -> None:
    """From the table by its link to the person's page, and nothing of it is markup."""
    browser = await site.browser("prof")
    table = await browser.go(PREFIX + "users")
    assert HOSTILE not in table.text
    links = re.findall(r'<th scope="row"[^>]*><span>\s*<a href="([^"]+)">([^<]*)</a>', table.text)
    targets = {unescape(shown): unescape(href) for href, shown in links}
    assert set(NAMES) <= set(targets)
    for name in NAMES:
        page = await browser.go(targets[name])
        assert page.status == 200
        assert HOSTILE not in page.text
        heading = re.search(r"<h1>([^<]*)", page.text)
        assert heading is not None
        assert heading[1].strip() == escape(name)


async def test_csv_has_no_formulas(site: StatsSite) -> None:
    """A spreadsheet takes a name for a name."""
    names = [row["name"] for row in rows(await get(site, "root", "csv/users.csv"))]
    assert "'" + FORMULA in names
    assert not [name for name in names if name.startswith(("=", "+", "-", "@"))]


async def test_search_sort_and_pages(site: StatsSite, store: Store) -> None:
    """On the server, so that they work without a script."""
    more = Changes()
    for number in range(100, 220):
        more.people[number] = Person(number, f"student{number}", at(-30), at(-9))
    await store.write(more, leader=await store.take_lead())
    browser = await site.browser("root")
    found = await browser.go(PREFIX + "users?q=STUDENT&sort=-name")
    assert "120 users" in text(found)
    assert "Page 1 of 3" in text(found)
    assert text(found).index("student219") < text(found).index("student218")
    assert 'aria-sort="descending"' in found.text
    (following,) = re.findall(r'rel="next" href="([^"]+)"', found.text)
    second = await browser.go(unescape(following))
    assert "student169" in text(second)
    assert "student170" not in text(second)
    assert "Page 3 of 3" in text(await browser.go(PREFIX + "users?q=student&page=999"))
    busiest = await browser.go(PREFIX + f"users?sort=-active_hours&{ALL}")
    names = re.findall(r"person\?[^>]*>([^<]*)</a>", busiest.text)
    assert names[:2] == ["ana", "ben"] or names[:2] == ["ben", "ana"]
    assert len(rows(await browser.go(PREFIX + "csv/users.csv?q=student"))) == 120


async def test_who_has_not_been_active(site: StatsSite) -> None:
    """An instructor's first question; and since when is asked is asked."""
    names = {
        row["name"] for row in rows(await get(site, "prof", "csv/inactive.csv?since=2026-03-04"))
    }
    assert {"ana", "eva"} <= names
    assert "ben" not in names
    names = {
        row["name"] for row in rows(await get(site, "prof", "csv/inactive.csv?since=2026-03-03"))
    }
    assert "ana" not in names
    page = await get(site, "prof", "inactive?since=2026-03-04&q=ana")
    assert "Not active since 2026-03-04" in text(page)
    assert "2 users;" in text(page)
    assert "ana 2026-03-03 2" in text(page)


# -- what is shown


async def test_a_gap_is_a_gap(site: StatsSite) -> None:
    """Thursday, when nobody looked, is a dash and not zero; in CSV it is empty."""
    page = await get(site, "root", f"?{ALL}&group=nbgrader-x")
    day = rows(await get(site, "root", f"csv/active.csv?{ALL}"))
    by_day = {row["first"]: row for row in day}
    assert len(day) == 17
    assert by_day["2026-03-05"]["active_users"] == ""
    assert by_day["2026-03-05"]["observed_percent"] == "0.0"
    assert by_day["2026-03-04"]["active_users"] == "0"
    assert by_day["2026-03-02"]["active_users"] == "1"
    line = re.search(r'<time datetime="2026-03-05">.*?</tr>', page.text)
    assert line is not None
    assert f'<td class="number">{UNKNOWN}</td>' in line[0]
    assert "Grey: not observed (1 of 17)" in text(page)


async def test_moments_of_few_days_have_their_gaps(site: StatsSite) -> None:
    """Of a few days running servers are shown by the moment, in the zone that was asked for."""
    path = "csv/servers.csv?since=2026-03-04&until=2026-03-06&timezone=Asia/Kolkata"
    moments = {row["time"]: row["servers"] for row in rows(await get(site, "root", path))}
    assert all(time.endswith("+05:30") for time in moments)
    assert moments["2026-03-04T05:30:00+05:30"] == "0"
    inside = {n for time, n in moments.items() if "2026-03-05T10" < time < "2026-03-06T05"}
    assert inside == {""}


async def test_the_numbers_of_pages_and_csv_are_the_same(site: StatsSite) -> None:
    """Each chart's table holds what its CSV holds."""
    browser = await site.browser("root")
    page = await browser.go(f"{PREFIX}?{ALL}&by=week")
    for key in FIGURES:
        assert f'href="{PREFIX}csv/{key}.csv?since=2026-02-21&amp;until=2026-03-09' in page.text
        assert rows(await browser.go(f"{PREFIX}csv/{key}.csv?{ALL}&by=week"))
    weeks = rows(await browser.go(f"{PREFIX}csv/active.csv?{ALL}&by=week"))
    assert [row["active_users"] for row in weeks] == ["1", "0", "1", "1"] or len(weeks) in (3, 4)
    hours = rows(await browser.go(f"{PREFIX}csv/hours.csv?{ALL}&by=month"))
    assert [row["first"] for row in hours] == ["2026-02-21", "2026-03-01"]
    assert hours[1]["active_hours"] == "4.0"


async def test_the_week_by_hour(site: StatsSite) -> None:
    """Ana on one Monday at ten, Ben on the next, nobody on the one before."""
    week = rows(await get(site, "root", f"csv/week.csv?{ALL}"))
    assert week[0]["weekday"] == "Monday"
    assert week[0]["10"] == "0.67"  # of three Mondays that were seen
    page = await get(site, "root", f"?{ALL}")
    assert 'class="shade-8"' in page.text


async def test_a_persons_timeline(site: StatsSite) -> None:
    """Sessions as bars by day and as a table, in the viewer's zone, with profile and server."""
    page = await get(site, "root", f"person?user=ana&{ALL}&timezone=Europe/Berlin")
    assert page.text.count('class="running"') >= 3  # the key, Monday, Tuesday and its night
    assert '<time datetime="2026-03-02T10:00:00Z">2026-03-02 11:00</time>' in page.text
    told = rows(await get(site, "root", f"csv/timeline.csv?user=ana&{ALL}"))
    assert [(row["profile"], row["minutes"], row["active_minutes"]) for row in told] == [
        ("", "180", "60"),
        ("gpu", "120", "60"),
    ]
    ben = rows(await get(site, "root", f"csv/timeline.csv?user=ben&{ALL}"))
    assert (ben[0]["server"], ben[0]["ended"]) == ("gpu", "")


async def test_the_zone_of_the_browser_is_remembered(site: StatsSite) -> None:
    """A cookie of the script's tells it; what is asked goes before it, nonsense is no harm."""
    browser = await site.browser("root")
    for cookie, query, shown in (
        ("Asia/Kolkata", "", "15:30"),
        ("Asia/Kolkata", "&timezone=Europe/Berlin", "11:00"),
        ("../../etc", "", "10:00"),
    ):
        browser.session.cookie_jar.update_cookies({"stats-timezone": cookie})
        page = await browser.go(f"{PREFIX}person?user=ana&{ALL}{query}")
        assert f"2026-03-02 {shown}</time>" in page.text


async def test_days_without_records(site: StatsSite) -> None:
    """A clear line, on every page."""
    for path in ("", "person"):
        page = await get(site, "root", f"{path}?since=2020-01-01&until=2020-02-01")
        assert page.status == 200
        assert "There are no records of these days" in text(
            page
        ) or "There are no records of your activity yet" in text(page)
    page = await get(site, "root", "person?user=ana&since=2020-01-01&until=2020-02-01")
    assert "Records cover 2026-02-21 to 2026-03-09" in text(page)
    for key in (*FIGURES, "users"):
        assert (await get(site, "root", f"csv/{key}.csv?until=2020-02-01")).status == 200


async def test_before_the_first_poll(tmp_path: Path) -> None:
    """An empty database is told as that, not as zeros."""
    store = await Store.open(f"sqlite:///{tmp_path / 'empty.sqlite'}", ZoneInfo("UTC"))
    async with stats_site(Queries(store)) as made:
        people(made)
        for user, path in (("root", ""), ("root", "users"), ("prof", "inactive"), ("ana", "")):
            assert "No records yet" in text(await get(made, user, path))
        assert (await get(made, "root", "csv/active.csv")).status == 404
    await store.close()


async def test_made_up_data_is_said_to_be(site: StatsSite, store: Store) -> None:
    """On every page, and only then."""
    assert "Demo data" not in text(await get(site, "root", ""))
    await store.mark_made_up()
    for user, path in (("root", ""), ("root", "users"), ("root", "inactive"), ("ana", "person")):
        assert "Demo data. The users and numbers in this database are made up" in text(
            await get(site, user, path)
        )


async def test_the_database_away(site: StatsSite, store: Store, tmp_path: Path) -> None:
    """503 with a word to come back, and nothing of the driver's message."""
    browser = await site.browser("root")
    assert (await browser.go(PREFIX)).status == 200
    await store.close()
    make_a_directory_of(tmp_path / "stats.sqlite")
    page = await browser.go(PREFIX)
    assert page.status == 503
    assert page.headers["Retry-After"] == "5"
    assert "The database is unavailable" in text(page)
    assert "sqlite" not in page.text


def make_a_directory_of(database: Path) -> None:
    """Nothing opens it any more."""
    for path in database.parent.glob(database.name + "*"):
        path.unlink()
    database.mkdir()


async def test_with_pseudonyms(tmp_path: Path) -> None:
    """A list of hashes leads to their pages; oneself is found by the name one signs in with."""
    secret = Pseudonyms(b"0123456789abcdef")
    changes = records()
    changes.people = {
        i: person._replace(name=secret.name(person.name)) for i, person in changes.people.items()
    }
    store = await Store.open(f"sqlite:///{tmp_path / 'hashed.sqlite'}", ZoneInfo("UTC"))
    await store.write(changes, leader=await store.take_lead())
    async with stats_site(Queries(store, name_of=secret.name)) as made:
        people(made)
        made.add_user(secret.name("ana"))
        assert len(rows(await get(made, "ana", f"csv/timeline.csv?{ALL}"))) == 2
        hashed = f"csv/timeline.csv?user={secret.name('ana')}&{ALL}"
        assert len(rows(await get(made, "root", hashed))) == 2
        assert rows(await get(made, secret.name("ana"), hashed)) == []
    await store.close()


# -- what is sent


async def test_pages_carry_the_policy_and_no_inline_code(site: StatsSite) -> None:
    """No style or script in the markup, and no other site in it."""
    for path in ("?" + ALL, "users", "inactive", f"person?user=ana&{ALL}"):
        page = await get(site, "root", path)
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)


async def test_static_files_are_served(site: StatsSite) -> None:
    """Every script and style that a page names."""
    browser: Browser = await site.browser("root")
    page = await browser.go(PREFIX)
    named = re.findall(r'(?:src|href)="([^"]+static/stats/[^"]+)"', page.text)
    assert len(named) == 4
    for address in named:
        assert (await browser.fetch(address)).status == 200


def test_heat_map_and_json_agree() -> None:
    """Shades go from none to all."""
    from services.stats.query.figures import Column, Figure, shades

    figure = Figure("week", "", "", (Column("d", ""),), [["Monday", 0, 0.01, 5, 10, None]])
    assert json.dumps(shades(figure)) == "[[0, 1, 4, 8, null]]"
