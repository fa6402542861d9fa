"""The culler's pages in a real browser, in front of the real Hub and proxy."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from common.web.server import Bind, serve
from tests.browser.conftest import WARDEN, Visit
from tests.integration.realhub import RealHub

CULL = "services/cull/"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture
async def student(cull_hub: RealHub, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The name of a user for this test only, with a running default server."""
    name = "s-" + re.sub(r"\W+", "-", request.node.name)[:40].strip("-").lower()
    await cull_hub.create_user(name)
    await cull_hub.start_server(name)
    yield name
    await cull_hub.stop_server(name)


async def stop_of(page: Page) -> datetime:
    """When the first server stops, according to the page."""
    written = await page.locator(".stop time").first.get_attribute("datetime")
    assert written is not None
    return datetime.fromisoformat(written)


async def until_seen(hub: RealHub, page: Page, name: str) -> None:
    """Reload the page of all servers until a pass has seen this user's."""

    async def seen() -> bool:
        await page.goto(f"{hub.url}{CULL}servers?q={name}")
        return await page.locator("tbody th", has_text=name).count() > 0

    await hub.until(f"a pass that sees {name}", seen)


async def test_a_user_signs_in_and_keeps_a_server_running(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """After the Hub's login, the button moves the stop and the page shows the new time."""
    page = await visit(cull_hub, student, CULL)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your servers")
    before = await stop_of(page)

    await page.get_by_role("button", name="Keep running").click()

    await expect(page.get_by_role("status")).to_have_text("Your server will keep running.")
    assert await stop_of(page) - before == pytest.approx(
        timedelta(hours=2), abs=timedelta(minutes=2)
    )
    await page.reload()
    assert await stop_of(page) > before + timedelta(hours=1)


@pytest.mark.parametrize("name", ["q?x=1", "h#frag", "%41", "名前", "sp ace", "a<b>&\"c'"])
async def test_any_name_is_extended_and_no_other(
    cull_hub: RealHub, visit: Visit, name: str
) -> None:
    """Unusual names survive the proxy, the Hub, the page and the request of the button."""
    await cull_hub.create_user(name)
    await cull_hub.start_server(name)
    page = await visit(cull_hub, name, CULL)
    before = await stop_of(page)
    await page.get_by_role("button", name="Keep running").click()
    await expect(page.get_by_role("status")).to_have_text("Your server will keep running.")
    assert await stop_of(page) > before
    await cull_hub.stop_server(name)


async def test_an_admin_holds_and_releases_a_server(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """The table links to the form; the user sees the hold until it is released."""
    admin = await visit(cull_hub, cull_hub.admin, CULL)
    await until_seen(cull_hub, admin, student)
    await admin.get_by_role("link", name=f"Hold {student}/default").click()
    await expect(admin.get_by_label("User or group")).to_have_value(student)
    await admin.locator("select[name=hours]").select_option("24")
    await admin.get_by_label("Reason").fill("oral exam")
    await admin.get_by_role("button", name="Add hold").click()
    await expect(admin.get_by_role("status")).to_have_text("The hold has been added.")

    user = await visit(cull_hub, student, CULL)
    await expect(user.get_by_text("Held by an administrator until")).to_be_visible()
    expected = datetime.now(UTC) + timedelta(days=1)
    assert abs(await stop_of(user) - expected) < timedelta(minutes=2)

    await admin.goto(f"{cull_hub.url}{CULL}holds")
    row = admin.locator("tr", has_text=student)
    await row.get_by_role("button", name="Release").click()
    await expect(admin.get_by_role("status")).to_have_text("The hold has been released.")
    await user.reload()
    await expect(user.get_by_text("Held by an administrator until")).to_have_count(0)


async def test_the_admin_scope_opens_the_admin_pages(cull_hub: RealHub, visit: Visit) -> None:
    """A user who is not a Hub administrator can have the scope through a role."""
    warden = await visit(cull_hub, WARDEN, CULL)
    await warden.get_by_role("link", name="Holds").click()
    await expect(warden.get_by_role("heading", level=1)).to_have_text("Holds")
    assert (await cull_hub.user(WARDEN) or {})["admin"] is False


async def test_the_end_of_a_hold_is_in_the_viewers_time_zone(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """An administrator in India enters the local time."""
    admin = await visit(cull_hub, cull_hub.admin, CULL + "holds", timezone_id="Asia/Kolkata")
    await expect(admin.get_by_text("Or until (your local time)")).to_be_visible()
    local = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=5, minutes=30)
    wanted = local + timedelta(days=2)
    await admin.get_by_label("What to hold").select_option("user")
    await admin.get_by_label("User or group").fill(student)
    await admin.get_by_label("Or until").fill(wanted.strftime("%Y-%m-%dT%H:%M"))
    await admin.get_by_role("button", name="Add hold").click()

    row = admin.locator("tr", has_text=student)
    written = await row.locator("time").first.get_attribute("datetime")
    assert written is not None
    assert datetime.fromisoformat(written) == wanted - timedelta(hours=5, minutes=30)
    await row.get_by_role("button", name="Release").click()
    await expect(admin.get_by_role("status")).to_have_text("The hold has been released.")


async def test_another_users_server_cannot_be_extended(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """A form or API request with another user's name is refused."""
    page = await visit(cull_hub, "mallory", CULL, expected="403")
    token = await page.locator('meta[name="xsrf-token"]').get_attribute("content")
    send = """async ([path, token, body]) => (await fetch(path, {method: "POST", body,
        headers: {"X-XSRFToken": token, "Content-Type": "application/x-www-form-urlencoded"}
    })).status"""
    form = f"user={student}&server="
    assert await page.evaluate(send, ["extend", token, form]) == 403
    assert await page.evaluate(send, [f"api/servers/{student}/extend", token, ""]) == 403

    victim = await visit(cull_hub, student, CULL)
    await expect(victim.get_by_text("Extended until")).to_have_count(0)


@asynccontextmanager
async def page_elsewhere(html: str) -> AsyncIterator[int]:
    """Another web site with one page; yields its port."""
    app = web.Application()

    async def show(_request: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    app.router.add_get("/", show)
    async with serve(app, Bind()) as port:
        yield port


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_forged_post_from_elsewhere_is_refused(
    cull_hub: RealHub, student: str, visit: Visit, host: str
) -> None:
    """A form on another site, or on another port of the Hub's host, extends nothing."""
    page = await visit(cull_hub, student, CULL, expected="403")
    html = (
        f'<form method="post" action="{escape(cull_hub.url)}{CULL}extend">'
        '<input name="server" value=""><button>Win a prize</button></form>'
    )
    async with page_elsewhere(html) as port:
        await page.goto(f"http://{host}:{port}/")
        async with page.expect_response(re.compile(f"/{CULL}extend")) as sent:
            await page.get_by_role("button").click()
        answer = await sent.value
        # From another site, the cookie is missing and the response leads to the login.
        assert answer.status in (302, 403)
        assert answer.status == 403 or "oauth2/authorize" in answer.headers["location"]
    await page.goto(f"{cull_hub.url}{CULL}")
    await expect(page.get_by_text("Extended until")).to_have_count(0)


async def test_a_page_on_the_hubs_own_origin_cannot_forge(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """A script of the same origin, such as of a student's server, has no token to send."""
    page = await visit(cull_hub, student, CULL, expected="403")
    await page.goto(f"{cull_hub.url}hub/home")
    send = """async ([path, headers]) => (await fetch(path, {method: "POST", headers,
        body: new URLSearchParams({server: ""})})).status"""
    path = f"/{CULL}extend"
    assert await page.evaluate(send, [path, {}]) == 403
    hubs_token = await page.evaluate("() => window.jhdata?.xsrf_token ?? 'none'")
    assert await page.evaluate(send, [path, {"X-XSRFToken": hubs_token}]) == 403
    read = "async (path) => (await fetch(path)).status"
    assert await page.evaluate(read, f"/{CULL}") == 403, "the script cannot read the token either"


async def test_everything_works_without_scripts(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """Extending, holding, releasing, sorting and filtering need only forms and links."""
    off: dict[str, Any] = {"java_script_enabled": False}
    user = await visit(cull_hub, student, CULL, **off)
    before = await stop_of(user)
    await user.get_by_role("button", name="Keep running").click()
    assert await stop_of(user) > before
    await expect(user.locator(".stop time")).to_have_text(
        re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d$")
    )
    await expect(user.get_by_text("All times are in UTC.")).to_be_visible()

    admin = await visit(cull_hub, cull_hub.admin, CULL, **off)
    await until_seen(cull_hub, admin, student)
    await admin.get_by_role("link", name="User", exact=True).click()
    await expect(admin.locator("th[aria-sort]")).to_have_text(re.compile("User"))
    await admin.get_by_label("Show").select_option("extended")
    await admin.get_by_role("button", name="Filter").click()
    await expect(admin.locator("tbody th")).to_contain_text([student])
    await admin.get_by_role("link", name=f"Hold {student}/default").click()
    await admin.get_by_role("button", name="Add hold").click()
    await expect(admin.get_by_role("status")).to_have_text("The hold has been added.")
    await admin.locator("tr", has_text=student).get_by_role("button", name="Release").click()
    await expect(admin.get_by_role("status")).to_have_text("The hold has been released.")


async def test_the_keyboard_is_enough(cull_hub: RealHub, student: str, visit: Visit) -> None:
    """The skip link comes first; Tab reaches the button, and Enter presses it."""
    page = await visit(cull_hub, student, CULL)
    before = await stop_of(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Keep running")
    await expect(button).to_be_focused()
    outline = await button.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid", "the focus must be visible"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Your server will keep running.")
    assert await stop_of(page) > before


async def test_the_table_is_filtered_while_typing(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """With scripts, there is no reload, the focus stays, and the address can be shared."""
    admin = await visit(cull_hub, cull_hub.admin, CULL)
    await until_seen(cull_hub, admin, student)
    await admin.goto(f"{cull_hub.url}{CULL}servers")
    await admin.evaluate("() => { window.stillHere = true }")
    box = admin.get_by_label("User, server or group")
    await box.press_sequentially("no-such-user")
    await expect(admin.get_by_text("No servers match.")).to_be_visible()
    await box.fill(student.upper())
    await expect(admin.locator("tbody th")).to_have_text([student])
    await expect(box).to_be_focused()
    await expect(admin).to_have_url(re.compile(f"q={student.upper()}"))

    sort = admin.get_by_role("link", name="User", exact=True)
    await sort.focus()
    await sort.press("Enter")
    await expect(admin.locator("th[aria-sort=ascending]")).to_have_text(re.compile("User"))
    await expect(admin.locator("#sort-user")).to_be_focused()
    assert await admin.evaluate("() => window.stillHere") is True


async def test_times_are_shown_in_the_viewers_time_zone(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """Times are in the viewer's zone, which is named once, with UTC as a tooltip."""
    page = await visit(cull_hub, student, CULL, timezone_id="Asia/Kolkata")
    stop = await stop_of(page)
    there = (stop + timedelta(hours=5, minutes=30)).strftime("%H:%M")
    shown = page.locator(".stop time")
    await expect(shown).to_contain_text(there)
    await expect(shown).to_have_attribute("title", re.compile("UTC$"))
    await expect(
        page.get_by_text(re.compile(r"time zone \(Asia/(Kolkata|Calcutta)\)"))
    ).to_be_visible()


@pytest.mark.parametrize("page_of", ["", "servers", "holds", "history", "rules"])
async def test_a_phone_shows_everything_without_sideways_scrolling(
    cull_hub: RealHub, student: str, visit: Visit, page_of: str
) -> None:
    """At 360 pixels no page is wider than the screen, and buttons are large enough to tap."""
    admin = await visit(cull_hub, cull_hub.admin, CULL, **PHONE)
    await until_seen(cull_hub, admin, student)
    await admin.goto(f"{cull_hub.url}{CULL}{page_of}")
    width = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await admin.evaluate(width) <= 0
    for table in await admin.locator(".scroll").all():
        assert await table.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    for button in await admin.locator("main button:visible").all():
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 38


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read_in_light_and_dark(
    cull_hub: RealHub, student: str, visit: Visit, scheme: str
) -> None:
    """The page follows the system's color scheme, with a contrast of at least 4.5 to 1."""
    page = await visit(cull_hub, student, CULL, color_scheme=scheme)
    ground = await page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", ground)[0])
    assert (red > 200) is (scheme == "light")
    assert await page.evaluate(FAINT) == []
    admin = await visit(cull_hub, cull_hub.admin, CULL, color_scheme=scheme)
    await until_seen(cull_hub, admin, student)
    assert await admin.evaluate(FAINT) == []


# Every visible text whose contrast with its background is below WCAG's 4.5.
FAINT = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] > 0.99) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.tagName === "OPTION") continue;
    const a = light(parse(getComputedStyle(element).color)), b = light(behind(element));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${element.tagName} ${element.textContent.trim()} ${contrast}`);
  }
  return faint;
}"""


async def test_simultaneous_requests_extend_once(
    cull_hub: RealHub, student: str, visit: Visit
) -> None:
    """Pressing the button in many tabs at the same time makes one extension."""
    page = await visit(cull_hub, student, CULL)
    token = await page.locator('meta[name="xsrf-token"]').get_attribute("content")
    send = """async ([path, token]) => (await fetch(path, {method: "POST",
        headers: {"X-XSRFToken": token}})).status"""
    address = f"/{CULL}api/servers/{student}/extend"
    statuses = await asyncio.gather(*(page.evaluate(send, [address, token]) for _ in range(10)))
    assert set(statuses) == {200}, "all requests succeed with the same extension"
    audit = await visit(cull_hub, cull_hub.admin, CULL + "history")
    await expect(audit.locator("tr", has_text=student)).to_have_count(1)
