"""nbgrader's tables with 1,100 rows in Chromium: from the data to the drawn table.

Both formgraders serve a real course. The data is fetched once and then served from memory, so that
only the browser is measured: its time until the next frame after the table is complete, and the CPU
time of the page's main thread.
"""

import asyncio
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Route, async_playwright

from tests.bench.formgrader_proxy.autograde import BARE, start
from tests.bench.formgrader_proxy.next_page import large_course
from tests.bench.measure import BenchError, Sample
from tests.bench.report import Table
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.integration.autograding.formgrader import TOKEN, Formgrader, formgrader

OURS = "services.formgrader_proxy"
STUDENTS = 1_100
#: Seconds from the data to the drawn table, the issue's target.
MOST_SECONDS = 1.0
PAGES = {
    "Manage Submissions": "manage_submissions/ps1",
    "Submissions of a notebook": "gradebook/ps1/sums",
    "Manage Students": "manage_students",
}
#: Seconds from the end of the response with the data to the frame after the table is complete.
DRAWN = """() => new Promise((resolve) => {
  const frame = () => requestAnimationFrame(() => setTimeout(() => {
    const data = performance.getEntriesByType("resource")
      .filter((entry) => entry.name.includes("/formgrader/api/"));
    resolve([(performance.now() - data.at(-1).responseEnd) / 1000,
      document.querySelectorAll("#main-table tr").length]);
  }));
  const wait = () =>
    document.querySelector("table.dataTable tbody tr a") ? frame() : setTimeout(wait, 5);
  wait();
})"""


class Tab:
    """A page in the browser that shows one table again and again."""

    def __init__(self, page: Page, devtools: CDPSession, address: str) -> None:
        self._page = page
        self._devtools = devtools
        self._address = address
        self._data: dict[str, bytes] = {}
        self._before: dict[str, float] = {}

    @classmethod
    async def open(cls, context: BrowserContext, formgrader: Formgrader, path: str) -> "Tab":
        page = await context.new_page()
        page.set_default_timeout(600_000)  # a bare formgrader takes minutes for its first list
        devtools = await context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        tab = cls(page, devtools, f"{formgrader.url}formgrader/{path}")
        await page.route("**/formgrader/api/**", tab._answer)
        await tab.draw()
        return tab

    async def draw(self) -> Sample:
        """Measure the table once.

        :raises BenchError: rows are missing
        """
        await self._page.goto(self._address)
        seconds, rows = await self._page.evaluate(DRAWN)
        if rows != STUDENTS:
            raise BenchError(f"{self._address} has {rows} rows")
        after = await self._metrics()
        spent = after["ThreadTime"] - self._before["ThreadTime"]
        return Sample(wall=seconds, cpu=spent, peak_mb=after["JSHeapUsedSize"] / 1e6)

    async def _answer(self, route: Route) -> None:
        url = route.request.url
        if url not in self._data:
            response = await route.fetch(timeout=0)
            self._data[url] = await response.body()
        self._before = await self._metrics()
        await route.fulfill(body=self._data[url], content_type="text/html")

    async def _metrics(self) -> dict[str, float]:
        found: dict[str, Any] = await self._devtools.send("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in found["metrics"]}


def drawing(repeats: int) -> list[Table]:
    """Draw each table ``repeats`` times, in turns."""
    if CHROMIUM is None:
        raise BenchError("no browser here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        course = large_course(Path(directory) / "course", STUDENTS)
        # Ours comes first: it adds the indexes without which the bare one takes minutes.
        ours = stack.enter_context(formgrader(course, None))
        bare = stack.enter_context(start(BARE, course))
        samples = asyncio.run(_measured({BARE: bare, OURS: ours}, repeats))
    return [_table(title, found) for title, found in samples.items()]


async def _measured(
    formgraders: dict[str, Formgrader], repeats: int
) -> dict[str, dict[str, list[Sample]]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            return {
                title: await _in_turns(browser, formgraders, path, repeats)
                for title, path in PAGES.items()
            }
        finally:
            await browser.close()


async def _in_turns(
    browser: Browser, formgraders: dict[str, Formgrader], path: str, repeats: int
) -> dict[str, list[Sample]]:
    context = await browser.new_context(extra_http_headers={"Authorization": f"token {TOKEN}"})
    tabs = {name: await Tab.open(context, one, path) for name, one in formgraders.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in tabs}
    for _ in range(repeats):
        for name, tab in tabs.items():
            samples[name].append(await tab.draw())
    await context.close()
    return samples


def _table(title: str, samples: dict[str, list[Sample]]) -> Table:
    name = title.lower().replace(" ", "-")
    median = statistics.median(sample.wall for sample in samples[OURS])
    verdict = "Met" if median <= MOST_SECONDS else "MISSED"
    return Table(
        f"formgrader-tables-{name}",
        f"{title}: a table with {STUDENTS:,} rows in Chromium",
        samples,
        BARE,
        benchmark="formgrader-tables",
        notes=[
            f"{verdict}: {OURS} draws the table in {median:.3f} s, target {MOST_SECONDS:.0f} s.",
            "CPU time is that of the page's main thread, and the memory that of its scripts.",
        ],
    )
