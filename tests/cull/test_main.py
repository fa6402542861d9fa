"""One pass and the service, run from frozen settings."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from common.oauth.sign_in import OAuthSettings
from common.web.server import Bind
from services.cull.assembly import Plan
from services.cull.main import Settings, run_once, run_service
from services.cull.web.site import SiteSettings
from tests.cull.culler import HOUR
from tests.cull.plan import make_plan
from tests.fakes.hub import FakeHub

PREFIX = "/services/cull/"


def settings(plan: Plan, **changes: Any) -> Settings:
    """Settings for a service that makes a pass every second."""
    given: dict[str, Any] = {
        "plan": plan,
        "period": 1.0,
        "required_scopes": {"delete:servers": "to stop servers"},
        "optional_scopes": {},
        "service_name": "cull",
        "version": "1.2.3",
    }
    return Settings(**(given | changes))


async def wait_until(condition: Any) -> None:
    """Wait for a condition, at most 30 s."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_complete_pass_exits_with_0(fake_hub: FakeHub) -> None:
    """Idle servers are stopped, and the pass reports success."""
    plan = make_plan(fake_hub)
    fake_hub.add_server("idle", idle=2 * HOUR)
    assert await run_once(settings(plan), asyncio.Event()) == 0
    assert fake_hub.stopped == [("idle", "")]


async def test_a_failed_stop_exits_with_1(fake_hub: FakeHub) -> None:
    """A caller such as cron sees that something failed."""
    plan = make_plan(fake_hub)
    fake_hub.add_server("idle", idle=2 * HOUR)
    fake_hub.fail("status", method="DELETE", status=500)
    assert await run_once(settings(plan), asyncio.Event()) == 1


async def test_a_refused_stop_logs_the_missing_scope(
    fake_hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the scope, the reason and the role to add."""
    plan = make_plan(fake_hub)
    fake_hub.add_server("idle", idle=2 * HOUR)
    fake_hub.scopes = [scope for scope in fake_hub.scopes if scope != "delete:servers"]
    assert await run_once(settings(plan), asyncio.Event()) == 1
    assert "delete:servers" in caplog.text
    assert "load_roles" in caplog.text


async def test_a_cancelled_pass_exits_with_1(
    fake_hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop that hangs may or may not have happened."""
    plan = make_plan(fake_hub)
    fake_hub.add_server("idle", idle=2 * HOUR)
    fake_hub.fail("hang", method="DELETE")
    running = asyncio.create_task(run_once(settings(plan), asyncio.Event()))
    await wait_until(lambda: fake_hub.requests("DELETE"))
    running.cancel()
    assert await running == 1
    assert "Interrupted during the pass" in caplog.text


async def test_the_service_makes_passes_until_it_is_stopped(fake_hub: FakeHub) -> None:
    """Servers that become idle later are stopped by a later pass."""
    plan = make_plan(fake_hub)
    fake_hub.add_server("idle", idle=2 * HOUR)
    stopping = asyncio.Event()
    running = asyncio.create_task(run_service(settings(plan), stopping))
    await wait_until(lambda: fake_hub.stopped == [("idle", "")])
    fake_hub.add_server("later", idle=2 * HOUR)
    await wait_until(lambda: ("later", "") in fake_hub.stopped)
    stopping.set()
    async with asyncio.timeout(10):
        assert await running == 0


async def test_pages_are_served_where_a_site_is_set(
    fake_hub: FakeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The service answers health checks and shows the version and the Hub requests as metrics."""
    caplog.set_level(logging.INFO)
    plan = make_plan(fake_hub, db_url=f"sqlite:///{tmp_path}/cull.sqlite")
    site = SiteSettings(
        bind=Bind(),
        prefix=PREFIX,
        hub_url="/hub/",
        oauth=OAuthSettings(
            api_url=fake_hub.api_url,
            api_token=fake_hub.token,
            client_id="service-cull",
            prefix=PREFIX,
            access_scopes=frozenset({"access:services!service=cull"}),
        ),
        authenticate_prometheus=False,
        admin_groups=frozenset(),
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(run_service(settings(plan, site=site), stopping))
    await wait_until(lambda: "Pages at " in caplog.text)
    url = caplog.text.partition("Pages at ")[2].split()[0]
    await wait_until(lambda: "pass: " in caplog.text)
    async with aiohttp.ClientSession() as session:
        async with session.get(url + "health") as answer:
            assert answer.status == 200
        async with session.get(url + "metrics") as answer:
            text = await answer.text()
    stopping.set()
    async with asyncio.timeout(10):
        assert await running == 0
    assert 'version="1.2.3"' in text
    assert "jupyterhub_cull_hub_requests" in text
