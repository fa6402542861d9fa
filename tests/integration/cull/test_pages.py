"""Holds and extensions made through the culler's API, with the real Hub."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.postgres import postgres, postgres_url
from tests.integration.conftest import MakeHub
from tests.integration.realhub import RealHub

__all__ = ["postgres", "postgres_url"]  # fixtures that pytest finds by name in this file

API = "services/cull/api/"


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/cull.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


def declared(**options: Any) -> str:
    """Configuration lines that declare the culler as a managed service."""
    return (
        "import json\nfrom services.declare import declare\n"
        f"declare(c, cull=json.loads({json.dumps(options)!r}))\n"
    )


async def ask(
    hub: RealHub, method: str, path: str, token: str, body: Any = None
) -> tuple[int, Any]:
    """Send a request to the culler's API through the proxy."""
    headers = {"Authorization": f"token {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{hub.url}{API}{path}", json=body) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


async def passes_since(hub: RealHub, token: str, moment: datetime) -> None:
    """Wait until two passes that started after this time have finished."""

    async def seen() -> bool:
        status, body = await ask(hub, "GET", "passes", token)
        begun = [one["started"] for one in body["passes"]] if status == 200 else []
        return sum(datetime.fromisoformat(one) > moment for one in begun) >= 2

    await hub.until("two passes", seen)


async def test_holds_and_extensions_survive_a_restart(make_hub: MakeHub, db_url: str) -> None:
    """Held and extended servers keep running, others stop; a release ends the hold."""
    options = {"timeout": 4000, "cull_every": 1, "settle": 0, "extend_by": 7200}
    hub = make_hub(extra_config=declared(**options, db_url=db_url))
    access = "access:services!service=cull"
    admin = await hub.token([access])
    for name in ("plain", "q?x=1", "held", "名前"):
        await hub.create_user(name, groups=["exam"] if name == "名前" else [])
        await hub.start_server(name)
    own = await hub.token([access], user="q?x=1")

    async def up() -> bool:
        return (await ask(hub, "GET", "passes", admin))[0] == 200

    await hub.until("the culler's API", up)
    status, made = await ask(hub, "POST", "servers/q%3Fx%3D1/extend", own)
    assert (status, made["used"]) == (200, 1)
    assert (await ask(hub, "POST", "servers/held/extend", own))[0] == 403
    server_hold = {"kind": "server", "name": "held", "hours": 3}
    status, held = await ask(hub, "POST", "holds", admin, server_hold)
    assert status == 201
    assert (await ask(hub, "POST", "holds", own, server_hold))[0] == 403
    group_hold = {"kind": "group", "name": "exam", "hours": 3}
    assert (await ask(hub, "POST", "holds", admin, group_hold))[0] == 201

    hub.restart()
    await hub.until("the culler's API", up)
    idle = datetime.now(UTC) - timedelta(seconds=5000)
    for name in ("q?x=1", "held", "名前", "plain"):
        await hub.set_last_activity(name, "", idle)

    async def gone(name: str) -> bool:
        return await hub.servers(name) == {}

    await hub.until("the plain one stopped", lambda: gone("plain"))
    await passes_since(hub, admin, datetime.now(UTC))
    assert [bool(await hub.servers(name)) for name in ("q?x=1", "held", "名前")] == [True] * 3

    assert (await ask(hub, "DELETE", f"holds/{held['id']}", admin))[0] == 204
    await hub.until("the released one stopped", lambda: gone("held"))
    assert await hub.servers("名前")

    async def lines() -> list[tuple[str, str, str]]:
        _, audit = await ask(hub, "GET", "audit", admin)
        return [(one["who"], one["action"], one["name"]) for one in audit["events"]]

    async def recorded() -> bool:
        return ("culler", "stop", "held") in await lines()

    # The Hub no longer lists a server a moment before the culler knows that it stopped.
    await hub.until("the stop in the audit", recorded)
    assert await lines() == [
        ("culler", "stop", "held"),
        ("admin", "release", "held"),
        ("culler", "stop", "plain"),
        ("admin", "hold", "exam"),
        ("admin", "hold", "held"),
        ("q?x=1", "extend", "q?x=1"),
    ]
