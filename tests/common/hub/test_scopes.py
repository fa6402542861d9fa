"""The scopes of a token: which are missing, the role to add, and waiting for the Hub."""

import asyncio
import logging

import pytest

from common.errors import HubForbidden
from common.hub import scopes
from common.hub.client import HubClient
from common.hub.scopes import check, missing, role_for
from tests.fakes.hub import FakeHub

REQUIRED = {"list:users": "to list the users", "delete:servers": "to stop servers"}
ROLE = role_for("cull", [*REQUIRED, "read:metrics"])


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
    """A scope with a filter counts as granted: an administrator may limit what a service sees."""
    assert sorted(missing(REQUIRED, have)) == lacking


def test_a_required_filter() -> None:
    """A required scope with a filter is met by the same filter or by the scope without one."""
    needed = {"read:users:groups!user=ada": "x"}
    assert missing(needed, ["read:users:groups"]) == set()
    assert missing(needed, ["read:users:groups!user=ada"]) == set()
    assert missing(needed, ["read:users:groups!user=bob"]) == set(needed)


def test_role_can_be_copied() -> None:
    """The role is Python code for jupyterhub_config.py."""
    from traitlets.config import Config

    c = Config()
    exec(role_for("cull", REQUIRED), {"c": c})  # noqa: S102 - the text that an administrator would copy
    (role,) = c.JupyterHub.load_roles
    assert role["services"] == ["cull"]
    assert sorted(role["scopes"]) == sorted(REQUIRED)
    assert len(role["name"]) >= 3


async def test_nothing_missing(
    hub: HubClient, fake_hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """If all scopes are granted, nothing is logged."""
    found = await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event())
    assert found == frozenset()
    assert caplog.text == ""


async def test_missing_scopes_are_reported(
    hub: HubClient, fake_hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """Each missing scope is logged with its reason, followed by the role."""
    fake_hub.scopes = ["list:users"]
    found = await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event())
    assert found == {"delete:servers"}
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "delete:servers is missing. It is needed to stop servers" in text
    assert "list:users is missing" not in text
    assert '"services": ["cull"]' in text
    assert all(line in text for line in ROLE.splitlines())


async def test_waiting_for_the_hub(
    hub: HubClient,
    fake_hub: FakeHub,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the Hub is down the check waits; the reason is logged only once."""
    monkeypatch.setattr(scopes, "FIRST_WAIT_SECONDS", 0.001)
    caplog.set_level(logging.INFO)
    fake_hub.fail("status", status=503, path="/user", times=7)
    found = await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event())
    assert found == frozenset()
    messages = [record.getMessage() for record in caplog.records]
    assert sum("Waiting for the Hub" in message for message in messages) == 1
    assert "The Hub is available." in messages


async def test_waiting_for_the_hub_to_accept_the_token(
    hub: HubClient,
    fake_hub: FakeHub,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that the Hub does not accept (yet) is reported, and tried again."""
    monkeypatch.setattr(scopes, "FIRST_WAIT_SECONDS", 0.001)
    fake_hub.fail("status", status=403, path="/user", times=2)
    assert await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event()) == frozenset()
    assert "does not accept the token" in caplog.text
    assert fake_hub.token not in caplog.text


async def test_waiting_ends_on_shutdown(hub: HubClient, fake_hub: FakeHub) -> None:
    """A service that waits for the Hub still stops at once."""
    fake_hub.fail("status", status=403, path="/user", times=1000)
    stopping = asyncio.Event()
    waiting = asyncio.ensure_future(check(hub, REQUIRED, role=ROLE, stopping=stopping))
    while not fake_hub.seen:
        await asyncio.sleep(0.001)
    stopping.set()
    assert await asyncio.wait_for(waiting, 5) == frozenset()


async def test_without_waiting_the_error_is_raised(hub: HubClient, fake_hub: FakeHub) -> None:
    """Without waiting, the first error is raised."""
    fake_hub.fail("status", status=403, path="/user")
    with pytest.raises(HubForbidden):
        await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event(), wait=False)


async def test_the_token_of_another_service_is_reported(
    hub: HubClient, fake_hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """Signing in fails there, which would otherwise show only when somebody tries."""
    await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event(), service="other")
    assert "the token belongs to the service cull at the Hub, not to the service other" in (
        caplog.text
    )
    assert "--service-name=cull" in caplog.text
    caplog.clear()
    await check(hub, REQUIRED, role=ROLE, stopping=asyncio.Event(), service="cull")
    assert caplog.text == ""
