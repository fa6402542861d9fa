"""The audit log."""

import logging
from datetime import datetime, timedelta
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


async def test_since_when_the_store_has_every_stop(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """From the first pass to the beginning of the last; after a loss, from the next pass on."""
    store = FakeStore()
    culler = make_culler(fake_hub, session, clock, store=store)
    audit = culler.audit
    assert (audit.complete_since, audit.complete_until) == (None, None)
    begun: list[datetime] = []

    def before(request: Any) -> None:
        store.away = request.method == "DELETE" and len(begun) == 3

    fake_hub.before = before
    for number in range(5):
        store.away = False
        fake_hub.add_server(f"user{number}", idle=2 * HOUR)
        clock.advance(60)
        begun.append(culler.evaluator.now())
        await culler.run_pass()
        clock.advance(60)
        if number == 1:
            assert (audit.complete_since, audit.complete_until) == (begun[0], begun[1])
        if number == 2:
            assert (audit.complete_since, audit.complete_until) == (None, None)
    assert (audit.complete_since, audit.complete_until) == (begun[3], begun[4])


async def test_a_slow_stop_keeps_the_log_incomplete(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """It is recorded when it has ended, so what began with it is not complete before."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=1000)
    culler = make_culler(fake_hub, session, clock, store=FakeStore(), period=60)
    for _ in range(2):
        clock.advance(600)
        await culler.run_pass()
    assert culler.audit.complete_until is not None
    assert culler.audit.complete_until < clock.now() - timedelta(seconds=300)
    await culler.close()
