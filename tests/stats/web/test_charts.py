"""A dashboard with and without uPlot."""

import logging

import pytest
from aiohttp import web

from common.web.pages import PAGES, Pages
from services.stats.web.charts import MISSING, SCRIPT, STYLE, charts_available, warn_without_charts
from tests.stats.course import ALL
from tests.stats.web.site import StatsSite, get, text


@pytest.fixture
def app() -> web.Application:
    """An application without static files."""
    made = web.Application()
    made[PAGES] = Pages("/")
    return made


def test_missing_script_is_logged_with_what_to_run(
    app: web.Application, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line names the command that installs uPlot."""
    warn_without_charts(app)
    assert not charts_available(app)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "run `make setup`" in caplog.text


def test_nothing_is_logged_with_the_script(
    site: StatsSite, caplog: pytest.LogCaptureFixture
) -> None:
    """With uPlot there is nothing to report."""
    assert charts_available(site.app)
    caplog.clear()
    warn_without_charts(site.app)
    assert caplog.records == []


async def test_pages_load_uplot(site: StatsSite) -> None:
    """A page links the script, its style and no notice."""
    page = await get(site, "root", "?" + ALL)
    assert SCRIPT in page.text
    assert STYLE in page.text
    assert "No charts" not in text(page)


@pytest.mark.parametrize("path", ["?", "person?user=ana&"])
async def test_pages_without_uplot_still_show_the_numbers(site: StatsSite, path: str) -> None:
    """Without uPlot a page has its tables, does not link the script, and says what to run."""
    for name in (SCRIPT, STYLE):
        del site.app[PAGES].files[name]
    page = await get(site, "root", path + ALL)
    assert page.status == 200
    assert "uplot" not in page.text.partition("<main")[0].lower()
    assert page.text.count("data-draw=") >= 3
    assert f"No charts. {MISSING}." in text(page)
    assert "run `make setup`" in text(page)
