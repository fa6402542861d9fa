"""Our own scopes: which are missing, the role to write, and waiting for the Hub."""

import asyncio
import logging

import pytest

from common.errors import HubForbidden
from common.hub import scopes
from common.hub.client import HubClient
from common.hub.scopes import check, missing, role_for
from tests.fakes.hub import FakeHub

NEEDED = {"list:users": "to list the users", "delete:servers": "to stop servers"}


@pytest.mark.parametrize(
    ("have", "lacking"),
    [
        (["list:users", "delete:servers", "read:hub"], []),
        (["list:users"], ["delete:servers"]),
        ([], ["delete:servers", "list:users"]),
        (["list:users", "delete:servers!group=course"], []),
        (["list:users!user=ada", "delete:servers!server=ada/x"], []),
        (["list:users", "delete:server"], ["delete:servers"]),
    ],
)
def test_missing(have: list[str], lacking: list[str]) -> None:
    """A scope narrowed by a filter counts as there: an administrator may show us less."""
    assert sorted(missing(NEEDED, have)) == lacking


def test_needed_with_a_filter_is_matched_whole() -> None:
    """A scope that is needed for one thing is there as such, or as a whole."""
    needed = {"read:users:groups!user=ada": "x"}
    assert missing(needed, ["read:users:groups"]) == set()
    assert missing(needed, ["read:users:groups!user=ada"]) == set()
    assert missing(needed, ["read:users:groups!user=bob"]) == set(needed)


def test_role_can_be_copied() -> None:
    """The role to write is Python for jupyterhub_config.py."""
    from traitlets.config import Config

    c = Config()
    exec(role_for("cull", NEEDED), {"c": c})  # noqa: S102 - our own text, as an admin would run it
    (role,) = c.JupyterHub.load_roles
    assert role["services"] == ["cull"]
    assert sorted(role["scopes"]) == sorted(NEEDED)
    assert len(role["name"]) >= 3


async def test_all_there(hub: HubClient, fake_hub: FakeHub) -> None:
    """With all scopes there is nothing to say."""
    found = await check(hub, NEEDED, service="cull", stopping=asyncio.Event())
    assert found == frozenset()


async def test_missing_ones_are_told(
    hub: HubClient, fake_hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """Each missing scope is told with its reason, and then the role with all of them."""
    fake_hub.scopes = ["list:users"]
    found = await check(hub, NEEDED, service="cull", stopping=asyncio.Event())
    assert found == {"delete:servers"}
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "delete:servers is missing. It is needed to stop servers" in text
    assert "list:users is missing" not in text
    assert '"services": ["cull"]' in text
    assert '"list:users"' in text


async def test_waits_while_the_hub_is_away(
    hub: HubClient,
    fake_hub: FakeHub,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Hub that is away is waited for, and that is said once, not every time."""
    monkeypatch.setattr(scopes, "FIRST_WAIT_SECONDS", 0.001)
    caplog.set_level(logging.INFO)
    fake_hub.fail("status", status=503, path="/user", times=7)
    found = await check(hub, NEEDED, service="cull", stopping=asyncio.Event())
    assert found == frozenset()
    messages = [record.getMessage() for record in caplog.records]
    assert sum("Waiting for the Hub" in message for message in messages) == 1
    assert "The Hub is there." in messages


async def test_token_unknown_to_the_hub_is_waited_out(
    hub: HubClient,
    fake_hub: FakeHub,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that the Hub does not know (yet) is told as such, and asked about again."""
    monkeypatch.setattr(scopes, "FIRST_WAIT_SECONDS", 0.001)
    fake_hub.fail("status", status=403, path="/user", times=2)
    assert await check(hub, NEEDED, service="cull", stopping=asyncio.Event()) == frozenset()
    assert "does not accept our token" in caplog.text
    assert fake_hub.token not in caplog.text


async def test_stops_waiting_at_the_end(hub: HubClient, fake_hub: FakeHub) -> None:
    """While it waits for the Hub a service still ends at once."""
    fake_hub.fail("status", status=403, path="/user", times=1000)
    stopping = asyncio.Event()
    waiting = asyncio.ensure_future(check(hub, NEEDED, service="cull", stopping=stopping))
    while not fake_hub.seen:
        await asyncio.sleep(0.001)
    stopping.set()
    assert await asyncio.wait_for(waiting, 5) == frozenset()


async def test_without_waiting_the_error_is_raised(hub: HubClient, fake_hub: FakeHub) -> None:
    """A single pass does not wait: it fails."""
    fake_hub.fail("status", status=403, path="/user")
    with pytest.raises(HubForbidden):
        await check(hub, NEEDED, service="cull", stopping=asyncio.Event(), wait=False)
