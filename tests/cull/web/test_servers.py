"""The servers that pages and API list."""

from datetime import timedelta

from services.cull.store.records import HoldKind
from services.cull.web.access import Viewer
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import ServerQuery
from services.cull.web.servers import Servers
from tests.cull.web.site import CullSite
from tests.fakes.clock import START

ALL = ServerQuery()


async def viewer(site: CullSite, name: str) -> Viewer:
    """A user, as the Hub knows them."""
    return Viewer(name, await site.client.user(name), admin=False)


def servers(site: CullSite) -> Servers:
    """The lists of this site."""
    return Servers(CullerState(site.culler), site.store)


async def test_own_servers_need_no_pass(site: CullSite) -> None:
    """They come from the Hub, sorted by name, each with an offer."""
    site.hub.add_server("ada", "lab", idle=30)
    site.hub.add_server("ada", "gpu", idle=30)
    found = await servers(site).own(await viewer(site, "ada"))
    assert [one.server for one in found] == ["", "gpu", "lab"]
    assert all(one.offer is not None for one in found)


async def test_a_stopped_named_server_is_not_listed(site: CullSite) -> None:
    """The Hub remembers named servers, but lists the running ones only."""
    site.hub.add_server("ada", "old", ready=False)
    found = await servers(site).own(await viewer(site, "ada"))
    assert [one.server for one in found] == [""]


async def test_a_service_has_no_servers_of_its_own(site: CullSite) -> None:
    """Even if a user has the same name."""
    assert await servers(site).own(Viewer("ada", None, admin=True)) == []


async def test_all_servers_are_those_of_the_last_pass(site: CullSite) -> None:
    """Before the first pass there are none; afterwards they carry the time of the pass."""
    found = await servers(site).all(ALL)
    assert (found.servers, found.as_of) == ([], None)
    await site.culler.run_pass()
    site.hub.add_server("bob", idle=30)
    found = await servers(site).all(ALL)
    assert [one.user for one in found.servers] == ["ada"]
    assert found.as_of == START
    assert found.servers[0].offer is None


async def test_all_servers_show_current_holds(site: CullSite) -> None:
    """A hold that was added after the pass already moves the stop."""
    await site.culler.run_pass()
    until = START + timedelta(hours=5)
    await site.store.hold(HoldKind.USER, "ada", until=until, by="root", now=START)
    [one] = (await servers(site).all(ALL)).servers
    assert (one.held_until, one.stops_at) == (until, until)


async def test_a_list_is_filtered_by_the_query(site: CullSite) -> None:
    """The total counts the matching servers only."""
    site.hub.add_server("ada", "lab", idle=30)
    found = await servers(site).own_list(await viewer(site, "ada"), ServerQuery(text="lab"))
    assert ([one.server for one in found.servers], found.total) == (["lab"], 1)
