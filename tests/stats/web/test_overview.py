"""The overview page."""

import re
from html import unescape

from services.stats.query.presentation import UNKNOWN
from tests.stats.course import ALL
from tests.stats.web.site import StatsSite, get, rows, text


async def test_gap_is_not_zero(site: StatsSite) -> None:
    """Thursday, which was not observed, is a dash on the page and empty in CSV, not zero."""
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


async def test_week_by_hour(site: StatsSite) -> None:
    """Two of three Mondays have an active user at ten."""
    week = rows(await get(site, "root", f"csv/week.csv?{ALL}"))
    assert week[0]["weekday"] == "Monday"
    assert week[0]["10"] == "0.67"  # two users on three observed Mondays
    page = await get(site, "root", f"?{ALL}")
    assert 'class="shade-8"' in page.text


async def test_facts_have_units(site: StatsSite) -> None:
    """Key numbers are durations, percentages and counts, not decimal hours."""
    shown = text(await get(site, "root", "?since=2026-03-02&until=2026-03-08&group=nbgrader-x"))
    for fact in ("Active 2 h", "Idle 3 h", "Median session 2 h", "Observed 85.7% of the time"):
        assert fact in shown


async def test_charts_read_numbers_from_the_table(site: StatsSite) -> None:
    """A cell shows a duration, and carries the number that the chart draws."""
    page = await get(site, "root", f"?{ALL}&by=month")
    assert (
        '<th scope="col" class="number" data-scale="y" data-unit="hours">Active</th>' in page.text
    )
    assert '<td class="number" data-value="4.0">4 h</td>' in page.text


async def test_long_ranges_show_daily_means_of_servers(site: StatsSite) -> None:
    """Up to two weeks running servers are shown over time, in longer ranges by day."""
    short = await get(site, "root", "?since=2026-03-02&until=2026-03-09")
    assert "The number of servers running at each point in time." in text(short)
    assert "The number of servers running at each point" not in text(
        await get(site, "root", "?" + ALL)
    )


async def test_first_screen(site: StatsSite) -> None:
    """Three figures about now come first, whatever days the page covers, then one chart."""
    page = await get(site, "root", "?since=2026-02-21&until=2026-02-24")
    shown = text(page)
    assert "People this week 1 active so far, Monday as many as on these days last week" in shown
    assert "Servers now 1 most today: 2 at 10:30 most this week: 2 at 10:30" in shown
    assert "Not started yet" in shown
    order = [page.text.index(part) for part in ('"headline"', 'id="active"', '"facts-row"')]
    assert order == sorted(order)
    assert page.text.index('id="savings"') > order[-1]


async def test_link_to_those_who_have_not_started(site: StatsSite) -> None:
    """The number of an instructor's course links to the list of as many names."""
    page = await get(site, "prof", "")
    assert "Not started yet 11 of 13 members" in text(page)
    link = re.search(r'href="/services/stats/(inactive[^"]+)">Show who', page.text)
    assert link is not None
    listed = text(await get(site, "prof", unescape(link[1])))
    assert "Not started yet Current members of" in listed
    assert "11 users;" in listed
    assert "eva" in listed


async def test_imported_days_do_not_claim_that_servers_were_observed(site: StatsSite) -> None:
    """A fact without a value says "not observed" instead of showing a dash."""
    shown = text(await get(site, "root", "?since=2026-03-05&until=2026-03-05"))
    assert "Active users not observed" in shown
    assert "Median session not observed" in shown


async def test_today_is_marked(site: StatsSite) -> None:
    """The row of today is not over; that of the partly observed day before it is incomplete."""
    page = await get(site, "root", "?" + ALL)
    assert 'data-so-far="today, so far"' in page.text
    assert "9 today, so far" in text(page)
    assert "Hollow: not over yet." in text(page)
