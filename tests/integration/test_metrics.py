"""Access to the metrics of the three services, with tokens of a real Hub."""

import json
from collections.abc import Iterator

import aiohttp
import pytest

from tests.integration.conftest import needs_proxy
from tests.integration.realhub import RealHub, user_path

PROMETHEUS = "p" * 64
NAMES = ("cull", "stats", "formgrader")
CONFIG = """
from services.declare import declare
declare(c, **__import__('json').loads({options!r}))
c.JupyterHub.services = [
    *c.JupyterHub.services, {{"name": "prometheus", "api_token": {token!r}, "display": False}}
]
c.JupyterHub.load_roles = [
    *c.JupyterHub.load_roles,
    {{"name": "prometheus-service", "scopes": ["read:metrics"], "services": ["prometheus"]}},
]
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub with all services, and Prometheus as docs/deployment.md declares it."""
    needs_proxy()
    directory = tmp_path_factory.mktemp("metrics-hub")
    courses = directory / "courses.toml"
    token = directory / "token"
    token.write_text("upstream")
    courses.write_text(
        f'[[course]]\nid = "c1"\nurl = "http://127.0.0.1:9"\ntoken_file = "{token}"\n'
    )
    options = {
        "cull": {"timeout": 3600, "db_url": f"sqlite:///{directory}/cull.sqlite"},
        "stats": {"db_url": f"sqlite:///{directory}/stats.sqlite", "user_metrics": True},
        "formgrader_proxy": {
            "courses": str(courses),
            "db_url": f"sqlite:///{directory}/audit.sqlite",
            "admin_users": ["warden"],
        },
    }
    config = CONFIG.format(options=json.dumps(options), token=PROMETHEUS)
    with RealHub(directory, extra_config=config) as hub:
        yield hub


async def status(hub: RealHub, name: str, token: str) -> int:
    """The status of a service's metrics for this token."""
    headers = {"Authorization": f"token {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{hub.url}services/{name}/metrics") as answer,
    ):
        text = await answer.text()
        assert ("_build_info" in text) is (answer.status == 200)
        return answer.status


@pytest.mark.attack("metrics_by_a_student")
@pytest.mark.parametrize("name", NAMES)
async def test_metrics_of_every_service(hub: RealHub, name: str) -> None:
    """Prometheus and the Hub's administrators read them; a student's token is refused."""
    await hub.create_user("eve")
    access = f"access:services!service={name}"
    every_permission = await hub.api("POST", user_path("eve") + "/tokens", {"note": "all of eve's"})
    for token in (every_permission["token"], await hub.token(["self", access], user="eve")):
        assert await status(hub, name, token) == 403
    assert await status(hub, name, PROMETHEUS) == 200
    assert await status(hub, name, await hub.token(["read:metrics"])) == 200


async def test_metrics_with_permission_to_see_everything(hub: RealHub) -> None:
    """The service's own admin scope is enough."""
    await hub.create_user("warden")
    scopes = ["custom:jupyterhub-formgrader:admin", "access:services!service=formgrader"]
    token = await hub.token(scopes, user="warden")
    assert await status(hub, "formgrader", token) == 200
    assert await status(hub, "cull", token) == 403
