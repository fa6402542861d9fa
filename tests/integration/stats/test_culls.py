"""Savings by the audit log of a real culler on a real Hub, read with the declared role."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from common.clock import SystemClock
from common.hub.client import HubClient
from services.stats.record.culler_audit.decisions import CullDecisions
from services.stats.record.culler_audit.reader import AuditReader
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.store.store import Store
from tests.integration.conftest import MakeHub
from tests.integration.realhub import RealHub

TOKEN = "secret-of-the-statistics"


def declared(db_url: str) -> str:
    """A culler that stops servers after 5 s, and statistics that run elsewhere."""
    return (
        "from services.declare import declare\n"
        f"declare(c, cull={{'timeout': 5, 'cull_every': 1, 'settle': 0, 'db_url': {db_url!r}}},\n"
        f"  stats={{'api_token': {TOKEN!r}, 'url': False,\n"
        "         'cull_url': 'http://127.0.0.1/services/cull'})\n"
    )


async def status(hub: RealHub, path: str) -> int:
    """The status of the culler's response to the statistics' token."""
    headers = {"Authorization": f"token {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{hub.url}services/cull/api/{path}") as answer,
    ):
        return answer.status


async def test_stops_by_the_culler_and_by_the_user(
    make_hub: MakeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The culler stops ana's server, ben stops his own; the sessions say so."""
    caplog.set_level(logging.INFO)
    hub = make_hub(spawner="nothing", extra_config=declared(f"sqlite:///{tmp_path}/cull.sqlite"))
    for name in ("ana", "ben"):
        await hub.create_user(name)
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
    clock = SystemClock()
    async with aiohttp.ClientSession() as session:
        reader = AuditReader(session, f"{hub.url}services/cull/", TOKEN, clock=clock)
        client = HubClient(session, hub.api_url, TOKEN)
        await client.info()
        recorder = Recorder(client, store, RecorderSettings(), culls=CullDecisions(reader))
        assert await recorder.acquire_leadership()

        async def poll() -> None:
            last = recorder.state.last_poll
            while last and datetime.now(UTC) <= last + timedelta(seconds=1):
                await asyncio.sleep(0.05)
            assert (await recorder.poll()).error == ""

        async def culled() -> dict[str, bool | None]:
            names = {person.id: name for name, person in recorder.state.people.items()}
            async with store.reading() as connection:
                rows = await connection.exec_driver_sql(
                    "SELECT user_id, culled FROM sessions WHERE ended < 4102444800"
                )
                return {names[row.user_id]: row.culled for row in rows}

        async def decided() -> bool:
            await poll()
            found = await culled()
            return len(found) == 2 and None not in found.values()

        await hub.start_server("ben")
        await poll()
        await hub.stop_server("ben")
        await hub.start_server("ana")
        await poll()
        await hub.until("both decisions", decided)
        assert await culled() == {"ana": True, "ben": False}
        await recorder.close()
    await store.close()
    assert reader.problem == ""
    assert await status(hub, "audit") == 200
    assert await status(hub, "passes") == 403
