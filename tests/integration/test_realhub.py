"""RealHub behaves as the other tests expect."""

from datetime import UTC, datetime, timedelta

import psutil
import pytest

from tests.integration.conftest import MakeHub
from tests.integration.realhub import HubAnswerError, RealHub

ODD_NAMES = ["q?x=1", "h#frag", "%41", "名前", "sp ace"]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_names(real_hub: RealHub, name: str) -> None:
    """Users with any valid name can sign in, start their default server and stop it."""
    await real_hub.create_user(name)
    async with (
        real_hub.login(name) as session,
        session.get(real_hub.url + "hub/home") as page,
    ):
        assert page.status == 200
    await real_hub.start_server(name)
    assert set(await real_hub.servers(name)) == {""}
    await real_hub.stop_server(name)
    assert await real_hub.servers(name) == {}


async def test_named_servers_and_activity(real_hub: RealHub) -> None:
    """Named servers start with options, and their last activity can be set back."""
    await real_hub.create_user("nora")
    await real_hub.start_server("nora", "lab-2", options={"profile": "gpu"})
    server = (await real_hub.servers("nora"))["lab-2"]
    assert server["user_options"] == {"profile": "gpu"}
    long_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    await real_hub.set_last_activity("nora", "lab-2", long_ago)
    server = (await real_hub.servers("nora"))["lab-2"]
    assert datetime.fromisoformat(server["last_activity"]) == long_ago
    later = long_ago + timedelta(days=1)
    await real_hub.report_activity("nora", "lab-2", later)
    server = (await real_hub.servers("nora"))["lab-2"]
    assert datetime.fromisoformat(server["last_activity"]) == later


async def test_tokens_have_only_their_scopes(real_hub: RealHub) -> None:
    """A token grants exactly its scopes."""
    token = await real_hub.token(["list:users"])
    names = [user["name"] for user in await real_hub.api("GET", "/users", token=token)]
    assert "admin" in names
    with pytest.raises(HubAnswerError, match="403"):
        await real_hub.api("GET", "/groups", token=token)


async def test_restart_and_close(make_hub: MakeHub) -> None:
    """Servers keep running when the Hub is restarted or killed; close() ends all processes."""
    hub = make_hub()
    await hub.create_user("rita", groups=["nbgrader-x"])
    await hub.start_server("rita")
    before = hub.processes()
    hub.restart()
    assert (await hub.servers("rita"))[""]["ready"]
    hub.kill()
    hub.start()
    assert (await hub.servers("rita"))[""]["ready"]
    hub.restart_proxy()
    after = hub.processes()
    assert len(before) == len(after) == 3
    hub.close()
    assert not [pid for pid in after if psutil.pid_exists(pid)]


async def test_spawner_that_starts_nothing(make_hub: MakeHub) -> None:
    """With spawner="nothing" a server is ready at once and no process is started."""
    hub = make_hub(spawner="nothing")
    await hub.create_user("ned")
    await hub.start_server("ned")
    assert len(hub.processes()) == 2
    hub.restart()
    assert (await hub.servers("ned"))[""]["ready"]
    await hub.stop_server("ned")
