"""A culler that replies with anything: the poll is complete and in time all the same."""

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.stats.record.culler_audit.decisions import CullDecisions
from services.stats.record.culler_audit.reader import AuditReader
from tests.fakes.clock import START
from tests.stats.record.scenarios.recorders import Scenario

EVENT = {"at": START.isoformat(), "action": "stop", "name": "ana", "server": "", "outcome": "done"}


def log(at: str = "", **fields: Any) -> str:
    """A page of the log with one event."""
    return json.dumps({"events": [EVENT | ({"at": at} if at else {})], **fields})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>", id="a page"),
        pytest.param("[" * 5000, id="nested"),
        pytest.param(log("2026-03-02T08:00:00"), id="no zone"),
        pytest.param(log("9999-12-31T23:59:59Z"), id="the last moment"),
        pytest.param(log("9999-12-31T23:59:59-12:00"), id="after the last moment"),
        pytest.param(log("0001-01-01T00:00:00+12:00"), id="before the first moment"),
        pytest.param(log(next_before=0), id="endless"),
        pytest.param(
            log(
                "9999-12-31T23:59:59Z",
                next_before=-1,
                complete_since="2026-03-02T08:00:00Z",
                complete_until="2027-03-02T08:00:00Z",
            ),
            id="endless in the last moment",
        ),
        pytest.param(
            log(complete_since="2026-03-02T08:00:00", complete_until="2027-03-02T08:00:00"),
            id="complete without a zone",
        ),
        pytest.param(
            log(complete_since="2027-03-02T08:00:00Z", complete_until="2026-03-02T08:00:00Z"),
            id="complete backwards",
        ),
        pytest.param(
            log(
                complete_since="0001-01-01T00:00:00+12:00",
                complete_until="9999-12-31T23:59:59-12:00",
            ),
            id="always complete",
        ),
        pytest.param(log().replace('"ana"', '"\\u0000\\ud800"'), id="an odd name"),
        pytest.param(
            log().replace('"server": ""', '"server": "' + "x" * 5000 + '"'), id="a long name"
        ),
    ],
)
async def test_no_reply_breaks_a_poll(scenario: Scenario, body: str) -> None:
    """Whatever the culler says."""

    async def audit(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/services/cull/api/audit", audit)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        recorder = await scenario.recorder()
        url = str(server.make_url("/services/cull/"))
        recorder.culls = CullDecisions(AuditReader(session, url, "token", clock=scenario.clock))
        assert await recorder.acquire_leadership()
        await recorder.poll()
        scenario.start("ana")
        scenario.pass_minutes(5)
        await recorder.poll()
        scenario.stop("ana")
        for _ in range(2):
            scenario.pass_minutes(5)
            result = await recorder.poll()
            assert result.poll
            assert (result.poll.whole, result.written, result.error) == (True, True, "")
