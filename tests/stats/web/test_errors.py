"""Responses to invalid requests and an unavailable database."""

from pathlib import Path

import pytest

from services.stats.store.store import Store
from tests.stats.web.site import ACCESS, PREFIX, StatsSite, get, text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "?since=yesterday",
            "since: 'yesterday' is not a date; write 2026-03-01, or 90d for 90 days.",
        ),
        ("?until=9999-12-31", "until: 9999-12-31 is out of range; write 2026-03-01."),
        ("?by=decade", "by: 'decade' is not one of day, week, month, year, term, all."),
        (
            "?timezone=Mars",
            "timezone: 'Mars' is not a time zone; write a name such as Europe/Berlin.",
        ),
        ("users?page=0", "page: '0' is not a page number; write 1 or more."),
        ("users?page=%D9%A3", "page: '٣' is not a page number; write 1 or more."),
        ("users?sort=%3Cb%3E", "sort: '<b>' is not one of name, last_active, last_present"),
        ("users?q=" + "x" * 300, "q: the search text is limited to 255 characters."),
        ("csv/active.csv?since=x&by=y", "by: 'y' is not one of day, week, month, year, term, all."),
        ("person?user=a%00b", r"user: 'a\x00b' is not a valid user name."),
    ],
)
async def test_invalid_parameters_are_explained(site: StatsSite, path: str, message: str) -> None:
    """The page says what is wrong and what to write instead."""
    page = await get(site, "root", path)
    assert page.status == 400
    assert message in text(page)


async def test_problems_as_json(site: StatsSite) -> None:
    """A program gets a list with each problem."""
    token = site.oauth.add_token("root", ACCESS)
    url = f"{site.origin}{PREFIX}csv/active.csv?since=x&by=y"
    headers = {"Authorization": f"token {token}"}
    async with site.session.get(url, headers=headers) as answer:
        assert answer.status == 400
        assert len((await answer.json())["problems"]) == 2


async def test_database_unavailable(site: StatsSite, store: Store, tmp_path: Path) -> None:
    """503 with Retry-After, and no part of the driver's message."""
    browser = await site.browser("root")
    assert (await browser.go(PREFIX)).status == 200
    await store.close()
    replace_by_a_directory(tmp_path / "stats.sqlite")
    page = await browser.go(PREFIX)
    assert page.status == 503
    assert page.headers["Retry-After"] == "5"
    assert "The database is not available" in text(page)
    assert "sqlite" not in page.text


def replace_by_a_directory(database: Path) -> None:
    """Make sure that the database cannot be opened any more."""
    for path in database.parent.glob(database.name + "*"):
        path.unlink()
    database.mkdir()
