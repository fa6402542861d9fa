"""The statistics' dashboard in a real browser, with a real Hub and proxy."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
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
STUDENT, INSTRUCTOR = "ada", "ines"
"""Real users who have a history in the demo data."""
NEWCOMER = "zoe"
DROPOUT = "made-up-0013"
PERSON = "person?user=made-up-0007"
DAYS = 60
UNOBSERVED = (40, 41, 42)
"""Days of the semester without polls."""
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PAGES = (
    "",
    "users",
    "inactive",
    "dropped-off",
    "distribution",
    "servers",
    "meeting",
    PERSON + "&since=60d",
    "person",
)
CHARTS = ("active", "ratio", "newcomers", "servers", "sessions", "hours", "savings", "lengths")

pytestmark = pytest.mark.usefixtures("stats_hub")


def demo(now: datetime) -> Semester:
    """Two months of demo data up to ``now``, in which two real users have a history."""
    start = last_days(now, DAYS)
    return Semester(
        start, DAYS + 1, users=(STUDENT,), staff=(INSTRUCTOR,), until=now, with_spawns=True
    )


async def fill(database: Path) -> None:
    """Write two months of demo data, of which three days were not observed, and today so far."""
    store = await Store.open(f"sqlite:///{database}", ZoneInfo("UTC"))
    await store.mark_made_up()
    leader = await store.take_leadership()
    now = datetime.now(UTC).replace(microsecond=0)
    semester = demo(now)
    away = {(semester.start + timedelta(days=day)).date() for day in UNOBSERVED}
    for changes in semester_changes(semester):
        changes.polls = {
            time: poll
            for time, poll in changes.polls.items()
            if (time - timedelta(seconds=1)).date() not in away
        }
        await store.write(changes, leader=leader)
    await roll_up_until(store, now)
    await store.close()


def stats_config(database: Path, **more: Any) -> str:
    """Hub configuration that declares the statistics with this database and ``more`` options."""
    options = {"db_url": f"sqlite:///{database}", "interval": 60, "admin_users": [WARDEN], **more}
    groups = {COURSE: {"users": [STUDENT]}, "formgrade-course101": {"users": [INSTRUCTOR]}}
    return (
        "from services.declare import declare\n"
        f"declare(c, stats={options!r})\n"
        f"c.JupyterHub.load_groups = {groups!r}\n"
    )


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


async def test_servers_have_charts(stats_hub: RealHub, visit: Visit) -> None:
    """What users chose, and how many servers to expect; nothing is drawn that is not known."""
    page = await visit(stats_hub, stats_hub.admin, STATS + "servers")
    await ready(page)
    for key in ("forecast", "profiles", "images"):
        assert await pixels(chart(page, key), "--series-1") > 20, key
    for key, name in (
        ("profiles", "gpu"),
        ("images", "quay.io/jupyter/pytorch-notebook:2026-09-01"),
    ):
        await page.locator(f"#{key} summary").click()
        await expect(page.locator(f"#{key}").get_by_role("row", name=name)).to_be_visible()
    peak = page.locator("dl.facts-row div").filter(has_text="Peak expected on")
    await expect(peak).to_have_text(re.compile(r"on \d{4}-\d\d-\d\d[\d.]+ \(upper value: \d+\)$"))
    menu = page.get_by_role("link", name="Servers", exact=True)
    await expect(menu).to_have_attribute("aria-current", "page")


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


async def test_a_line_is_named_at_its_end(stats_hub: RealHub, visit: Visit) -> None:
    """Lines have their name beside them without overlaps, and the legend the last whole day."""
    page = await visit(stats_hub, stats_hub.admin, STATS)
    await ready(page)
    for key, names in (
        ("active", ["Active", "In 7 days", "In 30 days"]),
        ("hours", ["Active", "Idle", "Not observed"]),
        ("ratio", []),
        ("sessions", []),
    ):
        labels = chart(page, key).locator(".end")
        assert await labels.all_text_contents() == names
        boxes = [await label.bounding_box() for label in await labels.all()]
        tops = sorted(box["y"] for box in boxes if box)
        assert all(lower - upper >= 15 for upper, lower in pairwise(tops)), key
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    row = page.locator("#active tbody tr", has=page.locator(f"[datetime='{yesterday}']"))
    legend = chart(page, "active").locator(".u-legend .u-value")
    await expect(legend.first).to_have_text(yesterday)
    await expect(legend.nth(1)).to_have_text(str(await row.locator("td").first.text_content()))
    at = "spread([50, 50, 51, 2], 16, 0, 100)"
    assert await page.evaluate(at) == [50, 66, 82, 2]
    assert await page.evaluate("spread([99, 98], 16, 0, 100)") == [100, 84]


async def test_today_is_no_drop(stats_hub: RealHub, visit: Visit) -> None:
    """Today is marked as not over; no line leads to its number, which is a hollow mark."""
    page = await visit(stats_hub, stats_hub.admin, STATS)
    await ready(page)
    active = chart(page, "active")
    await expect(active.locator(".so-far")).to_have_text("today, so far")
    await expect(page.locator("#active tbody tr").last).to_contain_text("today, so far")
    values = "(table) => read(table).series.map((one) => [one.values.at(-1), one.soFar.at(-1)])"
    drawn = await page.locator("#active table[data-draw]").evaluate(values)
    assert all(line is None and isinstance(mark, int) for line, mark in drawn)
    await expect(chart(page, "lengths").locator(".so-far")).to_have_count(0)


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
    await page.get_by_role("link", name=DROPOUT).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(DROPOUT)
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
    page = await visit(stats_hub, STUDENT, STATS, expected=expected_403)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your activity")
    await expect(page.get_by_text("Last week you worked")).to_be_visible()
    months = page.get_by_role("table")
    await expect(months.first).to_have_accessible_name(f"{datetime.now(UTC):%B %Y}")
    worked = page.locator("[class*=shade-]:not(.shade-0) .time")
    await expect(worked.first).to_have_text(re.compile(r"^(≥ )?\d+\s(h|min)( \d+\smin)?$"))
    today = page.locator("td[aria-current=date]")
    await expect(today.locator("time")).to_have_attribute(
        "datetime", datetime.now(UTC).date().isoformat()
    )
    away = last_days(datetime.now(UTC), DAYS) + timedelta(days=UNOBSERVED[0])
    unobserved = page.locator("td.unobserved", has=page.locator(f"[datetime='{away.date()}']"))
    await expect(unobserved).to_contain_text("not observed")
    await expect(page.locator("canvas, form[method=get]")).to_have_count(0)
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
    await expect(legend.first).to_have_text(str(await last.locator("th time").text_content()))
    await expect(legend.nth(1)).to_have_text(str(await last.locator("td").first.text_content()))
    await page.keyboard.press("ArrowLeft")
    before = page.locator("#active tbody tr").nth(-2).locator("th time")
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
                `[role=img], [role=region], main table, input:not([type=hidden]), select,
                 svg:not([aria-hidden])`)]
              .filter((one) => !one.closest('label') && !one.getAttribute('aria-label')
                && !document.getElementById(one.getAttribute('aria-labelledby') ?? '-')
                && !one.caption && !one.classList.contains('u-legend'))
              .map((one) => one.outerHTML.slice(0, 200))"""
        )
        assert nameless == [], path


async def test_axe_finds_nothing(stats_hub: RealHub, visit: Visit) -> None:
    """Every page follows the rules that axe checks, and has enough contrast in the dark theme."""
    axe = pytest.importorskip("axe_playwright_python.async_playwright").Axe()
    page = await visit(stats_hub, stats_hub.admin, STATS, **PHONE)
    student = await visit(stats_hub, STUDENT, STATS)
    for path in ("?since=4d", "users?q=0001", "servers?since=4d", PERSON + "&since=4d"):
        await page.emulate_media(color_scheme="light")
        await page.goto(f"{stats_hub.url}{STATS}{path}")
        await ready(page)
        for closed in ("details.filter", "details.numbers"):  # the others have the same parts
            if await page.locator(closed).count():
                await page.locator(closed).first.evaluate("(one) => { one.open = true; }")
        assert await violations(axe, page) == [], path
        await page.emulate_media(color_scheme="dark")
        assert await violations(axe, page, "color-contrast") == [], path
    assert await violations(axe, student) == []
    await student.emulate_media(color_scheme="dark")
    assert await violations(axe, student, "color-contrast") == []


async def violations(axe: Any, page: Page, rule: str = "") -> list[tuple[str, str]]:
    """The rules (or the one given) that the page breaks, each with the first element that does."""
    options = {"runOnly": [rule]} if rule else {}
    found = (await axe.run(page, options=options)).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]


async def test_headings_of_tables_stay(stats_hub: RealHub, visit: Visit) -> None:
    """The headings of a long table remain visible while the page, or the table, scrolls."""
    page = await visit(stats_hub, stats_hub.admin, STATS + "users")
    head = page.locator("thead th").first
    await page.evaluate("scrollTo(0, 900)")
    assert await top(head) == 0
    await page.goto(f"{stats_hub.url}{STATS}?since=60d")
    await page.locator("#active summary").click()
    box = page.locator("#active .scroll")
    await box.evaluate("(one) => one.scrollTo(0, 500)")
    assert await top(box.locator("thead th").first) == pytest.approx(await top(box), abs=1)


async def top(one: Locator) -> float:
    """Where an element begins in the window."""
    box = await one.bounding_box()
    assert box is not None
    return box["y"]


async def test_forced_colours(stats_hub: RealHub, visit: Visit) -> None:
    """With forced colours, shades and unobserved days remain distinguishable."""
    page = await visit(stats_hub, STUDENT, STATS, forced_colors="active")
    shade = page.locator("td.shade-4, td.shade-5, td.shade-3").first
    await expect(shade.locator(".time")).to_be_visible()
    style = "(one) => getComputedStyle(one).borderTopStyle"
    assert await page.locator("td.unobserved").first.evaluate(style) == "dotted"


async def test_new_student(stats_hub: RealHub, visit: Visit) -> None:
    """A student without any records reads that nothing is recorded yet."""
    await stats_hub.create_user(NEWCOMER, groups=[COURSE])
    page = await visit(stats_hub, NEWCOMER, STATS)
    await expect(page.get_by_text("Nothing recorded yet.")).to_be_visible()


async def test_first_screen(stats_hub: RealHub, visit: Visit) -> None:
    """The three figures and the chart are within one screen, and lead to those not started."""
    page = await visit(stats_hub, INSTRUCTOR, STATS, viewport={"width": 1280, "height": 900})
    await ready(page)
    await expect(page.locator(".headline > div")).to_have_count(3)
    canvas = await chart(page, "active").locator("canvas").bounding_box()
    assert canvas is not None
    assert canvas["y"] + canvas["height"] <= 900
    number = int(await page.locator("#not-started strong").text_content() or "")
    assert number > 0
    await page.get_by_role("link", name="Show who has not started").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not started yet")
    await expect(page.get_by_role("status")).to_contain_text(f"{number} users")


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


CUT_OFF = """() => [...document.querySelectorAll("main, main *")]
    .filter((one) => one.checkVisibility() && !one.closest(".visually-hidden"))
    .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map((one) => one.outerHTML.slice(0, 100))"""
"""What is wider than the paper."""


async def test_printed(stats_hub: RealHub, visit: Visit) -> None:
    """On A4, charts are light even in the dark theme, and nothing is cut off."""
    page = await visit(stats_hub, stats_hub.admin, STATS, color_scheme="dark")

    async def light() -> bool:
        return await pixels(chart(page, "lengths"), "--series-1") > 100

    for path in ("", PERSON + "&since=60d"):
        await page.goto(f"{stats_hub.url}{STATS}{path}")
        await ready(page)
        # As when the browser prints, which leaves no page to look at.
        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        await page.set_viewport_size({"width": 718, "height": 1000})
        await page.emulate_media(media="print")
        await stats_hub.until("a chart in the colours of paper", light)
        assert await page.evaluate(CUT_OFF) == []
        await expect(page.locator("#filter, .csv").filter(visible=True)).to_have_count(0)
        await page.evaluate("dispatchEvent(new Event('afterprint'))")
        await page.emulate_media(media="screen")
        assert await page.evaluate("document.documentElement.className") == ""


async def test_calendar_fits(stats_hub: RealHub, visit: Visit) -> None:
    """Each time of a student's calendar is inside its day, on a phone and on a wide screen."""
    page = await visit(stats_hub, STUDENT, STATS)
    for width in (360, 700, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        outside = await page.locator(".month .time").evaluate_all(
            """times => times.filter((one) => one.getBoundingClientRect().right >
                one.closest("td").getBoundingClientRect().right).map((one) => one.textContent)"""
        )
        assert outside == [], width
    assert await page.locator(".month .time").count() > 5


async def test_phone(stats_hub: RealHub, visit: Visit) -> None:
    """At a width of 360 pixels no page scrolls sideways, charts fit, and the form is collapsed."""
    page = await visit(stats_hub, stats_hub.admin, STATS, **PHONE)
    for path in PAGES:
        await page.goto(f"{stats_hub.url}{STATS}{path}")
        await ready(page)
        await expect(page.locator("#filter")).to_be_hidden()
        for one in await page.locator("summary").all():
            size = await one.bounding_box()
            assert size is not None
            assert size["height"] >= 40
            await one.click()
        await expect(page.locator("#filter")).to_be_visible()
        assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360, path
        for box in await page.locator(".chart").all():
            size = await box.bounding_box()
            assert size is not None
            assert 200 < size["width"] < 360
        assert await small_targets(page) == [], path
        for row in (await page.locator("table.compact tbody tr").all())[:3]:
            size = await row.bounding_box()
            assert size is not None
            assert size["height"] < 200  # of a list of 50 users, so that it stays short


async def small_targets(page: Page) -> list[str]:
    """Links and fields that are less than 24 pixels high and not inside a sentence."""
    return list(
        await page.evaluate(
            """() => [...document.querySelectorAll("a, button, input, select, summary")]
              .filter((one) => one.checkVisibility() && !one.closest("p.soft, .skip-link"))
              .filter((one) => 0 < one.offsetHeight && one.offsetHeight < 24)
              .map((one) => one.outerHTML.slice(0, 120))"""
        )
    )


async def test_map_on_a_phone(stats_hub: RealHub, visit: Visit) -> None:
    """The week by hour starts at the first hour in which anybody was active."""
    page = await visit(stats_hub, stats_hub.admin, STATS, **PHONE)
    heads = page.locator("#week thead th:visible")
    shown = [str(text) for text in await heads.all_text_contents()]
    assert shown[:2] == ["Day", "08"]
    assert shown[-1] == "23"
    await page.set_viewport_size({"width": 1200, "height": 800})
    assert len(await heads.all_text_contents()) == 25
    await page.goto(f"{stats_hub.url}{STATS}person?user={STUDENT}")
    await expect(page.locator("#week")).to_contain_text("Mean active minutes")


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
