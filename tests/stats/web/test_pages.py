"""What the pages share."""

from tests.stats.course import ALL
from tests.stats.web.site import PREFIX, StatsSite


async def test_browser_time_zone(site: StatsSite) -> None:
    """The cookie sets the time zone; a parameter overrides it, and an invalid cookie is ignored."""
    browser = await site.browser("root")
    for cookie, query, shown in (
        ("Asia/Kolkata", "", "15:30"),
        ("Asia/Kolkata", "&timezone=Europe/Berlin", "11:00"),
        ("../../etc", "", "10:00"),
    ):
        browser.session.cookie_jar.update_cookies({"stats-timezone": cookie})
        page = await browser.go(f"{PREFIX}person?user=ana&{ALL}{query}")
        assert f"2026-03-02 {shown}</time>" in page.text
