"""The containers of docker/kubernetes work with the services and roles of values.yaml."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]

from tests.docker.kubernetes.pods import KUBERNETES, Cluster
from tests.integration.conftest import needs_proxy
from tests.integration.realhub import BROWSER, RealHub

COURSE = "services/formgrader/course101/formgrader/gradebook"
PAGE = {
    "Accept": "text/html",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}
NAMES = ("cull", "stats", "formgrader")
TOKENS = {name: f"{name}-{'t' * 32}" for name in NAMES}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub configured from values.yaml, with a process for each container."""
    needs_proxy()
    values = yaml.safe_load((KUBERNETES / "values.yaml").read_text("utf-8"))["hub"]
    secrets = {
        # The names that the chart uses in its secret "hub".
        "hub": {f"hub.services.{name}.apiToken": token for name, token in TOKENS.items()},
        "classroom-formgraders": {"course101": "c" * 64},
    }
    cluster = Cluster(tmp_path_factory.mktemp("pods"), secrets)
    services = [
        {"name": name, "api_token": TOKENS[name], **spec, "url": cluster.here(spec["url"])}
        for name, spec in values["services"].items()
    ]
    made = RealHub(
        tmp_path_factory.mktemp("hub"),
        services=services,
        roles=[{"name": name, **role} for name, role in values["loadRoles"].items()],
        groups={"formgrade-course101": ["gail"], "nbgrader-course101": ["ana"]},
        extra_config=f"c.JupyterHub.custom_scopes = {values['config']['JupyterHub']!r}"
        "['custom_scopes']\n",
    )
    cluster.addresses["hub:8081"] = made.api_url.split("/")[2]
    # Start the services first: they wait for the hub, but the hub waits for them only briefly.
    with cluster.pods(*NAMES, "formgrader-course101"), made:
        yield made


async def page(session: aiohttp.ClientSession, url: str) -> tuple[int, str, str]:
    """Return a page's status, its path after redirects, and its text."""
    async with session.get(url, headers=PAGE) as answer:
        return answer.status, answer.url.path, await answer.text()


@pytest.mark.parametrize("name", NAMES)
async def test_a_user_can_sign_in_and_open_the_page(hub: RealHub, name: str) -> None:
    """Anonymous visitors are redirected to the Hub's login page."""
    url = f"{hub.url}services/{name}/"
    async with hub.login("ana") as ana:
        status, path, text = await page(ana, url)
        assert (status, path) == (200, f"/services/{name}/"), text
        assert "ana" in text
    async with aiohttp.ClientSession(headers=BROWSER) as nobody:
        status, path, _ = await page(nobody, url)
        assert (status, path) == (200, "/hub/login")


async def test_a_grader_can_open_the_formgrader_and_a_student_cannot(hub: RealHub) -> None:
    """The service forwards a grader's requests with the formgrader's token."""
    async with hub.login("gail") as gail:
        status, path, text = await page(gail, hub.url + "services/formgrader/")
        assert (status, path) == (200, "/services/formgrader/")
        assert "Course 101" in text
        status, path, text = await page(gail, hub.url + COURSE)
        assert (status, path) == (200, f"/{COURSE}"), text
        assert "nbgrader" in text
    async with hub.login("ana") as ana:
        assert (await page(ana, hub.url + COURSE))[0] == 403


async def test_each_service_has_the_required_scopes(hub: RealHub) -> None:
    """Each service becomes ready after a complete pass over the Hub's users."""

    async def ready(name: str) -> bool:
        url = f"{hub.url}services/{name}/ready"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            status: int = answer.status
        return status == 200

    for name in NAMES:

        async def is_ready(name: str = name) -> bool:
            return await ready(name)

        await hub.until(f"{name} ready", is_ready, seconds=90)
        model: Any = await hub.api("GET", "/user", token=TOKENS[name])
        assert model["name"] == name
