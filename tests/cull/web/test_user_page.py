"""The user's own page, as a browser without scripts sees it."""

from html import unescape

import pytest

from tests.cull.web.site import PREFIX, CullSite, form, press, text
from tests.fakes.clock import START

NAMES = [
    "q?x=1",
    "h#frag",
    "%41",
    "名前",
    "sp ace",
    "<script>alert(1)</script>",
    "o'\"neil",
    "&amp;",
]


async def test_the_page_shows_when_and_why_a_server_stops(site: CullSite) -> None:
    """The stop as a time and relative to now, the reason, the rule and what the button does."""
    page = await (await site.browser("ada")).go(PREFIX)
    assert page.status == 200
    assert '<time datetime="2026-03-02T12:09:00Z">2026-03-02 12:09</time>' in page.text
    shown = text(page)
    assert "Stops 2026-03-02 12:09 (in 9 minutes)" in shown
    assert "It has not reached a time limit yet." in shown
    assert "default (stop after 10 min without activity" in shown
    assert "until 2026-03-02 13:09 . 2 extensions left today." in shown
    assert shown.count("UTC") == 1, "the time zone is named once"


async def test_the_button_moves_the_stop(site: CullSite) -> None:
    """After pressing the button, the start page confirms it and shows the new time."""
    page = await press(await site.browser("ada"), "extend")
    assert page.status == 200
    assert page.url.startswith(PREFIX + "?extended")
    assert "Your server will keep running." in text(page)
    assert "Stops 2026-03-02 13:09" in text(page)


async def test_pressing_an_old_page_again_changes_nothing(site: CullSite) -> None:
    """A form that is sent twice, or again after going back, extends the server once."""
    browser = await site.browser("ada")
    sent = form(await browser.go(PREFIX), "extend")
    await browser.post(PREFIX + "extend", sent)
    site.clock.advance(500)
    assert (await browser.post(PREFIX + "extend", sent)).status == 200
    assert len((await site.store.used("ada", now=START))[""]) == 1


async def test_the_daily_limit_is_explained(site: CullSite) -> None:
    """When no extension is left, the button disappears, and an old one is refused politely."""
    browser = await site.browser("ada")
    old = form(await browser.go(PREFIX), "extend")
    for _ in range(2):
        assert (await press(browser, "extend")).status == 200
        site.clock.advance(1200)
    page = await browser.go(PREFIX)
    assert "Keep running" not in page.text
    assert "You have used today's extensions." in text(page)
    old["offered"] = "2026-03-03T00:00:00Z"
    refused = await browser.post(PREFIX + "extend", old)
    assert refused.status == 409
    assert "allows 2 extensions a day" in text(refused)
    assert "again after 2026-03-03 12:00" in text(refused)


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_shown_and_extended(site: CullSite, name: str) -> None:
    """Unusual names are shown as they are, run no script and reach the right server."""
    site.add_user(name)
    site.hub.add_server(name, name, idle=60)
    browser = await site.browser()
    await browser.request("GET", "/hub/login", params={"user": name})
    page = await press(browser, "extend")
    assert page.status == 200
    assert name in unescape(page.text)
    assert "<script>alert" not in page.text
    assert list((await site.store.protections(START)).extensions) == [(name, name)]


async def test_without_servers_the_page_links_to_the_hub(site: CullSite) -> None:
    """The page says that nothing is running, and where to start a server."""
    page = await (await site.browser("bob")).go(PREFIX)
    assert "You have no running servers." in text(page)
    assert 'href="/hub/home"' in page.text


async def test_another_users_server_cannot_be_extended(site: CullSite) -> None:
    """A form with another user's name is refused, even from an administrator."""
    site.hub.add_server("bob", idle=60)
    site.hub.add_server("root", idle=60)
    for who in ("ada", "root"):
        refused = await press(await site.browser(who), "extend", user="bob")
        assert refused.status == 403
        assert "only extend your own servers" in text(refused)
    assert (await site.store.protections(START)).extensions == {}
