"""The Hub's administrators administer every course, without being in any group."""

import json
from collections.abc import Iterator

import aiohttp
import pytest

from tests.integration.processes import status_of, wait_until
from tests.integration.realhub import ADMIN, BROWSER, RealHub

COURSE = "services/formgrader/course101/"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub with a course whose external formgrader does not respond."""
    directory = tmp_path_factory.mktemp("hub")
    courses = directory / "courses.toml"
    courses.write_text('[[course]]\nid = "course101"\nurl = "http://127.0.0.1:1"\n')
    options = {"courses": str(courses), "db_url": f"sqlite:///{directory}/audit.sqlite"}
    config = (
        "from services.declare import declare\n"
        f"declare(c, formgrader_proxy=__import__('json').loads({json.dumps(options)!r}))\n"
    )
    with RealHub(directory, extra_config=config) as hub:
        # JupyterHub 4.1 does not wait for its services.
        health = f"{hub.url}services/formgrader/health"
        wait_until("the service serves", lambda: status_of(health) == 200)
        yield hub


async def get(hub: RealHub, user: str, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """The status, the last path and the text of a page in the user's browser."""
    async with (
        hub.login(user) as session,
        session.get(hub.url + path, headers=headers) as answer,
    ):
        return answer.status, answer.url.path, await answer.text()


async def test_an_administrator_without_groups_gets_in(hub: RealHub) -> None:
    """To a course, by its documented address, and to the list; others do not."""
    status, path, _ = await get(hub, ADMIN, COURSE, BROWSER)
    assert (status, path) == (502, f"/{COURSE}formgrader")
    _, _, text = await get(hub, ADMIN, "services/formgrader/", BROWSER)
    assert "You are an administrator in this course" in text
    await hub.create_user("ana")
    assert (await get(hub, "ana", COURSE, BROWSER))[0] == 403


async def test_a_token_for_a_program_does_not(hub: RealHub) -> None:
    """It has the scopes that the administrator gave it, and nothing else."""
    access = ["access:services!service=formgrader", "read:users:name!user"]
    token = await hub.token(access, user=ADMIN)
    headers = {"Authorization": f"token {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{hub.url}{COURSE}formgrader/api/assignments", headers=headers) as answer,
    ):
        assert answer.status == 403
