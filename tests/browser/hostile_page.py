"""A page on a student's own server, which staff open: the same-origin attacker of a Hub.

Such a page has the origin of the Hub and all services, unless the Hub has subdomains.
"""

from pathlib import Path

from playwright.async_api import BrowserContext, Page

from tests.integration.realhub import RealHub

EVE = "eve"
SECRET = "SECRET of a page without protection"

_WORKER = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(clients.claim()));
addEventListener("fetch", event => {
    if (event.request.destination !== "image") return;
    event.respondWith((async () => {
        const answer = await fetch(event.request);
        const text = await answer.clone().text();
        for (const client of await clients.matchAll()) client.postMessage(text);
        return answer;
    })());
});
"""
#: Controls the whole origin, if its server allows that, and keeps the text of each page.
_WIDE_WORKER = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil((async () => {
    if (location.search.includes("preload")) await registration.navigationPreload.enable();
    await clients.claim();
})()));
addEventListener("fetch", event => {
    if (event.request.mode !== "navigate") return;
    event.respondWith((async () => {
        const answer = await event.preloadResponse || await fetch(event.request);
        const text = await answer.clone().text();
        await (await caches.open("stolen")).put(event.request.url, new Response(text));
        return answer;
    })());
});
"""
#: Registers it, and waits until it controls this page.
CONTROL_ORIGIN = """async how => {
    const worker = `wide.js?Service-Worker-Allowed=/&how=${how}`;
    await navigator.serviceWorker.register(worker, {scope: "/"});
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller)
        await new Promise(done => { navigator.serviceWorker.oncontrollerchange = done; });
    return "controlled";
}"""
#: What it kept of an address.
STOLEN = """async url => {
    const found = await (await caches.open("stolen")).match(url);
    return found ? found.text() : "";
}"""
_ELEMENT = """async url => {
    const element = document.createElement("%s");
    element.%s = url;
    const loaded = new Promise(done => { element.onload = element.onerror = done; });
    document.body.append(element);
    await loaded;
    return element.contentDocument?.documentElement.outerHTML ?? "";
}"""
#: What a page can do to read another one's text: each a function of its address.
READS = {
    "fetch": "async url => (await fetch(url)).text()",
    "fetch-no-cors": "async url => (await fetch(url, {mode: 'no-cors'})).text()",
    "fetch-as-page": """async url => {
        const headers = {Accept: "text/html", "Upgrade-Insecure-Requests": "1"};
        const options = {mode: "same-origin", cache: "reload", referrer: url, headers};
        return (await fetch(url, options)).text();
    }""",
    "fetch-under-another-address": """async url => {
        history.replaceState(null, "", url + "?x");
        return await (await fetch(url, {mode: "no-cors"})).text() + document.cookie;
    }""",
    "xhr": """url => new Promise(done => {
        const request = new XMLHttpRequest();
        request.onloadend = () => done(request.responseText);
        request.open("GET", url);
        request.send();
    })""",
    "prefetch": """async url => {
        const link = document.createElement("link");
        Object.assign(link, {rel: "prefetch", href: url});
        const loaded = new Promise(done => { link.onload = link.onerror = done; });
        document.head.append(link);
        await loaded;
        return (await fetch(url, {cache: "force-cache", mode: "no-cors"})).text();
    }""",
    "iframe": _ELEMENT % ("iframe", "src"),
    "object": _ELEMENT % ("object", "data"),
    "frame-of-a-form": """async url => {
        const frame = document.createElement("iframe");
        frame.name = "target";
        document.body.append(frame);
        const form = document.createElement("form");
        Object.assign(form, {action: url, target: "target"});
        document.body.append(form);
        const loaded = new Promise(done => { frame.onload = done; });
        form.submit();
        await loaded;
        return frame.contentDocument?.documentElement.outerHTML ?? "";
    }""",
    "service-worker": """async url => {
        await navigator.serviceWorker.register("worker.js");
        await navigator.serviceWorker.ready;
        if (!navigator.serviceWorker.controller)
            await new Promise(done => { navigator.serviceWorker.oncontrollerchange = done; });
        const told = new Promise(done => {
            navigator.serviceWorker.onmessage = event => done(event.data);
        });
        const image = new Image();
        image.src = url;
        return told;
    }""",
}
#: Opens the address in a new window in some way, and returns what it can read there.
POPUP = """async ([url, how]) => {
    const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));
    let opened;
    if (how === "open") opened = open(url);
    if (how === "from-own-page") {
        opened = open(location.href);
        await pause(300);
        try { opened.location = url; } catch { return ""; }
    }
    if (how === "from-a-script") {
        opened = open("");
        opened.location = "javascript:'<p>'";
        await pause(300);
        opened.location = url;
    }
    for (let tries = 0; tries < 30; tries++) {
        await pause(50);
        try {
            if (opened.closed) return "";
            if (opened.location.pathname === url && opened.document.readyState === "complete")
                return opened.document.documentElement.outerHTML;
        } catch { return ""; }
    }
    return "";
}"""


async def start_hostile_server(hub: RealHub) -> None:
    """Start eve's server, with her page and her service worker, and a page without protection."""
    await hub.create_user(EVE)
    home = Path(hub.directory) / "homes" / EVE
    home.mkdir(parents=True, exist_ok=True)
    (home / "page.html").write_text("<!doctype html><title>Eve</title><body>Look at this!")
    (home / "bare.html").write_text(f"<!doctype html><title>Bare</title><body>{SECRET}")
    (home / "worker.js").write_text(_WORKER)
    (home / "wide.js").write_text(_WIDE_WORKER)
    if not await hub.servers(EVE):
        await hub.start_server(EVE)


async def open_hostile_page(context: BrowserContext, hub: RealHub, query: str = "") -> Page:
    """Open eve's page in a new tab. The query sets headers of the response."""
    page = await context.new_page()
    await page.goto(f"{hub.url}user/{EVE}/page.html{query}")
    return page


async def run(page: Page, script: str, argument: object) -> str:
    """What a script of eve's page returns; empty if it fails, or does not end within 10 s."""
    limited = f"""argument => Promise.race([
        ({script})(argument).catch(error => ""),
        new Promise(done => setTimeout(() => done(""), 10000)),
    ])"""
    return str(await page.evaluate(limited, argument))


async def sign_in(context: BrowserContext, hub: RealHub, user: str, path: str) -> Page:
    """Sign a user in at the Hub and open a page of it in a new tab."""
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto(hub.url + path)
    await page.fill("input[name=username]", user)
    await page.fill("input[name=password]", "any")
    await page.click("#login_submit")
    await page.wait_for_url(hub.url + path)
    return page
