"""jupyterhub-idle-culler's ``cull_arbiter_hook``."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from common.hub.models import Server
from services.cull.arbiter import ask
from services.cull.policy.model import Flags, Reason
from services.cull.policy.rules import Rule
from tests.cull.culler import (
    HOUR,
    make_culler,
)
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


async def test_the_arbiter_replaces_the_timeout(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """It receives idle time, limit and the Hub's model, at the listing and at the stop."""
    fake_hub.add_server("short", idle=10, user_options={"profile": "small"})
    fake_hub.add_server("long", idle=9 * HOUR, user_options={"profile": "unlimited"})
    asked: list[tuple[timedelta, int, str]] = []

    def arbiter(*, inactive: timedelta, inactive_limit: int, server: dict[str, Any]) -> bool:
        asked.append((inactive, inactive_limit, server["user_options"]["profile"]))
        return bool(server["user_options"]["profile"] != "unlimited")

    result = await make_culler(fake_hub, session, clock, arbiter=arbiter).run_pass()
    assert fake_hub.stopped == [("short", "")]
    assert asked.count((timedelta(seconds=10), 3600, "small")) == 2
    assert result.reasons[Reason.ARBITER] == 1


async def test_the_arbiter_may_be_async(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A coroutine function works as well, as in jupyterhub-idle-culler."""
    fake_hub.add_server("ada", idle=10)

    async def arbiter(**_: object) -> bool:
        await asyncio.sleep(0)
        return True

    await make_culler(fake_hub, session, clock, arbiter=arbiter).run_pass()
    assert fake_hub.stopped == [("ada", "")]


async def test_the_arbiter_does_not_override_the_maximum_age(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The hook decides on idleness only."""
    fake_hub.add_server("ada", idle=0, age=9 * HOUR)
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    culler = make_culler(fake_hub, session, clock, flags=flags, arbiter=lambda **_: False)
    await culler.run_pass()
    assert fake_hub.stopped == [("ada", "")]


IDLE_SERVER = Server(name="", ready=True, last_activity=START - timedelta(hours=2))


async def asked(server: Server, rule: Rule) -> tuple[bool | None, list[dict[str, Any]]]:
    """The verdict of an arbiter that stops everything, and its calls."""
    calls: list[dict[str, Any]] = []

    def arbiter(**arguments: Any) -> bool:
        calls.append(arguments)
        return True

    return await ask(arbiter, server, rule, START), calls


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        pytest.param({"pending": "stop"}, Rule("r"), id="stopping"),
        pytest.param({"ready": False}, Rule("r"), id="not ready"),
        pytest.param({"last_activity": None}, Rule("r"), id="no time"),
        pytest.param({"problems": ("last_activity",)}, Rule("r"), id="unusable time"),
        pytest.param({}, Rule("r", idle_timeout=None), id="no idle timeout"),
    ],
)
async def test_the_arbiter_is_not_called_where_idleness_does_not_matter(
    changes: dict[str, Any], rule: Rule
) -> None:
    """Without a usable idle time or an idle timeout there is nothing to decide."""
    assert await asked(structs.replace(IDLE_SERVER, **changes), rule) == (None, [])


@pytest.mark.parametrize(("seconds", "limit"), [(3600.0, 3600), (0.5, 0.5)])
async def test_the_arbiter_receives_the_limit_as_in_its_original(
    seconds: float, limit: float
) -> None:
    """Whole seconds are an int, as in jupyterhub-idle-culler; the model is a dict in any case."""
    verdict, [call] = await asked(IDLE_SERVER, Rule("r", idle_timeout=seconds))
    assert verdict is True
    assert call == {"inactive": timedelta(hours=2), "inactive_limit": limit, "server": {}}
    assert type(call["inactive_limit"]) is type(limit)


async def test_a_server_without_activity_counts_from_its_start() -> None:
    """The arbiter receives the time since the start as the idle time."""
    server = Server(name="", ready=True, started=START - timedelta(hours=3))
    _, [call] = await asked(server, Rule("r"))
    assert call["inactive"] == timedelta(hours=3)
