"""nbgrader's course list in a grader's real JupyterLab links to the formgrader proxy."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.conftest import MakeHub
from tests.integration.realhub import BROWSER, RealHub

pytest.importorskip("jupyterlab")
pytest.importorskip("nbgrader")

GRADER, STUDENT = "greta", "ada"
#: As an administrator configures nbgrader for JupyterHub's groups.
NBGRADER_CONFIG = """
c = get_config()
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"
"""
SPAWNER = """
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
"""


def course_hub(make_hub: MakeHub, tmp_path: Path) -> RealHub:
    """A hub whose users have JupyterLab with nbgrader, and a service named like the course."""
    course = tmp_path / "course"
    course.mkdir()
    courses = tmp_path / "courses.toml"
    courses.write_text(f'[[course]]\nid = "course101"\ntitle = "Sums"\ndirectory = "{course}"\n')
    options = {
        "service_per_course": ["course101"],
        "courses": str(courses),
        "db_url": f"sqlite:///{tmp_path / 'audit.sqlite'}",
        "environment": {"HOME": str(tmp_path)},
    }
    hub = make_hub(
        extra_config=f"{SPAWNER}from services.declare import declare\n"
        f"declare(c, formgrader_proxy={options!r})\n",
        groups={"formgrade-course101": [GRADER], "nbgrader-course101": [STUDENT]},
    )
    config = hub.directory / "homes" / GRADER / ".jupyter" / "nbgrader_config.py"
    config.parent.mkdir(parents=True)
    config.write_text(NBGRADER_CONFIG)
    return hub


async def test_the_course_list_links_to_the_formgrader(make_hub: MakeHub, tmp_path: Path) -> None:
    """The list contains the course, and its link opens the formgrader for the grader."""
    hub = course_hub(make_hub, tmp_path)
    await start_lab(hub)
    async with hub.login(GRADER) as session, asyncio.timeout(180):
        # Opening JupyterLab signs the browser in to the server.
        async with session.get(hub.url + f"user/{GRADER}/lab", headers=BROWSER) as lab:
            assert lab.status == 200, await lab.text()
        found = await course_list(session, hub)
        # The list also has the formgrader of the grader's own server ("local").
        ((course, link),) = [
            (one["course_id"], one["url"]) for one in found if one["kind"] == "jupyterhub"
        ]
        assert course == "course101"
        assert link == hub.url + "services/course101/lab?formgrader=true"
        while True:  # the formgrader starts
            async with session.get(link, headers=BROWSER) as page:
                text = await page.text()
                if page.status != 503:
                    break
            await asyncio.sleep(0.2)
        assert page.status == 200
        assert page.url.path.startswith("/services/formgrader/course101/formgrader")
        assert "formgrader" in text


async def start_lab(hub: RealHub) -> None:
    """Start JupyterLab, which takes longer than the small servers of other tests."""
    await hub.api("POST", f"/users/{GRADER}/server", {})
    async with asyncio.timeout(180):
        while not (await hub.servers(GRADER)).get("", {}).get("ready"):
            await asyncio.sleep(0.5)


async def course_list(session: aiohttp.ClientSession, hub: RealHub) -> list[dict[str, Any]]:
    """The entries of nbgrader's course list, from its endpoint in the grader's server."""
    async with session.get(hub.url + f"user/{GRADER}/formgraders", headers=BROWSER) as answer:
        assert answer.status == 200, await answer.text()
        found = await answer.json(content_type=None)
    assert found["success"], found["value"]
    value: list[dict[str, Any]] = found["value"]
    return value
