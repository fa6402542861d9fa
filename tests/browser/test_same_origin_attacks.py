"""Attacks by a page on a student's own server, in the browser of an administrator.

Each way to read is first shown to work on a page without protection, of the same origin.
"""

import re
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.hostile_page import (
    CONTROL_ORIGIN,
    EVE,
    POPUP,
    READS,
    SECRET,
    STOLEN,
    open_hostile_page,
    run,
    sign_in,
    start_hostile_server,
)
from tests.integration.realhub import RealHub

CULL = "services/cull/"
PATHS = ("", "holds", "logout", "api/holds")
POLICIES = ("", "unsafe-none", "same-origin", "same-origin-allow-popups", "noopener-allow-popups")


@pytest.fixture
async def own(cull_hub: RealHub, context: BrowserContext) -> Page:
    """An administrator's page of the culler, while eve's server runs."""
    await start_hostile_server(cull_hub)
    return await sign_in(context, cull_hub, cull_hub.admin, CULL)


async def token_of(page: Page) -> str:
    token = await page.locator('meta[name="xsrf-token"]').get_attribute("content")
    assert token
    return token


def bare(hub: RealHub) -> str:
    """The path of a page without protection."""
    return urlsplit(f"{hub.url}user/{EVE}/bare.html").path


@pytest.mark.attack("page_read_by_a_script")
async def test_no_page_is_read(cull_hub: RealHub, context: BrowserContext, own: Page) -> None:
    """By no kind of fetch, frame or service worker: neither data nor the XSRF token."""
    token = await token_of(own)
    for how, script in READS.items():
        page = await open_hostile_page(context, cull_hub)
        assert SECRET in await run(page, script, bare(cull_hub)), how
        for path in PATHS:
            await page.goto(f"{cull_hub.url}user/{EVE}/page.html")
            text = await run(page, script, urlsplit(cull_hub.url).path + CULL + path)
            assert token not in text, how
            assert not re.search("_xsrf|Sign out|Add hold|holds", text), how
        await page.close()


@pytest.mark.attack("page_read_by_a_worker_of_the_origin")
@pytest.mark.parametrize("how", ["preload", "fetch"])
async def test_no_page_is_read_by_a_worker_of_the_origin(
    cull_hub: RealHub, context: BrowserContext, own: Page, how: str
) -> None:
    """It reads a page without protection, which the administrator opens in a tab, and not ours."""
    token = await token_of(own)
    page = await open_hostile_page(context, cull_hub)
    assert await run(page, CONTROL_ORIGIN, how) == "controlled"
    opened = await context.new_page()
    unprotected = f"{cull_hub.url}user/{EVE}/bare.html"
    await opened.goto(unprotected)
    assert SECRET in await run(page, STOLEN, unprotected)
    await opened.goto(cull_hub.url + CULL)
    text = await run(page, STOLEN, cull_hub.url + CULL)
    assert "service worker" in text
    assert token not in text


@pytest.mark.attack("page_read_in_a_window")
@pytest.mark.parametrize("policy", POLICIES)
async def test_no_page_is_read_in_a_window(
    cull_hub: RealHub, context: BrowserContext, own: Page, policy: str
) -> None:
    """Whatever policy eve's own page has."""
    query = f"?Cross-Origin-Opener-Policy={policy}" if policy else ""
    for how in ("open", "from-own-page", "from-a-script"):
        page = await open_hostile_page(context, cull_hub, query)
        if policy in {"", "unsafe-none"}:
            assert SECRET in await run(page, POPUP, [bare(cull_hub), how])
        async with context.expect_page() as opened:
            text = await run(page, POPUP, [urlsplit(cull_hub.url).path + CULL + "logout", how])
        assert text == "", how
        if how == "open":  # in the other cases, eve may have lost her window before
            await expect((await opened.value).get_by_text("Sign out").first).to_be_visible()


async def test_a_window_with_the_policy_same_origin_is_read(
    cull_hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """Why the value is noopener-allow-popups: a page with the value same-origin reads another."""
    query = "?Cross-Origin-Opener-Policy=same-origin"
    page = await open_hostile_page(context, cull_hub, query)
    address = f"{bare(cull_hub)}{query}"
    script = """async url => { const opened = open(url);
        await new Promise(done => setTimeout(done, 1000));
        return opened.closed ? "" : opened.document.body.innerText; }"""
    assert SECRET in await page.evaluate(script, address)


WRITES = {
    "fetch": """async ([url, body]) => { await fetch(url, {method: "POST",
        body: new URLSearchParams(body)}); }""",
    "fetch-no-cors": """async ([url, body]) => { await fetch(url, {method: "POST", mode: "no-cors",
        body: new URLSearchParams(body)}); }""",
    "beacon": """async ([url, body]) => {
        navigator.sendBeacon(url, new URLSearchParams(body));
        await fetch("bare.html");
    }""",
    "form": """async ([url, body]) => {
        const frame = document.createElement("iframe");
        frame.name = "target";
        document.body.append(frame);
        const form = document.createElement("form");
        Object.assign(form, {action: url, target: "target", method: "post"});
        for (const name in body) {
            const field = document.createElement("input");
            Object.assign(field, {name, value: body[name]});
            form.append(field);
        }
        document.body.append(form);
        const loaded = new Promise(done => { frame.onload = done; });
        form.submit();
        await loaded;
    }""",
}


@pytest.mark.attack("forged_write")
async def test_nothing_is_changed(cull_hub: RealHub, context: BrowserContext, own: Page) -> None:
    """No hold is made as the administrator, even with a token that eve got for herself."""
    page = await open_hostile_page(context, cull_hub)
    async with cull_hub.login(EVE) as session, session.get(cull_hub.url + CULL) as answer:
        found = re.search(r'name="xsrf-token" content="([^"]+)"', await answer.text())
    assert found
    hold = {"kind": "user", "name": EVE, "hours": "24", "why": "forged"}
    address = urlsplit(cull_hub.url).path + CULL + "holds"
    for script in WRITES.values():
        for token in ("", found[1]):
            async with page.expect_response(re.compile("/services/cull/holds$")) as sent:
                await run(page, script, [address, hold | {"_xsrf": token}])
            assert (await sent.value).status == 403
    await own.goto(f"{cull_hub.url}{CULL}holds")
    await expect(own.get_by_text("forged")).to_have_count(0)


@pytest.mark.attack("websocket_and_event_source")
async def test_streams_reveal_nothing(
    cull_hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """A WebSocket or an EventSource to any page fails."""
    page = await open_hostile_page(context, cull_hub)
    script = """url => Promise.all([WebSocket, EventSource].map(Kind => new Promise(done => {
        const stream = new Kind(url);
        stream.onerror = () => done("error");
        stream.onmessage = event => done(event.data);
    })))"""
    for path in PATHS:
        address = urlsplit(cull_hub.url).path + CULL + path
        assert await page.evaluate(script, address) == ["error", "error"]


async def login_of_eve(hub: RealHub) -> tuple[dict[str, str], str, dict[str, str]]:
    """A state cookie and a callback that eve prepared, and the cookies of her finished login."""
    async with hub.login(EVE) as session:
        async with session.get(hub.url + CULL, allow_redirects=False) as began:
            state = {name: morsel.value for name, morsel in began.cookies.items()}
            location = urlsplit(began.headers["Location"])
        address = f"{hub.url}{location.path[1:]}?{location.query}"
        async with session.get(address, allow_redirects=False) as back:
            callback = back.headers["Location"]
        async with session.get(hub.url + CULL) as page:
            assert page.status == 200
        jar = session.cookie_jar.filter_cookies(page.url)
        done = {name: jar[name].value for name in ("service-cull", "jupyterhub-session-id")}
    return state, callback, done


async def plant(page: Page, cookies: dict[str, str], path: str) -> None:
    """Set cookies from eve's server: unlike a script, a header replaces HttpOnly cookies."""
    for name, value in cookies.items():
        header = quote(f'{name}="{value}"; Path={path}; HttpOnly', safe="")
        address = f"{urlsplit(page.url)._replace(query='').geturl()}?Set-Cookie={header}"
        await page.evaluate("async url => { await fetch(url); }", address)


@pytest.mark.attack("planted_login")
async def test_a_planted_login_signs_no_one_in(
    cull_hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """With eve's state cookie and callback, the administrator does not become eve."""
    state, callback, _ = await login_of_eve(cull_hub)
    page = await open_hostile_page(context, cull_hub)
    await plant(page, state, f"/{CULL}")
    await page.goto(cull_hub.url.rstrip("/") + callback)
    await expect(page.get_by_text("finished in another browser")).to_be_visible()
    await own.reload()
    await expect(own.locator("form.account")).to_contain_text(cull_hub.admin)


@pytest.mark.attack("planted_session")
async def test_a_planted_session_signs_no_one_in(
    cull_hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """Eve's own cookie of the service is not accepted in another Hub session."""
    _, _, done = await login_of_eve(cull_hub)
    page = await open_hostile_page(context, cull_hub)
    await plant(page, {"service-cull": done["service-cull"]}, f"/{CULL}")
    await own.reload()
    await expect(own.locator("form.account")).to_contain_text(cull_hub.admin)


@pytest.mark.attack("repeated_cookies")
async def test_repeated_cookies_are_reported_and_cleared(
    cull_hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """A second cookie for a longer path is refused; after a reload, the page works."""
    page = await open_hostile_page(context, cull_hub)
    _, _, done = await login_of_eve(cull_hub)
    await plant(page, done, f"/{CULL}holds")
    await own.goto(f"{cull_hub.url}{CULL}holds")
    await expect(own.get_by_text(re.compile("two cookies named"))).to_be_visible()
    for _ in done:
        await own.reload()
    await expect(own.locator("form.account")).to_contain_text(cull_hub.admin)


@pytest.mark.attack("page_read_over_plain_http")
async def test_pages_are_not_shown_over_plain_http(cull_hub: RealHub) -> None:
    """There, no header tells a page from a script: both get an explanation and no data."""
    rule = "--host-resolver-rules=MAP hub.test 127.0.0.1"
    url = f"http://hub.test:{urlsplit(cull_hub.url).port}/"
    async with async_playwright() as playwright:
        arguments = [*ARGUMENTS, rule]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page()
        await page.goto(f"{url}{CULL}")
        await page.fill("input[name=username]", cull_hub.admin)
        await page.fill("input[name=password]", "any")
        await page.click("#login_submit")
        await page.wait_for_url(f"{url}{CULL}")
        await expect(page.get_by_text("--allow-plain-http")).to_be_visible()
        text = await run(page, READS["fetch-as-page"], f"/{CULL}")
        assert "--allow-plain-http" in text
        assert "_xsrf" not in text
        await browser.close()


@pytest.mark.attack("single_origin")
async def test_without_subdomains_the_hub_itself_is_open(
    cull_hub: RealHub, context: BrowserContext, own: Page
) -> None:
    """What remains: JupyterHub's own pages can be read in a window, which gives a full token.

    With it, eve is the administrator everywhere. Only separate origins prevent this.
    """
    page = await open_hostile_page(context, cull_hub)
    script = """async ([hub, user]) => {
        const opened = open(hub + "token");
        let token;
        for (let tries = 0; !token && tries < 100; tries++) {
            await new Promise(done => setTimeout(done, 50));
            token = opened.jhdata?.xsrf_token;
        }
        const headers = {"X-XSRFToken": token, "Content-Type": "application/json"};
        const address = `${hub}api/users/${user}/tokens`;
        const answer = await fetch(address, {method: "POST", headers, body: "{}"});
        return (await answer.json()).token;
    }"""
    stolen = await page.evaluate(script, [urlsplit(cull_hub.url).path + "hub/", cull_hub.admin])
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"token {stolen}"}) as session,
        session.get(f"{cull_hub.url}{CULL}api/holds") as answer,
    ):
        assert answer.status == 200
