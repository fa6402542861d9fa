"""A culler assembled from its settings."""

from pathlib import Path
from typing import Any

import pytest

from services.cull.assembly import Plan, assemble
from services.cull.commands.dry_run import print_dry_run
from services.cull.policy.model import Flags, Policy
from services.cull.settings import CullSettings
from tests.cull.culler import HOUR, IDLE, RecordingObserver, stopped
from tests.fakes.hub import FakeHub


@pytest.fixture
def hub(fake_hub: FakeHub) -> FakeHub:
    """A Hub whose idle users have been idle for two hours."""
    for name in IDLE:
        fake_hub.add_server(name, idle=2 * HOUR)
    return fake_hub


def plan(hub: FakeHub, **settings: Any) -> Plan:
    """One pass with an idle timeout of an hour, and no database."""
    policy = Policy.from_flags(Flags(timeout=HOUR))
    defaults: dict[str, Any] = {
        "api_url": hub.api_url,
        "token": hub.token,
        "tls": None,
        "timeout_seconds": 5.0,
        "page_size": 2,
        "settle_seconds": 0.0,
        "policy": lambda: policy,
        "settings": CullSettings(),
    }
    return Plan(**(defaults | settings))


async def test_an_assembled_culler_makes_passes(hub: FakeHub) -> None:
    """The observer, the page size and the request callback reach their parts."""
    observer = RecordingObserver()
    endpoints: list[str] = []

    def on_request(endpoint: str, *_: object) -> None:
        endpoints.append(endpoint)

    async with assemble(plan(hub, observer=observer, on_request=on_request)) as parts:
        result = await parts.culler.run_pass()
    assert stopped(hub) == IDLE
    assert [found.user for found in observer.all] == IDLE
    assert result.good
    assert all("limit=2" in seen.raw_path for seen in hub.requests("GET", "/users?"))
    assert len(endpoints) == len(hub.seen)


async def test_a_dry_run_prints_its_table(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is stopped, and every server that would be is on the terminal."""
    settings = CullSettings(keep_servers=True)
    async with assemble(plan(hub, dry_run=print_dry_run, settings=settings)) as parts:
        await parts.culler.run_pass()
    assert stopped(hub) == []
    printed = capsys.readouterr().out
    assert all(name in printed for name in IDLE)


async def test_the_arbiter_receives_the_hubs_model(hub: FakeHub) -> None:
    """The original model is kept in memory only for an arbiter."""
    models: list[dict[str, Any]] = []

    def arbiter(*, server: dict[str, Any], **_: object) -> bool:
        models.append(server)
        return False

    async with assemble(plan(hub, arbiter=arbiter)) as parts:
        await parts.culler.run_pass()
    assert stopped(hub) == []
    assert {"ready", "last_activity"} <= models[0].keys()


async def test_holds_come_from_the_database(hub: FakeHub, tmp_path: Path) -> None:
    """With a database URL the store exists, and is closed at the end."""
    url = f"sqlite:///{tmp_path / 'cull.sqlite'}"
    async with assemble(plan(hub, db_url=url)) as parts:
        assert parts.store is not None
        await parts.store.open()
        await parts.culler.run_pass()
        recorded = await parts.store.audit_log(10)
    assert sorted(event.name for _, event in recorded) == IDLE


async def test_settling_applies(hub: FakeHub) -> None:
    """Before the Hub has been up for the settling time, idle servers are kept."""
    async with assemble(plan(hub, settle_seconds=360.0)) as parts:
        await parts.culler.run_pass()
        assert parts.hub_health.settling
    assert stopped(hub) == []
