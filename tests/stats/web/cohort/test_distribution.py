"""The page of the distribution over people."""

import re

from services.stats.records import Changes, Person
from services.stats.store.store import Store
from tests.stats.course import ALL, at, polls
from tests.stats.web.site import HOSTILE, StatsSite, get, rows, text


async def test_page_has_names_in_each_bin(site: StatsSite) -> None:
    """Each bar of a histogram has the list of users, with links to their pages."""
    page = await get(site, "prof", f"distribution?{ALL}")
    assert "Distribution over members of nbgrader-x" in text(page)
    assert "who were members on 2026-03-09" in text(page)
    assert "3 weeks are left out" in text(page)
    seen = page.text.partition('id="lastseen"')[2]
    today = seen.partition("<summary>Today: 1")[2].partition("</details>")[0]
    assert re.findall(r"<bdi>([^<]+)</bdi>", today) == ["ben"]
    assert "person?since=2026-02-21&amp;until=2026-03-09&amp;user=ben" in today
    assert HOSTILE not in page.text


async def test_without_a_complete_week(site: StatsSite) -> None:
    """It is not known how much users work in a week of which only a part was observed."""
    page = text(await get(site, "prof", "distribution?since=2026-03-02&until=2026-03-09"))
    assert "There is no complete week in this range." in page
    assert "did not work" not in page


async def test_csv(site: StatsSite) -> None:
    """A file for each histogram, and one with a row for each user."""
    path = "csv/distribution.csv?" + ALL
    users = {row["name"]: row for row in rows(await get(site, "prof", path))}
    assert users["ana"]["days_active"] == "2"
    assert users["ana"]["last_seen_range"] == "1 to 6 days ago"
    assert users["ben"]["minutes_per_week"] == ""
    days = rows(await get(site, "prof", "csv/activedays.csv?" + ALL))
    assert {row["range"]: row["users"] for row in days}["2 days"] == "1"
    assert sum(int(row["users"]) for row in days) == len(users)


async def test_long_lists_are_in_the_file(site: StatsSite, store: Store) -> None:
    """The page of a large hub stays small."""
    changes = Changes(polls=polls(at(7, 16.1), at(7, 16.1)))
    for number in range(300):
        changes.people[100 + number] = Person(100 + number, f"s{number:03}", at(-30), at(-9))
    await store.write(changes, leader=await store.take_leadership())
    page = await get(site, "root", f"distribution?{ALL}&q=ignored")
    assert "more, which the CSV file below has" in text(page)
    assert page.text.count("<bdi>s") <= 600
    assert len(rows(await get(site, "root", f"csv/distribution.csv?{ALL}"))) > 300
