"""The page for a meeting."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ALL
from tests.stats.web.site import NAMES, PREFIX, StatsSite, get, stats_site, text

WEEK = "meeting?since=2026-03-02&until=2026-03-08"


async def test_a_week_of_the_hub(site: StatsSite) -> None:
    """The heading, the figures beside those of the week before, and sentences."""
    shown = text(await get(site, "root", WEEK))
    for part in (
        "The whole hub 2026-03-02 to 2026-03-08 (7 days)",
        "All days and times are in UTC.",
        "Figure This period The 7 days before Change People who worked 1",
        "Incomplete: only 85.7% of the time was observed. All counts and hours are lower bounds.",
        "Nothing was observed for 24 h: 2026-03-05 00:00 to 2026-03-06 00:00.",
        "1 person worked in a server.",
        "Hours of work 2 h",
        "What was not counted",
        "People by weekday and hour",
    ):
        assert part in shown, part


async def test_complete_days_are_compared(site: StatsSite) -> None:
    """Two days that were fully observed, with the two before."""
    shown = text(await get(site, "root", "meeting?since=2026-03-01&until=2026-03-02"))
    assert "People who worked 1 0 +1" in shown
    assert "Hours of work 1 h 0 min +1 h" in shown
    assert "Incomplete" not in shown
    assert "1 person worked in a server, 1 more than in the 2 days before." in shown


async def test_the_last_day_is_over_unless_it_is_asked_for(site: StatsSite) -> None:
    """The recorder's last day is not complete, so it is left out."""
    assert "2026-02-21 to 2026-03-08" in text(await get(site, "root", "meeting"))
    shown = text(await get(site, "root", "meeting?until=2026-03-09"))
    assert "2026-02-21 to 2026-03-09 (17 days)" in shown
    assert "Incomplete: the period is not over yet." in shown


async def test_a_course_names_nobody(site: StatsSite) -> None:
    """The grader's page is about the course, and has no name of a user."""
    page = await get(site, "prof", f"meeting?{ALL}")
    assert text(page).startswith("Choose group and days")  # the form; the heading follows
    assert "<h1><bdi>nbgrader-x</bdi></h1>" in page.text
    article = page.text.partition("<article")[2].partition("</article>")[0]
    for name in ("ana", "ben", "eva", *NAMES[3:4]):
        assert not re.search(rf"\b{re.escape(name)}\b", article), name


@pytest.mark.parametrize(
    ("user", "query", "status"),
    [
        ("root", "", 200),
        ("root", "?group=nbgrader-x", 200),
        ("prof", "", 200),
        ("prof", "?group=nbgrader-x", 200),
        ("prof", "?group=nbgrader-y", 403),
        ("prof", "?group=nowhere", 403),
        ("ana", "", 403),
        ("ana", "?group=nbgrader-x", 403),
        ("ana", "?group=nowhere", 403),
        ("root", "?user=ana", 404),
        ("root", "?user=nobody", 404),
        ("prof", "?user=ana", 403),
        ("prof", "?user=nobody", 403),
        ("ana", "?user=ben", 403),
        ("ana", "?user=nobody", 403),
        ("root", "?since=soon", 400),
    ],
)
async def test_who_may_see_it(site: StatsSite, user: str, query: str, status: int) -> None:
    """The hub for administrators, a course for its graders; else as if it did not exist."""
    page = await get(site, user, f"meeting{query}")
    assert page.status == status
    assert ("<article" in page.text) is (status == 200)


async def test_the_menu_leads_to_it(site: StatsSite) -> None:
    """For those who may see others; students have no use for it."""
    link = f'href="{PREFIX}meeting"'
    assert link in (await get(site, "root", "")).text
    assert link in (await get(site, "prof", "")).text
    assert link not in (await get(site, "ana", "")).text


async def test_days_without_records(site: StatsSite) -> None:
    """The page says which days have records, and shows no figures."""
    page = await get(site, "root", "meeting?since=2020-01-01&until=2020-02-01")
    assert "There are no records of these days. Records cover 2026-02-21 to 2026-03-09." in text(
        page
    )
    assert "<svg" not in page.text


async def test_it_works_without_scripts_and_has_no_inline_style(site: StatsSite) -> None:
    """The charts are in the page, drawn with attributes that the policy allows."""
    page = await get(site, "root", f"meeting?{ALL}")
    assert page.text.count("<svg role=") == 4
    article = page.text.partition("<article")[2].partition("</article>")[0]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", article)


async def test_bars_by_the_length_in_the_address(site: StatsSite) -> None:
    """By day for a short period, unless the address says otherwise."""
    assert "People by day" in text(await get(site, "root", f"meeting?{ALL}"))
    assert "People by month" in text(await get(site, "root", f"meeting?{ALL}&by=month"))


async def test_the_name_of_the_hub(site: StatsSite, store: Store) -> None:
    """The configured one, else the host in the address."""
    host = site.origin.removeprefix("http://")
    assert f"{host}. Created on " in text(await get(site, "root", "meeting"))
    await store.keep_hub_name("Jupyter <at> Example")
    assert "Jupyter <at> Example. Created on " in text(await get(site, "root", "meeting"))


async def test_everything_is_in_the_zone_of_the_database(tmp_path: Path, written: Path) -> None:
    """Nine hours ahead, Ana's late work on Tuesday is on Wednesday, here as on every page."""
    path = tmp_path / "tokyo.sqlite"
    path.write_bytes(written.read_bytes())  # noqa: ASYNC240 - small
    store = await Store.open(f"sqlite:///{path}", ZoneInfo("Asia/Tokyo"))
    async with stats_site(Queries(store)) as made:
        made.add_user("root", admin=True)
        shown = text(await get(made, "root", f"{WEEK}&timezone=Europe/Berlin"))
    await store.close()
    assert shown.count("Asia/Tokyo") == 1
    assert "Berlin" not in shown
