"""The page for a meeting on paper, in a real browser: printed to PDF, on A4 and Letter."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, Page

from services.stats.commands.report import ReportOptions, report
from services.stats.commands.semester import Semester, semester_changes
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.browser.conftest import CHROMIUM
from tests.fakes.oauth import Browser as SignedIn
from tests.stats.web import site as stats

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 130
LONG = "nbgrader-" + "long name " * 24
"""A group, with a name as long as the Hub allows."""

A4, LETTER = (210, 297), (216, 279)
MARGINS = 22
"""Millimetres, left and right together."""


@pytest.fixture(scope="module")
def semester(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A semester of a course with a long name, with two gaps."""
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    path = tmp_path_factory.mktemp("meeting") / "stats.sqlite"

    async def fill() -> None:
        store = await Store.open(f"sqlite:///{path}", ZoneInfo("UTC"))
        leader = await store.take_leadership()
        for changes in semester_changes(Semester(START, days=DAYS, students={LONG: 80, "": 30})):
            await store.write(changes, leader=leader)
        await store.keep_hub_name("Jupyter at the University of Somewhere")
        await roll_up_until(store, START + timedelta(days=DAYS + 1))
        await store.close()

    asyncio.run(fill())
    return path


@pytest.fixture
async def signed_in(semester: Path) -> AsyncIterator[tuple[SignedIn, str]]:
    """An administrator's session, and the address of the statistics."""
    store = await Store.open(f"sqlite:///{semester}", ZoneInfo("UTC"))
    async with stats.stats_site(Queries(store)) as site:
        site.add_user("root", admin=True)
        browser = await site.browser("root")
        await browser.go(stats.PREFIX)
        yield browser, site.origin + stats.PREFIX
    await store.close()


def pages_of(pdf: bytes) -> int:
    """The number of pages, from the page objects that chromium writes without compression."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


CUT_OFF = """() => [...document.querySelectorAll('main, main *')]
    .filter((one) => one.getClientRects().length && !one.closest('.visually-hidden'))
    .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1
        || (one instanceof HTMLElement && one.scrollWidth > one.clientWidth + 1
            && getComputedStyle(one).overflowX !== 'visible'))
    .map((one) => one.outerHTML.slice(0, 100))"""
"""What is wider than the paper, or can be scrolled only."""

GREY = """() => [...document.querySelectorAll('.meeting-chart svg *, .meeting, .meeting *')]
    .flatMap((one) => ['fill', 'stroke', 'color'].map((name) => getComputedStyle(one)[name]))
    .filter((value) => value.startsWith('rgb'))
    .map((value) => value.match(/[\\d.]+/g).map(Number))
    .filter(([r, g, b]) => Math.max(r, g, b) - Math.min(r, g, b) > 12)"""
"""Colours that are not grey."""

LIGHTNESS = """() => [
    'html', 'body', '.meeting', '.meeting-chart .measure:not(.incomplete)'
].map((name) => {
    const style = getComputedStyle(document.querySelector(name));
    return name.includes('.measure') ? style.fill : style.backgroundColor;
})"""


async def on_paper(page: Page, millimetres: tuple[int, int]) -> None:
    """Lay the page out as it is printed, by a browser with a dark theme."""
    width = round((millimetres[0] - MARGINS) / 25.4 * 96)
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(media="print", color_scheme="dark")


async def check_print(page: Page, most_pages: int) -> None:
    """What is printed is whole, grey on white, and fits the pages."""
    for paper, name in ((A4, "A4"), (LETTER, "Letter")):
        await on_paper(page, paper)
        assert await page.evaluate(CUT_OFF) == [], name
        pdf = await page.pdf(format=name)
        assert 1 <= pages_of(pdf) <= most_pages, name
    assert await page.evaluate(GREY) == []
    html, body, article, bar = await page.evaluate(LIGHTNESS)
    assert {html, body, article} <= {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}
    assert body == "rgb(255, 255, 255)"
    assert bar == "rgb(51, 51, 51)"
    assert await page.locator(".meeting-chart .measure:visible").count() > 20
    for text in ("What was observed", "What was not counted", "All days and times are in UTC."):
        assert await page.get_by_text(text).is_visible()


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("since=30d", 1),
        ("since=2026-02-01&until=2026-03-15", 1),
        ("since=130d&until=2026-05-20", 2),
        (f"group={quote(LONG)}&since=120d", 2),
    ],
    ids=["a month", "with a gap", "a semester", "a long name"],
)
async def test_the_page_is_printed(
    chromium: Browser, signed_in: tuple[SignedIn, str], query: str, pages: int
) -> None:
    """One sheet for a month, two at most; no menu, no form, and light in a dark theme, too."""
    session, address = signed_in
    context = await chromium.new_context(color_scheme="dark", java_script_enabled=True)
    await context.add_cookies(
        [{"name": k, "value": v, "url": address} for k, v in session.cookies().items()]
    )
    page = await context.new_page()
    answer = await page.goto(f"{address}meeting?{query}")
    assert answer is not None
    assert answer.status == 200
    assert await page.locator("nav[aria-label=Site]").is_visible()
    await check_print(page, pages)
    for hidden in ("nav[aria-label=Site]", "form", "button", ".skip-link", ".meeting-controls"):
        assert await page.locator(f"{hidden}:visible").count() == 0, hidden
    await context.close()


async def test_the_file_is_printed(chromium: Browser, semester: Path, tmp_path: Path) -> None:
    """The report's file shows and prints the same without a server, and loads nothing."""
    store = await Store.open(f"sqlite:///{semester}", ZoneInfo("UTC"))
    html = await report(store, ReportOptions.parse({"format": "html"}, []), None)
    await store.close()
    file = tmp_path / "meeting.html"
    file.write_text(html, "utf-8")
    context = await chromium.new_context(color_scheme="dark", java_script_enabled=False)
    page = await context.new_page()
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda one: requests.append(one.url))
    page.on("console", lambda one: errors.append(one.text))
    await page.goto(file.as_uri())
    ink, paper = await page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (ink, paper) == ("rgb(31, 35, 40)", "rgb(255, 255, 255)")
    await check_print(page, 1)
    assert requests == [file.as_uri()]
    assert errors == []
    await context.close()


async def test_a_phone_shows_all_of_it(chromium: Browser, signed_in: tuple[SignedIn, str]) -> None:
    """Nothing is wider than the screen, and no word of a figure's name is broken."""
    session, address = signed_in
    context = await chromium.new_context(viewport={"width": 360, "height": 740})
    await context.add_cookies(
        [{"name": k, "value": v, "url": address} for k, v in session.cookies().items()]
    )
    page = await context.new_page()
    await page.goto(f"{address}meeting?group={quote(LONG)}")
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360
    await page.goto(f"{address}meeting?since=60d")
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360
    heading = await page.get_by_role("rowheader", name="Sessions").bounding_box()
    assert heading is not None
    assert heading["height"] < 35
    await context.close()
