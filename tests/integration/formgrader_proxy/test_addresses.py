"""Scripts in addresses, executed by a bare formgrader and refused in front of it.

The formgrader is the real one, as an external formgrader (``url``) of a course.
"""

import html
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.formgrader_proxy.site import COURSE, INSTRUCTOR, TOKEN, Site, formgrader_site
from tests.integration.formgrader_proxy.bare import bare_formgrader

SCRIPT = '";window.x=1;"'
ENCODED = "%22%3Bwindow.x=1%3B%22"
PRINTED = [
    "formgrader/gradebook/{}",
    "formgrader/gradebook/ps1/{}",
    "formgrader/manage_submissions/{}",
    "formgrader/manage_students/{}",
    "formgrader/manage_students/ada/{}",
]
NAMES = ["ps1", "\u00dcbung 1 (B\u00e4ume)", "ada+test@example.org", "Newton\u2019s law, part 2!"]


@dataclass
class Bare:
    """A running formgrader, without a proxy."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str]:
        address = URL(self.url + path, encoded=True)
        async with self.session.get(address, allow_redirects=False) as answer:
            return answer.status, await answer.text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bare_formgrader(tmp_path_factory.mktemp("bare-course"), COURSE) as url:
        yield url


@pytest.fixture
async def bare(server: str) -> AsyncIterator[Bare]:
    async with aiohttp.ClientSession(headers={"Authorization": f"token {TOKEN}"}) as session:
        yield Bare(server + COURSE, session)


@pytest.fixture(params=["listed", "full"])
async def ours(
    bare: Bare, server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Site]:
    """The proxy in front of the same formgrader."""
    async with formgrader_site(tmp_path, mode=request.param, url=server) as site:
        yield site


def scripts(page: str) -> str:
    """The source of all inline scripts of a page."""
    return "\n".join(re.findall(r"<script>(.*?)</script>", page, re.DOTALL))


@pytest.mark.attack("script in an address")
@pytest.mark.parametrize("template", PRINTED)
async def test_nbgrader_executes_what_an_address_contains(
    bare: Bare, ours: Site, template: str
) -> None:
    """Without the proxy the script is on the page; with it the grader gets an explanation."""
    status, page = await bare.get(template.format(ENCODED))
    assert status == 200
    assert f'"{SCRIPT}"' in scripts(page)
    browser = await ours.browser(INSTRUCTOR)
    answer = await browser.go(COURSE + template.format(ENCODED))
    assert answer.status == 400
    assert "invalid name" in answer.text
    assert "window.x=1" not in answer.text


@pytest.mark.parametrize("name", NAMES)
async def test_pages_with_real_names_work(ours: Site, name: str) -> None:
    """In every place, the name on the page is the one in the address."""
    browser = await ours.browser(INSTRUCTOR)
    for template in PRINTED:
        answer = await browser.go(COURSE + template.format(URL.build(path=f"/{name}").raw_path[1:]))
        assert answer.status == 200
        assert f'"{name}"' in html.unescape(scripts(answer.text))


async def test_redirects_of_nbgrader_work(ours: Site) -> None:
    """The start page leads to the list of assignments."""
    browser = await ours.browser(INSTRUCTOR)
    answer = await browser.go(COURSE + "formgrader")
    assert answer.status == 200
    assert answer.url.endswith("formgrader/manage_assignments")
