"""Debian's chromium, driven by Playwright, in front of a real hub with the real services."""

import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
)

from tests.integration.processes import proxy_command
from tests.integration.realhub import RealHub

ARGUMENTS = [
    "--no-sandbox",  # it refuses to have one as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = shutil.which("chromium")

WARDEN = "warden"
"""A user who has the culler's admin scope and is no admin of the Hub."""

Visit = Callable[..., Awaitable[Page]]


def cull_config(**options: Any) -> str:
    """Lines of a hub's configuration that declare the culler with these options."""
    return (
        "from services.declare import declare\n"
        f"declare(c, cull=__import__('json').loads({json.dumps(options)!r}))\n"
    )


@pytest.fixture(scope="session")
def cull_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A real hub with the culler as a managed service. It stops nothing within a test's time."""
    if proxy_command() is None:
        pytest.skip("configurable-http-proxy is missing: run `make setup`")
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    directory = tmp_path_factory.mktemp("cull-hub")
    config = cull_config(
        timeout=3600,
        cull_every=2,
        settle=0,
        extend_by=7200,
        db_url=f"sqlite:///{directory}/cull.sqlite",
        admin_users=[WARDEN],
    )
    with RealHub(directory, extra_config=config) as hub:
        yield hub


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser with a fresh profile."""
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile, in which several pages share their cookies."""
    context = await chromium.new_context()
    yield context
    await context.close()


@pytest.fixture
async def visit(chromium: Browser) -> AsyncIterator[Visit]:
    """Signs a user in at a hub and opens a page of it, in a browser profile of their own.

    At the end no page may have reported an error: a script's, or a break of the content security
    policy. `expected` names parts of errors' texts that may be there.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []
    allowed: list[str] = []

    async def open_page(
        hub: RealHub, user: str, path: str, *, expected: str | Sequence[str] = (), **options: Any
    ) -> Page:
        settings: dict[str, Any] = {"locale": "en-GB", "timezone_id": "UTC"} | options
        context = await chromium.new_context(**settings)
        contexts.append(context)
        allowed.extend([expected] if isinstance(expected, str) else expected)

        def note(said: ConsoleMessage) -> None:
            # Another site's missing icon, in a test of forgeries, is not this page's fault.
            if said.type == "error" and said.location["url"].startswith(hub.url):
                errors.append(said.text)

        context.on("console", note)
        context.on("weberror", lambda broken: errors.append(str(broken.error)))
        page = await context.new_page()
        page.set_default_timeout(20_000)
        await page.goto(hub.url + path.lstrip("/"))
        await page.fill("input[name=username]", user)
        await page.fill("input[name=password]", "any")
        await page.click("#login_submit")
        await page.wait_for_url(hub.url + path.lstrip("/"))
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert [text for text in errors if not any(one in text for one in allowed)] == []
