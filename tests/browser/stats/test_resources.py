"""The page about resources in a real browser, in front of a fake Hub and a fake Prometheus."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.test_stats import PHONE, pixels, ready
from tests.stats.course import ALL
from tests.stats.prometheus.fake import FakePrometheus
from tests.stats.web.conftest import store
from tests.stats.web.resources.conftest import prometheus, site, written
from tests.stats.web.site import PREFIX, StatsSite

__all__ = ["prometheus", "site", "store", "written"]


@pytest.fixture
async def page(chromium: Browser, site: StatsSite) -> AsyncIterator[Page]:
    """A phone, signed in as the administrator, in which no script may fail."""
    errors: list[str] = []
    signed_in = await site.browser("root")
    await signed_in.go(PREFIX)
    options: dict[str, Any] = {**PHONE, "locale": "en-GB", "timezone_id": "UTC"}
    context = await chromium.new_context(**options)
    host = urlsplit(site.origin).hostname or ""
    await context.add_cookies(
        [
            {"name": one.key, "value": one.value, "domain": host, "path": "/"}
            for one in signed_in.session.cookie_jar
        ]
    )
    context.on("weberror", lambda broken: errors.append(str(broken.error)))
    page = await context.new_page()
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.set_default_timeout(20_000)
    yield page
    await context.close()
    assert errors == []


async def test_page(page: Page, site: StatsSite, prometheus: FakePrometheus) -> None:
    """Charts are drawn, pages fit, a group leads to its page, and no Prometheus is reported."""
    await page.goto(f"{site.origin}{PREFIX}resources?{ALL}")
    await ready(page)
    assert await pixels(page.locator("#cpu .chart"), "--unobserved") > 20
    await expect(page.locator("nav [aria-current=page]")).to_have_text("Resources")
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360
    await page.get_by_role("link", name="nbgrader-y").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Resources of nbgrader-y")
    prometheus.respond = (503, {}, b"")
    await page.goto(f"{site.origin}{PREFIX}resources?since=2026-03-01")
    await expect(page.get_by_text("No measurements of 2026-03-01")).to_be_visible()
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360
