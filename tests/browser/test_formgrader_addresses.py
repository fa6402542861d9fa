"""A script in an address, in chromium: executed by a bare formgrader, and not behind the proxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext

from tests.browser.conftest import CHROMIUM
from tests.formgrader_proxy.site import COURSE, INSTRUCTOR, TOKEN, formgrader_site
from tests.integration.formgrader_proxy.bare import bare_formgrader

PRINTED = [
    "formgrader/gradebook/{}",
    "formgrader/gradebook/ps1/{}",
    "formgrader/manage_submissions/{}",
    "formgrader/manage_students/{}",
    "formgrader/manage_students/ada/{}",
]
SCRIPT = "%22%3Bwindow.hostile=1%3B%22"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    with bare_formgrader(tmp_path_factory.mktemp("bare-course"), COURSE) as origin:
        yield origin


async def executes(context: BrowserContext, url: str) -> tuple[int, bool]:
    """The status of a page, and whether the script in its address was executed."""
    page = await context.new_page()
    answer = await page.goto(url, wait_until="domcontentloaded")
    assert answer is not None
    executed = await page.evaluate("window.hostile === 1")
    await page.close()
    return answer.status, bool(executed)


@pytest.mark.attack("script in an address")
async def test_a_script_in_an_address_is_executed_without_the_proxy_only(
    server: str, chromium: Browser, tmp_path: Path
) -> None:
    """In every place where nbgrader prints a part of the address."""
    context = await chromium.new_context()
    for template in PRINTED:
        url = f"{server}{COURSE}{template.format(SCRIPT)}"
        assert await executes(context, f"{url}?token={TOKEN}") == (200, True)
    async with formgrader_site(tmp_path, url=server) as site:
        cookies = (await site.browser(INSTRUCTOR)).cookies()
        await context.clear_cookies()
        await context.add_cookies(
            [{"name": name, "value": value, "url": site.origin} for name, value in cookies.items()]
        )
        for template in PRINTED:
            url = f"{site.origin}{COURSE}{template.format(SCRIPT)}"
            assert await executes(context, url) == (400, False)
        status, _ = await executes(context, f"{site.origin}{COURSE}formgrader/gradebook/ps1")
        assert status == 200
