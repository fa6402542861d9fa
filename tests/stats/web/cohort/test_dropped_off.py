"""The page of users who dropped off, its file and its addresses."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.web.site import (
    FORMULA,
    HOSTILE,
    StatsSite,
    add_people,
    get,
    rows,
    stats_site,
    text,
)


@pytest.fixture
async def mail_site(store: Store) -> AsyncIterator[StatsSite]:
    """The dashboard of a hub whose users have addresses at uni.example."""
    async with stats_site(Queries(store), email="{name}@uni.example") as made:
        yield add_people(made)


async def test_page(mail_site: StatsSite) -> None:
    """It says who dropped off, and how active they were before."""
    page = await get(mail_site, "prof", "dropped-off?days=3")
    assert "Not active for 3 days in nbgrader-x" in text(page)
    assert "1 user;" in text(page)
    assert "ana dropped off 2026-03-03 2026-03-03 2 2 h 2 h" in text(page)
    assert "eva" not in text(page)
    everybody = text(await get(mail_site, "prof", "dropped-off?days=3&standing=all"))
    assert "eva hasn't started never never 0 0 min \u2013" in everybody
    assert "dropped off (1)" in everybody


async def test_each_value_is_below_its_title(site: StatsSite) -> None:
    """A row has a cell for each column, in the same order."""
    page = await get(site, "prof", "dropped-off?days=3&standing=all")
    head, _, body = page.text.partition("<tbody>")
    titles = re.findall(r'<th scope="col".*?>([^<>]+?)(?: ?<)', head.partition("<thead>")[2])
    lines = [row for row in body.split("<tr>")[1:] if "scope" in row]
    assert lines
    for line in lines:
        assert re.findall(r'data-label="([^"]+)"', line) == titles


async def test_addresses(mail_site: StatsSite) -> None:
    """The link and the download have the users of the list; the others are named."""
    path = "dropped-off?days=3&standing=all"
    page = await get(mail_site, "prof", path)
    (link,) = re.findall(r'href="(mailto:[^"]+)"', page.text)
    assert {"ana@uni.example", "eva@uni.example"} <= set(
        unescape(link).removeprefix("mailto:?bcc=").split(",")
    )
    found = await get(mail_site, "prof", path.replace("dropped-off", "emails.txt"))
    assert found.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert found.headers["Content-Disposition"] == 'attachment; filename="emails.txt"'
    addresses = found.text.splitlines()
    assert {"ana@uni.example", "eva@uni.example"} <= set(addresses)
    assert "7 users have no e-mail address." in text(page)
    assert HOSTILE not in page.text
    assert not [one for one in addresses if " " in one or "<" in one or "\u202e" in one]
    assert (await get(mail_site, "prof", "emails.txt?days=3")).text == "ana@uni.example\n"


async def test_without_a_domain_the_page_says_how_to_set_it(site: StatsSite) -> None:
    page = text(await get(site, "prof", "dropped-off?days=3"))
    assert "1 user has no e-mail address. Set --email-domain to build addresses from names" in page
    assert (await get(site, "prof", "emails.txt?days=3")).text == ""


async def test_csv(site: StatsSite) -> None:
    """The file has all rows; names that look like formulas are quoted."""
    found = rows(await get(site, "prof", "csv/dropped.csv?days=3&standing=all"))
    by_name = {row["name"]: row for row in found}
    assert by_name["ana"] == {
        "name": "ana",
        "standing": "dropped off",
        "last_active": "2026-03-03",
        "last_present": "2026-03-03",
        "days_active": "2",
        "active_hours": "2.0",
        "hours_per_week": "2.0",
    }
    assert "'" + FORMULA in by_name


async def test_invalid_parameters(site: StatsSite) -> None:
    page = await get(site, "prof", "dropped-off?days=soon&standing=gone")
    assert page.status == 400
    assert "write 14d, for example." in text(page)
    assert "dropped-off, not-started, present, unknown, all" in text(page)


async def test_before_the_first_poll(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'empty.sqlite'}", ZoneInfo("Asia/Tokyo"))
    async with stats_site(Queries(store)) as made:
        add_people(made)
        assert "No records yet" in text(await get(made, "root", "dropped-off"))
        assert (await get(made, "root", "emails.txt")).text == ""
    await store.close()
