"""The tables of users."""

import re
from html import unescape

import pytest
from markupsafe import escape

from services.stats.records import Changes, Person
from services.stats.store.store import Store
from tests.stats.course import ALL, at
from tests.stats.web.site import HOSTILE, NAMES, PREFIX, StatsSite, get, rows, text


async def test_instructor_sees_their_course_first(site: StatsSite) -> None:
    """By default the list has the members of the instructor's course and of no other."""
    page = await get(site, "prof", "users?" + ALL)
    assert "Users of nbgrader-x" in text(page)
    assert "nbgrader-y" not in page.text
    listed = {row["name"] for row in rows(await get(site, "prof", "csv/users.csv?" + ALL))}
    assert {"ana", "ben", "eva"} <= listed


@pytest.mark.parametrize("path", ["users", "inactive"])
async def test_each_value_is_below_its_title(site: StatsSite, path: str) -> None:
    """A row has a cell for each column, in the same order."""
    page = await get(site, "prof", f"{path}?{ALL if path == 'users' else 'since=2026-03-04'}")
    head, _, body = page.text.partition("<tbody>")
    titles = re.findall(r'<th scope="col".*?>([^<>]+?)(?: <|<)', head.partition("<thead>")[2])
    lines = [row for row in body.split("<tr>")[1:] if "scope" in row]
    assert lines
    for line in lines:
        assert re.findall(r'data-label="([^"]+)"', line) == titles


async def test_names_are_escaped(site: StatsSite) -> None:
    """Any name is escaped in the table and leads to that user's page."""
    browser = await site.browser("prof")
    table = await browser.go(PREFIX + "users")
    assert HOSTILE not in table.text
    links = re.findall(
        r'<th scope="row"[^>]*><span>\s*<a href="([^"]+)"><bdi>([^<]*)</bdi>', table.text
    )
    targets = {unescape(shown): unescape(href) for href, shown in links}
    assert set(NAMES) <= set(targets)
    for name in NAMES:
        page = await browser.go(targets[name])
        assert page.status == 200
        assert HOSTILE not in page.text
        heading = re.search(r"<h1><bdi>([^<]*)", page.text)
        assert heading is not None
        assert heading[1].strip() == escape(name)


async def test_search_sort_and_paging(site: StatsSite, store: Store) -> None:
    """The server searches, sorts and pages, so that all of it works without scripts."""
    more = Changes()
    for number in range(100, 220):
        more.people[number] = Person(number, f"student{number}", at(-30), at(-9))
    await store.write(more, leader=await store.take_leadership())
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
    names = re.findall(r"person\?[^>]*><bdi>([^<]*)</bdi>", busiest.text)
    assert names[:3] == ["ana", "ben", "ben"]
    assert len(rows(await browser.go(PREFIX + "csv/users.csv?q=student"))) == 120


async def test_inactive_users(site: StatsSite) -> None:
    """Only users without activity since the given day are listed."""
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


async def test_times_are_durations(site: StatsSite) -> None:
    """Ana's row has 2 days, 2 sessions, 2 hours of activity and 3 of idle time."""
    page = await get(site, "prof", f"users?q=ana&{ALL}")
    assert "ana 2026-03-03 2026-03-03 2 2 2 h 3 h" in text(page)
    assert 'data-label="Active time">2 h</td>' in page.text
