"""What the pages share."""

import re

from aiohttp.web import PlainResource

from tests.stats.course import ALL
from tests.stats.web.site import PREFIX, StatsSite, text

NOT_PAGES = (
    *("api/", "csv/", "health", "ready", "metrics"),
    *("oauth_callback", "login", "logout", "static/"),
)


def pages(site: StatsSite) -> list[str]:
    """The path of every page, as the application's routes have it."""
    paths = [
        one.canonical.removeprefix(PREFIX)
        for one in site.app.router.resources()
        if isinstance(one, PlainResource) and one.canonical.startswith(PREFIX)
    ]
    return [path for path in paths if not path.startswith(NOT_PAGES)]


def test_pages_are_found(site: StatsSite) -> None:
    """The other test looks at something."""
    assert {"", "users", "inactive", "person"} <= set(pages(site))


async def test_every_page_names_its_zone_once(site: StatsSite) -> None:
    """Days are in the database's zone, and times, too, unless the address names another one."""
    browser = await site.browser("root")
    for path in pages(site):
        address = f"{PREFIX}{path}?{ALL}{'&user=ana' * (path == 'person')}"
        page = await browser.go(address)
        assert page.status == 200, path
        if not page.headers["Content-Type"].startswith("text/html"):
            continue  # a file to download
        assert len(re.findall(r"\bUTC\b", text(page))) == 1, path
        assert "All days and times are in UTC." in text(page), path
        shown = text(await browser.go(address + "&timezone=Asia/Kolkata"))
        assert len(re.findall(r"\bUTC\b", shown)) == 1, path
        assert shown.count("Asia/Kolkata") == (path != "meeting"), path  # it is for paper


async def test_only_dates_with_a_time_follow_the_address(site: StatsSite) -> None:
    """Ana's session at ten is at ten, whatever zone the browser reported to earlier versions."""
    browser = await site.browser("root")
    browser.session.cookie_jar.update_cookies({"stats-timezone": "Asia/Kolkata"})
    for query, shown in (("", "10:00"), ("&timezone=Europe/Berlin", "11:00")):
        page = await browser.go(f"{PREFIX}person?user=ana&{ALL}{query}")
        assert f"2026-03-02 {shown}</time>" in page.text
    # The drawing has a row for each recorded day, of which Ana's late session covers two.
    assert page.text.count('class="running"') == 4  # the key, Monday, Tuesday and its night


async def test_names_do_not_reverse_titles(site: StatsSite) -> None:
    """No element can keep U+202E apart in the title of a browser's tab."""
    browser = await site.browser("root")
    for path in pages(site):
        for name in ("user", "group"):
            page = await browser.go(f"{PREFIX}{path}?{ALL}&{name}=a%E2%80%AEb")
            for title in re.findall(r"<title>(.*?)</title>", page.text):
                assert title.isprintable(), (path, name)
    shown = await browser.go(f"{PREFIX}person?{ALL}&user=a%E2%80%AEb")
    assert "<title>a\ufffdb \N{EN DASH} Statistics" in shown.text
