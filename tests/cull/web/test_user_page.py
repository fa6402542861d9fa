"""The culler's pages, before a fake Hub, as a browser without scripts sees them."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from services.cull.policy.model import Flags, Policy
from services.cull.policy.rules import Match, Rule
from services.cull.store.records import HoldKind
from tests.cull.web.site import PREFIX, CullSite, cull_site
from tests.fakes.clock import START
from tests.fakes.oauth import Answer, Browser

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


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[CullSite]:
    """A user with a server idle for a minute, another user, and an admin of the Hub."""
    async with cull_site(tmp_path) as made:
        made.add_user("ada", "course")
        made.add_user("bob")
        made.add_user("root", admin=True)
        made.hub.add_server("ada", idle=60)
        yield made


def form(page: Answer, action: str, number: int = 0) -> dict[str, str]:
    """The fields of the page's form for this action, as a browser would send them."""
    found = re.findall(rf'<form [^>]*action="{PREFIX}{action}".*?</form>', page.text, re.S)
    inputs = re.findall(r"<input[^>]*>", found[number])
    fields = {}
    for one in inputs:
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', one))
        fields[unescape(attributes["name"])] = unescape(attributes.get("value", ""))
    return fields


def text(page: Answer) -> str:
    """What stands on the page."""
    main = page.text.partition("<main")[2].partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


async def press(browser: Browser, action: str, number: int = 0, **changes: str) -> Answer:
    """Open the start page and press a button of it."""
    page = await browser.go(PREFIX)
    return await browser.post(PREFIX + action, form(page, action, number) | changes)


async def test_a_page_shows_when_a_server_stops_and_why(site: CullSite) -> None:
    """The stop in UTC and in words, the rule and what the button gives."""
    page = await (await site.browser("ada")).go(PREFIX)
    assert page.status == 200
    assert '<time datetime="2026-03-02T12:09:00Z">2026-03-02 12:09 UTC</time>' in page.text
    shown = text(page)
    assert "Stops 2026-03-02 12:09 UTC (in 9 minutes)" in shown
    assert "default (stop after 10 min without activity" in shown
    assert "Until 2026-03-02 13:09 UTC ; 2 times left today" in shown


async def test_the_button_moves_the_stop(site: CullSite) -> None:
    """After the button, the start page shows the new time and says so."""
    page = await press(await site.browser("ada"), "extend")
    assert page.status == 200
    assert page.url.startswith(PREFIX + "?extended")
    assert "It keeps running." in text(page)
    assert "Stops 2026-03-02 13:09 UTC" in text(page)


async def test_pressing_an_old_page_again_changes_nothing(site: CullSite) -> None:
    """A form sent twice, or found again by going back, extends once."""
    browser = await site.browser("ada")
    sent = form(await browser.go(PREFIX), "extend")
    await browser.post(PREFIX + "extend", sent)
    site.clock.advance(500)
    assert (await browser.post(PREFIX + "extend", sent)).status == 200
    assert len((await site.store.used("ada", now=START))[""]) == 1


async def test_the_limit_is_told_on_the_page(site: CullSite) -> None:
    """Without an extension left there is no button, and an old one is refused in words."""
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
    assert "again from 2026-03-03 12:00 UTC" in text(refused)


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_shown_and_extended(site: CullSite, name: str) -> None:
    """Odd names are shown as they are, run no script and reach the right server."""
    site.add_user(name)
    site.hub.add_server(name, name, idle=60)
    browser = await site.browser()
    await browser.request("GET", "/hub/login", params={"user": name})
    page = await press(browser, "extend")
    assert page.status == 200
    assert name in unescape(page.text)
    assert "<script>alert" not in page.text
    assert list((await site.store.protections(START)).extensions) == [(name, name)]


async def test_a_person_without_servers_is_led_to_the_hub(site: CullSite) -> None:
    """Nothing runs: the page says so and links to where one can be started."""
    page = await (await site.browser("bob")).go(PREFIX)
    assert "You have no server running." in text(page)
    assert 'href="/hub/home"' in page.text


async def test_who_is_not_signed_in_is_sent_to_the_hub(site: CullSite) -> None:
    """A page asks the visitor to sign in; nothing of it is shown."""
    page = await (await site.browser()).go(PREFIX + "servers", follow=False)
    assert page.status == 302
    assert "/hub/api/oauth2/authorize" in page.headers["Location"]


async def test_another_users_server_cannot_be_extended(site: CullSite) -> None:
    """A form with another user's name in it is refused, from an admin as well."""
    site.hub.add_server("bob", idle=60)
    site.hub.add_server("root", idle=60)
    for who in ("ada", "root"):
        refused = await press(await site.browser(who), "extend", user="bob")
        assert refused.status == 403
        assert "your own servers only" in text(refused)
    assert (await site.store.protections(START)).extensions == {}


async def test_a_forged_form_is_refused(site: CullSite) -> None:
    """Without our page's token, or from another site, a form changes nothing."""
    browser = await site.browser("ada")
    good = form(await browser.go(PREFIX), "extend")
    other = form(await (await site.browser("bob")).go(PREFIX), "logout")
    without = {"server": ""}
    assert (await browser.post(PREFIX + "extend", without)).status == 403
    assert (await browser.post(PREFIX + "extend", good | {"_xsrf": other["_xsrf"]})).status == 403
    for where in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": where, "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
        answer = await browser.request("POST", PREFIX + "extend", headers=headers, data=good)
        assert answer.status == 403
    assert (await site.store.protections(START)).extensions == {}


@pytest.mark.parametrize("page", ["servers", "holds", "history", "rules"])
async def test_admin_pages_are_for_admins(site: CullSite, page: str) -> None:
    """Others get a 403 and see no link to them."""
    browser = await site.browser("ada")
    assert (await browser.go(PREFIX + page)).status == 403
    assert PREFIX + page not in (await browser.go(PREFIX)).text
    admin = await site.browser("root")
    assert (await admin.go(PREFIX + page)).status == 200
    assert PREFIX + page in (await admin.go(PREFIX)).text


async def test_all_servers_are_filtered_and_sorted_by_links(site: CullSite) -> None:
    """Every column's head is a link that sorts, and filters stand in the address."""
    site.hub.add_server("bob", idle=300)
    await site.culler.run_pass()
    browser = await site.browser("root")
    page = await browser.go(PREFIX + "servers")
    assert "2 servers, as of 2026-03-02 12:00 UTC" in text(page)
    assert text(page).index("bob") < text(page).index("ada")

    found = re.search(r'id="sort-user"[^>]*href="([^"]+)"', page.text)
    assert found is not None
    by_name = await browser.go(unescape(found[1]))
    assert text(by_name).index("ada") < text(by_name).index("bob")
    assert 'aria-sort="ascending"' in by_name.text

    one = await browser.go(PREFIX + "servers?q=AD&show=stopping&rule=default&sort=-user")
    assert "1 server, as of" in text(one)
    assert (await browser.go(PREFIX + "servers?sort=x")).status == 400


async def test_an_admin_holds_and_releases(site: CullSite) -> None:
    """The form makes a hold that its user sees, and the button beside it ends it."""
    admin = await site.browser("root")
    page = await admin.go(PREFIX + "holds?kind=server&name=ada&server=")
    sent = form(page, "holds") | {"kind": "server", "hours": "4", "why": "exam <b>"}
    assert sent["name"] == "ada"
    held = await admin.post(PREFIX + "holds", sent)
    assert "It is held." in text(held)
    assert "server ada/default 2026-03-02 16:00 UTC (in 4 hours) root exam <b>" in text(held)

    user = await site.browser("ada")
    assert "Held by an admin until 2026-03-02 16:00 UTC" in text(await user.go(PREFIX))

    released = await admin.post(PREFIX + "release", form(held, "release"))
    assert "Nothing is held." in text(released)
    assert "Held by" not in text(await user.go(PREFIX))


async def test_a_time_goes_before_the_forms_hours(site: CullSite) -> None:
    """The form always sends hours; a time that was filled in is what counts, as UTC."""
    admin = await site.browser("root")
    sent = form(await admin.go(PREFIX + "holds"), "holds")
    sent |= {"kind": "user", "name": "ada", "hours": "4", "until": "2026-03-03T08:30"}
    assert (await admin.post(PREFIX + "holds", sent)).status == 200
    [hold] = await site.store.list_holds(START)
    assert (hold.kind, hold.until) == (HoldKind.USER, START + timedelta(hours=20, minutes=30))


async def test_a_bad_hold_is_explained_beside_the_form(site: CullSite) -> None:
    """All problems are listed, and what was filled in is still there."""
    admin = await site.browser("root")
    sent = form(await admin.go(PREFIX + "holds"), "holds")
    sent |= {
        "kind": "user",
        "name": "adda",
        "server": "lab",
        "hours": "4",
        "until": "2020-01-01T00:00",
    }
    page = await admin.post(PREFIX + "holds", sent)
    assert page.status == 400
    assert "server: leave it out" in text(page)
    assert "until: this time is past" in text(page)
    assert 'value="adda"' in page.text
    sent |= {"server": "", "until": ""}
    assert "knows no user 'adda'" in text(await admin.post(PREFIX + "holds", sent))
    assert await site.store.list_holds(START) == []


async def test_history_shows_passes_and_who_did_what(site: CullSite) -> None:
    """The last passes with their numbers, and the audit lines."""
    await press(await site.browser("ada"), "extend")
    await site.culler.run_pass()
    page = await (await site.browser("root")).go(PREFIX + "history")
    assert "2026-03-02 12:00 UTC 0.0" in text(page)
    assert "ada extend server ada/default 2026-03-02 13:09 UTC" in text(page)


async def test_older_audit_lines_are_a_link_away(site: CullSite) -> None:
    """The page goes on where the one before ended."""
    for number in range(3):
        until = START + timedelta(hours=number + 1)
        await site.store.hold("user", f"u{number}", until=until, by="root", now=START)
    admin = await site.browser("root")
    first = await admin.go(PREFIX + "history?limit=2")
    found = re.search(r'href="([^"]+before=[^"]+)"', first.text)
    assert found is not None
    assert "user u0" not in text(first)
    assert "user u0" in text(await admin.go(unescape(found[1])))


async def test_rules_are_shown_in_order(site: CullSite) -> None:
    """Each rule with what it matches and does."""
    flags = Flags()
    exam = Rule(name="exam", match=Match(groups=("course",)), idle_timeout=None)
    site.policy = Policy((exam, *Policy.from_flags(flags).rules), flags)
    page = text(await (await site.browser("root")).go(PREFIX + "rules"))
    assert page.index("exam For groups course: never stop") < page.index("default For everything")


async def test_pages_hold_no_inline_script_or_style(site: CullSite) -> None:
    """Everything active is a file of ours, as the content security policy wants it."""
    await site.culler.run_pass()
    admin = await site.browser("root")
    for page in ("", "servers", "holds", "history", "rules"):
        answer = await admin.go(PREFIX + page)
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", answer.text)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        for address in re.findall(r'(?:src|href)="(/services/cull/static/[^"]+)"', answer.text):
            assert (await admin.go(unescape(address))).status == 200


async def test_a_hub_that_is_away_is_told_on_a_page(site: CullSite) -> None:
    """A person reads that the Hub is away, and may try again."""
    browser = await site.browser("ada")
    site.hub.fail("status", status=503, times=100)
    page = await browser.go(PREFIX)
    assert page.status == 503
    assert "The Hub is not there right now" in text(page)
