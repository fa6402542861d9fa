"""``explain`` against the fake Hub."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cull.commands.explain import ArbiterFailed, UnknownTarget, explain
from services.cull.store.store import CullStore
from tests.cull.culler import HOUR
from tests.cull.plan import make_plan
from tests.fakes.hub import FakeHub


@pytest.fixture
async def hub(fake_hub: FakeHub) -> FakeHub:
    """A Hub with a user who has an idle default server and a busy named one."""
    make_plan(fake_hub)
    fake_hub.add_server("ana", idle=2 * HOUR, age=9 * HOUR)
    fake_hub.add_server("ana", "gpu", idle=30, age=9 * HOUR)
    return fake_hub


async def test_one_server_is_explained(hub: FakeHub) -> None:
    """A name after the slash selects a named server."""
    lines = await explain(make_plan(hub), "ana", "gpu")
    assert lines[0] == "server ana/gpu"
    assert any("stops" in line and "in 59 min" in line for line in lines)
    assert not any(line.startswith("user") for line in lines)


async def test_an_empty_server_name_is_the_default_server(hub: FakeHub) -> None:
    """``ana/`` is the default server, and ``ana`` the user with all servers."""
    lines = await explain(make_plan(hub), "ana", "")
    assert lines[0] == "server ana"
    assert any("stop now, because it has reached its idle timeout" in line for line in lines)


async def test_a_user_is_explained_with_all_servers(hub: FakeHub) -> None:
    """The account comes first, then each server."""
    lines = await explain(make_plan(hub), "ana", None)
    heads = [line for line in lines if not line.startswith(" ")]
    assert heads == ["user ana", "server ana", "server ana/gpu"]


@pytest.mark.parametrize(
    ("user", "server", "message"),
    [
        ("nobody", None, "The Hub has no user 'nobody'."),
        ("nobody", "gpu", "The Hub has no user 'nobody'."),
        ("ana", "lab", "The server 'lab' of 'ana' is not running."),
        ("bob", "", "The default server of 'bob' is not running."),
    ],
)
async def test_an_unknown_target_is_an_error(
    hub: FakeHub, user: str, server: str | None, message: str
) -> None:
    """The message names what is missing."""
    hub.add_user("bob")
    with pytest.raises(UnknownTarget, match=message):
        await explain(make_plan(hub), user, server)


async def test_holds_are_read_from_the_database(hub: FakeHub, tmp_path: Path) -> None:
    """The explanation counts holds, as a pass does."""
    url = f"sqlite:///{tmp_path}/cull.sqlite"
    now = datetime.now(UTC)
    async with CullStore(url) as store:
        await store.hold("user", "ana", until=now + timedelta(hours=5), by="root", now=now)
    lines = await explain(make_plan(hub, db_url=url), "ana", "")
    assert any("an administrator has placed a hold on it" in line for line in lines)


async def test_a_hub_that_has_just_started_is_taken_into_account(hub: FakeHub) -> None:
    """Until the settling time has passed, a server is not treated as idle."""
    started = (datetime.now(UTC) - timedelta(seconds=60)).timestamp()
    hub.metrics_text = f"process_start_time_seconds {started}\n"
    lines = await explain(make_plan(hub, settle_seconds=360.0), "ana", "")
    assert any("idle times are not reliable yet" in line for line in lines)


@pytest.mark.parametrize(("verdict", "words"), [(True, "stop now"), (False, "keep")])
async def test_the_arbiter_hook_is_called(hub: FakeHub, *, verdict: bool, words: str) -> None:
    """The explanation shows what a pass would do with this hook."""
    lines = await explain(make_plan(hub, arbiter=lambda **_: verdict), "ana", "")
    [decision] = [line for line in lines if "decision" in line]
    assert words in decision


async def test_a_hook_that_raises_is_an_error(hub: FakeHub) -> None:
    """The message names the server and what the hook raised."""

    def hook(*, server: dict[str, Any], **_: Any) -> bool:
        return bool(server["no_such_key"])

    with pytest.raises(ArbiterFailed, match=r"failed for ana/.*KeyError: 'no_such_key'"):
        await explain(make_plan(hub, arbiter=hook), "ana", "")
