"""What the site reads from the culler."""

from common.hub.models import Server, User
from services.cull.policy.model import Flags, Policy, Protections, Reason
from services.cull.web.culler_state import CullerState, running_servers
from tests.cull.web.site import CullSite
from tests.fakes.clock import START


async def test_decisions_follow_the_current_policy(site: CullSite) -> None:
    """A policy that has changed since the last pass counts at once."""
    state = CullerState(site.culler)
    user = await site.client.user("ada")
    server = user.servers[""]
    assert (await state.decide(user, server, Protections())).reason is Reason.ACTIVE
    site.policy = Policy.from_flags(Flags(timeout=30))
    assert state.rule(user, server).idle_timeout == 30
    assert (await state.decide(user, server, Protections())).reason is Reason.IDLE


async def test_passes_and_servers_come_from_the_culler(site: CullSite) -> None:
    """Before the first pass, there are none."""
    state = CullerState(site.culler)
    assert (state.passes(), list(state.servers()), state.servers_as_of()) == ([], [], None)
    await site.culler.run_pass()
    assert [one.seen for one in state.passes()] == [1]
    assert [one.user for one in state.servers()] == ["ada"]
    assert state.servers_as_of() == state.now() == START


def test_running_servers_are_sorted_and_include_pending_ones() -> None:
    """A stopped named server is left out."""
    servers = {
        "z": Server(name="z", ready=True),
        "starting": Server(name="starting", pending="spawn", stopped=True),
        "stopped": Server(name="stopped", stopped=True),
        "": Server(name="", ready=True),
    }
    user = User(name="ada", servers=servers)
    assert [one.name for one in running_servers(user)] == ["", "starting", "z"]
