"""What the culler's pages share: sign-in, security, error pages and words for times."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from services.cull.policy.model import Flags, Policy
from services.cull.web.pages import state_in_words, time_from_now
from tests.cull.web.site import PREFIX, CullSite, form, text
from tests.fakes.clock import START

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def test_a_visitor_is_sent_to_sign_in(site: CullSite) -> None:
    """Without a sign-in, nothing of the page is shown."""
    page = await (await site.browser()).go(PREFIX + "servers", follow=False)
    assert page.status == 302
    assert "/hub/api/oauth2/authorize" in page.headers["Location"]


async def test_a_forged_form_is_refused(site: CullSite) -> None:
    """Without the token of the page, or from another site, a form changes nothing."""
    browser = await site.browser("ada")
    good = form(await browser.go(PREFIX), "extend")
    other = form(await (await site.browser("bob")).go(PREFIX), "logout")
    without = {"server": ""}
    assert (await browser.post(PREFIX + "extend", without)).status == 403
    assert (await browser.post(PREFIX + "extend", good | {"_xsrf": other["_xsrf"]})).status == 403
    for where in ("cross-site", "same-site"):
        headers = {
            "Sec-Fetch-Site": where,
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
            "Accept": "text/html",
        }
        answer = await browser.request("POST", PREFIX + "extend", headers=headers, data=good)
        assert answer.status == 403
    assert (await site.store.protections(START)).extensions == {}


async def test_pages_have_no_inline_script_or_style(site: CullSite) -> None:
    """Scripts and styles are files of the service, as the content security policy requires."""
    await site.culler.run_pass()
    admin = await site.browser("root")
    for page in ("", "servers", "holds", "history", "rules"):
        answer = await admin.go(PREFIX + page)
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", answer.text)
        assert "script-src 'nonce-" in answer.headers["Content-Security-Policy"]
        for address in re.findall(r'(?:src|href)="(/services/cull/static/[^"]+)"', answer.text):
            assert (await admin.go(unescape(address))).status == 200


async def test_an_unavailable_hub_is_reported_on_the_page(site: CullSite) -> None:
    """The page says that the Hub is not available."""
    browser = await site.browser("ada")
    site.hub.fail("status", status=503, times=100)
    page = await browser.go(PREFIX)
    assert page.status == 503
    assert "The Hub is not available" in text(page)


async def test_an_unavailable_database_is_reported_on_the_page(site: CullSite) -> None:
    """The page says so without naming the database, and when to try again."""
    browser = await site.browser("ada")
    await site.store.close()
    page = await browser.go(PREFIX)
    assert (page.status, page.headers["Retry-After"]) == (503, "5")
    assert "The database is not available" in text(page)
    assert "sqlite" not in page.text


@pytest.mark.parametrize(
    ("state", "words"),
    [("spawn", "starting"), ("stop", "stopping"), ("check", "being checked"), ("ready", "ready")],
)
async def test_the_page_shows_the_state_in_words(site: CullSite, state: str, words: str) -> None:
    """The badge says "starting" where the Hub says "spawn"."""
    assert state_in_words(state) == words
    if state != "ready":
        site.hub.users["ada"].servers[""].pending = state
    page = await (await site.browser("ada")).go(PREFIX)
    badge = re.search(r'class="badge[^>]*>([^<]*)<', page.text)
    assert badge is not None
    assert badge[1].strip() == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "now"),
        (0.9, "now"),
        (-0.9, "now"),
        (1, "in 1 minute"),
        (-59, "59 minutes ago"),
        (60, "in 1 h"),
        (120, "in 2 h"),
        (125, "in 2 h 5 min"),
        (-47 * 60, "47 h ago"),
        (48 * 60, "in 2 days"),
        (7239 * 60, "in 301 days"),
        (2000 * 24 * 60, "in 2,000 days"),
    ],
)
def test_relative_times_read_naturally(minutes: float, words: str) -> None:
    """Minutes up to an hour, hours and minutes up to two days, then days."""
    assert time_from_now(NOW + timedelta(minutes=minutes), NOW) == words


async def test_warnings_for_administrators(site: CullSite) -> None:
    """A refused policy file and stops by a second culler are on each of their pages."""
    for name in ("ada", "bob", "cy"):
        site.hub.add_server(name, idle=660)
    site.culler.evaluator.policy_problems = lambda: ["rule 1, <b>: no", "rule 2: no"]
    site.policy = Policy.from_flags(Flags(timeout=3600))
    await site.culler.run_pass()
    for name in ("ada", "bob", "cy"):
        site.hub.users[name].servers.clear()
    await site.culler.run_pass()
    admin, user = await site.browser("root"), await site.browser("ada")
    for words in (
        "the last valid policy stays in force: rule 1, <b>: no; rule 2: no",
        "3 idle servers were stopped by something else",
    ):
        assert words in unescape((await admin.go(PREFIX + "rules")).text)
        assert words not in unescape((await user.go(PREFIX)).text)
