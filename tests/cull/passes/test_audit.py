"""The audit log."""

import logging
from typing import Any

import aiohttp
import pytest

from tests.cull.culler import (
    HOUR,
    FakeStore,
    make_culler,
)
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub


async def test_every_stop_is_audited(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Actor, target, reason and rule: in the log "audit" and in the store."""
    caplog.set_level(logging.INFO)
    fake_hub.add_server("ada", "lab", idle=2 * HOUR)
    store = FakeStore()
    await make_culler(fake_hub, session, clock, store=store).run_pass()
    [event] = store.events
    assert (event.who, event.action, event.target) == ("culler", "stop", "server")
    assert (event.name, event.server, event.rule, event.outcome) == (
        "ada",
        "lab",
        "default",
        "done",
    )
    assert event.reason.startswith("idle")
    [line] = [record.getMessage() for record in caplog.records if record.name == "audit"]
    for word in ("culler", "stop", "ada/lab", "idle", "default", "done"):
        assert word in line


async def test_an_unavailable_audit_store_does_not_prevent_stops(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The server is stopped, and the line is in the log."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    store = FakeStore()

    def before(request: Any) -> None:
        store.away = store.away or request.method == "DELETE"

    fake_hub.before = before
    assert (await make_culler(fake_hub, session, clock, store=store).run_pass()).stopped == 1
