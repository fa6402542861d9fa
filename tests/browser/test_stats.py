"""The statistics' dashboard in a real browser, with a real Hub and proxy."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Locator, Page, expect

from services.stats.commands.semester import Semester, last_days, semester_changes
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.store import Store
from tests.browser.conftest import CHROMIUM, WARDEN, Visit
from tests.integration.processes import proxy_command
from tests.integration.realhub import RealHub

STATS = "services/stats/"
COURSE = "nbgrader-course101"
DAYS = 60
UNOBSERVED = (40, 41, 42)
"""Days of the semester without polls."""
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PAGES = ("", "users", "inactive", "person?user=made-up-0007&since=60d", "person")
CHARTS = ("active", "newcomers", "servers", "sessions", "hours", "savings", "lengths")

pytestmark = pytest.mark.usefixtures("stats_hub")


async def fill(database: Path) -> None:
    """Write two months of demo data, of which three days were not observed."""
    store = await Store.open(f"sqlite:///{database}", ZoneInfo("UTC"))
    await store.mark_made_up()
    leader = await store.take_leadership()
    start = last_days(datetime.now(UTC), DAYS)
    away = {(start + timedelta(days=day)).date() for day in UNOBSERVED}
    for changes in semester_changes(Semester(start, days=DAYS)):
        changes.polls = {
            time: poll
            for time, poll in changes.polls.items()
            if (time - timedelta(seconds=1)).date() not in away
        }
        await store.write(changes, leader=leader)
    await roll_up_until(store, datetime.now(UTC))
    await store.close()


def stats_config(database: Path) -> str:
    """Hub configuration that declares the statistics with this database."""
    options = {"db_url": f"sqlite:///{database}", "interval": 60, "admin_users": [WARDEN]}
    return f"from services.declare import declare\ndeclare(c, stats={options!r})\n"


@pytest.fixture(scope="module")
def stats_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A real hub with the statistics as a managed service and demo data in its database."""
    if proxy_command() is None:
        pytest.skip("configurable-http-proxy is missing: run `make setup`")
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    directory = tmp_path_factory.mktemp("stats-hub")
    database = directory / "stats.sqlite"
    asyncio.run(fill(database))
    with RealHub(directory / "hub", extra_config=stats_config(database)) as hub:
        yield hub


@pytest.fixture
def expected_403() -> str:
    """The browser's message about a page that answers 403."""
    return "status of 403"


async def ready(page: Page) -> None:
    """Wait until the script has drawn all charts."""
    tables = await page.locator("table[data-draw]").count()
    await expect(page.locator(".chart canvas")).to_have_count(tables, timeout=60_000)


PIXELS = """
const rgb = (name) => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3).join();
};
const { width, height } = canvas;
const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
const at = (x, y) => data.slice(4 * (y * width + x), 4 * (y * width + x) + 3).join();
"""
"""Start of a function of a canvas that compares a CSS variable's colour with pixels."""


async def pixels(chart: Locator, variable: str) -> int:
    """The number of pixels of the chart that have the colour of a CSS variable."""
    count = """
    let number = 0;
    for (let x = 0; x < width; x++)
        for (let y = 0; y < height; y++)
            if (at(x, y) === rgb_of) number++;
    return number;"""
    script = f"(canvas, name) => {{ {PIXELS} const rgb_of = rgb(name); {count} }}"
    return int(await chart.locator("canvas").evaluate(script, variable))


async def lines_in_gap(chart: Locator) -> int:
    """The number of line pixels in the middle of a grey background; -1 if there is none."""
    count = """
    const unobserved = rgb("--unobserved"), grey = [];
    const lines = ["--series-1", "--series-2", "--series-3"].map(rgb);
    for (let x = 0; x < width; x++) if (at(x, Math.round(height / 4)) === unobserved) grey.push(x);
    if (grey.length < 5) return -1;
    const middle = grey[Math.floor(grey.length / 2)];
    let number = 0;
    for (let y = 0; y < height; y++) if (lines.includes(at(middle, y))) number++;
    return number;"""
    return int(await chart.locator("canvas").evaluate(f"(canvas) => {{ {PIXELS} {count} }}"))


def chart(page: Page, key: str) -> Locator:
    """The chart of a figure."""
    return page.locator(f"#{key} .chart")


async def test_overview_has_charts(stats_hub: RealHub, visit: Visit) -> None:
    """Every figure has a chart that is not empty, and the page is marked as demo data."""
    page = await visit(stats_hub, stats_hub.admin, STATS)
    await expect(page.get_by_role("heading", level=1)).to_have_text("The whole hub")
    await expect(page.get_by_text("Demo data.")).to_be_visible()
    await ready(page)
    for key in CHARTS:
        await expect(chart(page, key).locator("canvas")).to_have_count(1)
    for key in ("active", "servers", "sessions", "hours", "lengths"):
        assert await pixels(chart(page, key), "--series-1") > 20, key
    await expect(page.locator("#hours tbody td[data-value]").first).to_have_text(
        re.compile(r"^[\d,]+ (h|min)( \d+ min)?$")
    )
    await expect(page.locator("#week tbody tr")).to_have_count(7)
    assert await page.locator("#week .shade-8").count() > 0


async def test_gap_is_grey(stats_hub: RealHub, visit: Visit) -> None:
    """A gap has a grey background and no line in the chart, and dashes in the table."""
    page = await visit(stats_hub, stats_hub.admin, STATS + f"?since={DAYS}d")
    await ready(page)
    active = chart(page, "active")
    assert int(await active.get_attribute("data-gaps") or 0) >= 1
    assert await pixels(active, "--unobserved") > 1000
    assert await pixels(chart(page, "lengths"), "--unobserved") == 0

    day = (last_days(datetime.now(UTC), DAYS) + timedelta(days=UNOBSERVED[1])).date().isoformat()
    row = page.locator("#active tbody tr").filter(has=page.locator(f"time[datetime='{day}']"))
    assert await row.locator("td").first.text_content() == "\N{EN DASH}"
    assert await lines_in_gap(active) == 0


async def test_instructor_finds_inactive_students(
    stats_hub: RealHub, visit: Visit, expected_403: str
) -> None:
    """An instructor gets from the course to a student's timeline, but not to other courses."""
    await stats_hub.create_user("tina", groups=["formgrade-course101"])
    page = await visit(stats_hub, "tina", STATS, expected=expected_403)
    await expect(page.get_by_role("heading", level=1)).to_have_text(COURSE)
    await page.get_by_role("link", name="Inactive users").click()
    await page.get_by_label("Not active since").fill(f"{datetime.now(UTC):%Y-%m-%d}")
    await page.get_by_role("button", name="Show").click()
    first = page.locator("tbody th a").first
    name = str(await first.text_content())
    await first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    await page.get_by_role("link", name="90 days").click()
    await expect(page.get_by_role("img", name="Sessions by day")).to_be_visible()
    assert await page.locator("svg rect.work").count() > 0
    answer = await page.goto(f"{stats_hub.url}{STATS}users?group=nbgrader-demo-statistics")
    assert answer is not None
    assert answer.status == 403


async def test_student_sees_only_their_own_activity(
    stats_hub: RealHub, visit: Visit, expected_403: str
) -> None:
    """The menu does not lead to other users, and a guessed address is refused."""
    await stats_hub.create_user("stu", groups=[COURSE])
    page = await visit(stats_hub, "stu", STATS, expected=expected_403)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your activity")
    await expect(page.get_by_role("link", name="Users")).to_have_count(0)
    answer = await page.goto(f"{stats_hub.url}{STATS}person?user=made-up-0001")
    assert answer is not None
    assert answer.status == 403


async def test_admin_scope_gives_full_access(stats_hub: RealHub, visit: Visit) -> None:
    """A user with the scope sees the whole hub without being a Hub administrator."""
    page = await visit(stats_hub, WARDEN, STATS)
    await expect(page.get_by_role("heading", level=1)).to_have_text("The whole hub")
    assert (await stats_hub.user(WARDEN) or {})["admin"] is False


async def test_keyboard(stats_hub: RealHub, visit: Visit) -> None:
    """Charts can be read, and tables opened, sorted and searched, without a mouse."""
    page = await visit(stats_hub, stats_hub.admin, STATS)
    await ready(page)
    active = chart(page, "active")
    await active.focus()
    await page.keyboard.press("End")
    last = page.locator("#active tbody tr").last
    legend = active.locator(".u-legend .u-value")
    await expect(legend.first).to_have_text(str(await last.locator("th").text_content()))
    await expect(legend.nth(1)).to_have_text(str(await last.locator("td").first.text_content()))
    await page.keyboard.press("ArrowLeft")
    before = page.locator("#active tbody tr").nth(-2).locator("th")
    await expect(legend.first).to_have_text(str(await before.text_content()))

    await page.locator("#active summary").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#active .numbers table")).to_be_visible()

    await page.goto(f"{stats_hub.url}{STATS}users")
    await page.get_by_role("link", name="Active time").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("th[aria-sort=descending]")).to_contain_text("Active time")
    await page.get_by_label("Name").fill("0042")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_everything_has_an_accessible_name(stats_hub: RealHub, visit: Visit) -> None:
    """Every picture, region, table and field has an accessible name."""
    page = await visit(stats_hub, stats_hub.admin, STATS)
    for path in PAGES:
        await page.goto(f"{stats_hub.url}{STATS}{path}")
        await ready(page)
        nameless = await page.evaluate(
            """() => [...document.querySelectorAll(
                '[role=img], [role=region], main table, input:not([type=hidden]), select, svg')]
              .filter((one) => !one.closest('label') && !one.getAttribute('aria-label')
                && !document.getElementById(one.getAttribute('aria-labelledby') ?? '-')
                && !one.caption && !one.classList.contains('u-legend'))
              .map((one) => one.outerHTML.slice(0, 200))"""
        )
        assert nameless == [], path


async def test_theme_follows_the_system(stats_hub: RealHub, visit: Visit) -> None:
    """Pages and charts follow the system's theme, even if it changes on an open page."""
    page = await visit(stats_hub, stats_hub.admin, STATS, color_scheme="dark")
    await ready(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate(ground) == "rgb(18, 20, 22)"
    bars = chart(page, "lengths")
    assert await pixels(bars, "--series-1") > 100
    await page.emulate_media(color_scheme="light")

    async def light() -> bool:
        return await pixels(bars, "--series-1") > 100

    await stats_hub.until("a chart in the light theme's colours", light)
    assert await page.evaluate(ground) == "rgb(245, 245, 245)"


async def test_phone(stats_hub: RealHub, visit: Visit) -> None:
    """At a width of 360 pixels no page scrolls sideways, and charts fit."""
    page = await visit(stats_hub, stats_hub.admin, STATS, **PHONE)
    for path in PAGES:
        await page.goto(f"{stats_hub.url}{STATS}{path}")
        await ready(page)
        for one in await page.locator("summary").all():
            await one.click()
        assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360, path
        for box in await page.locator(".chart").all():
            size = await box.bounding_box()
            assert size is not None
            assert 200 < size["width"] < 360


async def test_without_scripts(stats_hub: RealHub, visit: Visit) -> None:
    """Without scripts, tables, search, ranges and the timeline work; only charts are missing."""
    page = await visit(stats_hub, stats_hub.admin, STATS, java_script_enabled=False)
    await expect(page.locator("noscript p")).to_be_visible()
    await page.locator("#active summary").click()
    assert await page.locator("#active tbody tr:visible").count() >= 29
    await page.get_by_label("Group").select_option(COURSE)
    await page.locator("select[name=by]").select_option("week")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(COURSE)
    assert "group=nbgrader-course101" in page.url
    await expect(page.locator("select[name=by]")).to_have_value("week")
    await page.goto(f"{stats_hub.url}{STATS}person?user=made-up-0007&since=60d")
    assert await page.locator("svg rect.running").count() > 0


async def test_times_are_in_the_zone_of_the_days(stats_hub: RealHub, visit: Visit) -> None:
    """Wherever the browser is, times are in the database's zone unless the address names one."""
    page = await visit(stats_hub, stats_hub.admin, STATS, timezone_id="America/New_York")
    await ready(page)
    await expect(page.get_by_text("All days and times are in UTC.")).to_be_visible()
    await page.goto(f"{stats_hub.url}{STATS}?timezone=Europe/Berlin")
    await ready(page)
    await expect(page.get_by_text("dates with a time in Europe/Berlin")).to_be_visible()
    assert await page.locator("#zones option").count() > 100


async def test_csv_download(stats_hub: RealHub, visit: Visit, tmp_path: Path) -> None:
    """The link below a chart downloads its table as a file."""
    page = await visit(stats_hub, stats_hub.admin, STATS)
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="CSV of Active users").click()
    download = await waiting.value
    assert download.suggested_filename == "active.csv"
    await download.save_as(tmp_path / "active.csv")
    lines = (tmp_path / "active.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("first,active_users,weekly_active,monthly_active")
    assert len(lines) == 31
