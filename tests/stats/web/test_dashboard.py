"""All pages together: access by role, empty databases, security headers and static files."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.oauth import Browser
from tests.stats.course import ALL
from tests.stats.web.site import FIGURES, PREFIX, StatsSite, add_people, get, stats_site, text

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
    "distribution": "distribution",
    "distribution of group": "distribution?group=nbgrader-x",
    "distribution's csv": "csv/distribution.csv?group=nbgrader-x",
    "histogram's csv": "csv/effort.csv?group=nbgrader-x",
    "dropped off": "dropped-off",
    "dropped off of group": "dropped-off?group=nbgrader-x",
    "dropped off's csv": "csv/dropped.csv?group=nbgrader-x",
    "dropped off's addresses": "emails.txt?group=nbgrader-x&standing=all",
    "person's csv": "csv/timeline.csv?user=ana&" + ALL,
    "users' csv": "csv/users.csv?group=nbgrader-x",
    "inactive's csv": "csv/inactive.csv?group=nbgrader-x",
    "week's csv": "csv/week.csv?group=nbgrader-x",
    "nobody's timeline": "person?group=nbgrader-x",
    "no csv": "csv/nothing.csv",
    "meeting": "meeting",
    "meeting of group": "meeting?group=nbgrader-x",
    "meeting of other": "meeting?group=nbgrader-y",
    "meeting of nowhere": "meeting?group=nbgrader-zzz",
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
        "meeting of other": 403,
        "meeting of nowhere": 403,
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
        "distribution of group": 403,
        "distribution's csv": 403,
        "histogram's csv": 403,
        "dropped off of group": 403,
        "dropped off's csv": 403,
        "dropped off's addresses": 403,
        "users' csv": 403,
        "inactive's csv": 403,
        "week's csv": 403,
        "meeting of group": 403,
        "meeting of nowhere": 403,
        "no csv": 404,
    },
    "eva": dict.fromkeys(PATHS, 403) | {"own": 200, "hub": 200, "no csv": 404},
    "new": dict.fromkeys(PATHS, 403) | {"own": 200, "hub": 200, "no csv": 404},
}


@pytest.mark.parametrize("user", SEES)
async def test_pages_by_role(site: StatsSite, user: str) -> None:
    """No role gets more than it may see, and a refusal does not reveal what exists."""
    browser = await site.browser(user)
    got = {}
    for name, path in PATHS.items():
        page = await browser.go(PREFIX + path)
        got[name] = page.status
        if page.status != 200:
            assert "ana" not in text(page)
    assert got == {name: SEES[user].get(name, 200) for name in PATHS}


async def test_days_without_records(site: StatsSite) -> None:
    """Every page says which days have records."""
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
    """An empty database is reported as such, not as zeros."""
    store = await Store.open(f"sqlite:///{tmp_path / 'empty.sqlite'}", ZoneInfo("UTC"))
    async with stats_site(Queries(store)) as made:
        add_people(made)
        paths = (("root", ""), ("root", "users"), ("prof", "inactive"), ("prof", "servers"))
        for user, path in (*paths, ("ana", ""), ("root", "meeting")):
            assert "No records yet" in text(await get(made, user, path))
        assert (await get(made, "root", "csv/active.csv")).status == 404
    await store.close()


async def test_demo_data_is_marked(site: StatsSite, store: Store) -> None:
    """Every page says that the data is made up, and only then."""
    assert "Demo data" not in text(await get(site, "root", ""))
    await store.mark_made_up()
    paths = (("root", ""), ("root", "users"), ("root", "inactive"), ("ana", "person"))
    for user, path in (*paths, ("root", "servers"), ("root", "meeting")):
        assert "Demo data. The users and numbers in this database are made up" in text(
            await get(site, user, path)
        )


async def test_pages_have_no_inline_code(site: StatsSite) -> None:
    """Pages have a strict security policy, no inline style or script and no other origin."""
    person, meeting = f"person?user=ana&{ALL}", f"meeting?{ALL}"
    for path in ("?" + ALL, "users", "inactive", "servers", person, meeting):
        page = await get(site, "root", path)
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)


async def test_static_files_are_served(site: StatsSite) -> None:
    """Every script and style that a page links can be loaded."""
    browser: Browser = await site.browser("root")
    page = await browser.go(PREFIX)
    named = re.findall(r'(?:src|href)="([^"]+static/stats/[^"]+)"', page.text)
    assert len(named) == 4
    for address in named:
        assert (await browser.fetch(address)).status == 200
