"""The pages for administrators, as a browser without scripts sees them."""

import re
from datetime import timedelta
from html import unescape

import pytest

from services.cull.policy.model import Flags, Policy
from services.cull.policy.rules import Match, Rule
from services.cull.store.records import HoldKind
from tests.cull.web.site import PREFIX, CullSite, form, press, text
from tests.fakes.clock import START


@pytest.mark.parametrize("page", ["servers", "holds", "history", "rules"])
async def test_admin_pages_are_for_admins(site: CullSite, page: str) -> None:
    """Other users get a 403 and see no links to these pages."""
    browser = await site.browser("ada")
    assert (await browser.go(PREFIX + page)).status == 403
    assert PREFIX + page not in (await browser.go(PREFIX)).text
    admin = await site.browser("root")
    assert (await admin.go(PREFIX + page)).status == 200
    assert PREFIX + page in (await admin.go(PREFIX)).text


async def test_all_servers_are_filtered_and_sorted_by_links(site: CullSite) -> None:
    """Every column head is a link that sorts, and the filters are part of the address."""
    site.hub.add_server("bob", idle=300)
    await site.culler.run_pass()
    browser = await site.browser("root")
    page = await browser.go(PREFIX + "servers")
    assert "2 servers, as of 2026-03-02 12:00 (now)" in text(page)
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
    """The form adds a hold that the user sees, and the button next to it releases it."""
    admin = await site.browser("root")
    page = await admin.go(PREFIX + "holds?kind=server&name=ada&server=")
    sent = form(page, "holds") | {"kind": "server", "hours": "4", "why": "exam <b>"}
    assert sent["name"] == "ada"
    held = await admin.post(PREFIX + "holds", sent)
    assert "The hold has been added." in text(held)
    assert "server ada/default 2026-03-02 16:00 (in 4 h) root exam <b>" in text(held)

    user = await site.browser("ada")
    assert "Held by an administrator until 2026-03-02 16:00" in text(await user.go(PREFIX))

    released = await admin.post(PREFIX + "release", form(held, "release"))
    assert "The hold has been released." in text(released)
    assert "There are no holds." in text(released)
    assert "Held by" not in text(await user.go(PREFIX))


async def test_an_end_time_overrides_the_hours_of_the_form(site: CullSite) -> None:
    """The form always sends hours; an end time, in UTC, takes precedence."""
    admin = await site.browser("root")
    sent = form(await admin.go(PREFIX + "holds"), "holds")
    sent |= {"kind": "user", "name": "ada", "hours": "4", "until": "2026-03-03T08:30"}
    assert (await admin.post(PREFIX + "holds", sent)).status == 200
    [hold] = await site.store.list_holds(START)
    assert (hold.kind, hold.until) == (HoldKind.USER, START + timedelta(hours=20, minutes=30))


async def test_the_problems_of_a_hold_are_listed_above_the_form(site: CullSite) -> None:
    """All problems are listed, and the fields keep what was entered."""
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
    assert "server: leave this empty" in text(page)
    assert "until: this time is in the past" in text(page)
    assert 'value="adda"' in page.text
    sent |= {"server": "", "until": ""}
    assert "the Hub has no user 'adda'" in text(await admin.post(PREFIX + "holds", sent))
    assert await site.store.list_holds(START) == []


async def test_the_history_shows_passes_and_the_audit_log(site: CullSite) -> None:
    """The last passes with their numbers, and the events of the audit log."""
    await press(await site.browser("ada"), "extend")
    await site.culler.run_pass()
    page = await (await site.browser("root")).go(PREFIX + "history")
    assert "2026-03-02 12:00 0.0" in text(page)
    assert "ada extend server ada/default 2026-03-02 13:09" in text(page)


async def test_older_audit_events_are_on_the_next_page(site: CullSite) -> None:
    """The link continues where the page ends."""
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
    """Each rule is shown with what it matches and does."""
    flags = Flags()
    exam = Rule(name="exam", match=Match(groups=("course",)), idle_timeout=None)
    site.policy = Policy((exam, *Policy.from_flags(flags).rules), flags)
    page = text(await (await site.browser("root")).go(PREFIX + "rules"))
    first = page.index("exam Applies to groups course. Never stop")
    assert first < page.index("default Applies to everything else. Stop after 10 min")
