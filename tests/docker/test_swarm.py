"""The stack on two machines: students' servers elsewhere than the hub, and what they survive.

In the place of the NFS mount stands a folder that both machines have (see swarm_site); that an NFS
server with our exports keeps homes apart is tested in test_nfs.
"""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.docker.engine import Engine, until
from tests.docker.notebook import Hub, eventually
from tests.docker.swarm_site import NODE, STACK, TOKEN, VERSION, Site


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two machines with the stack on them."""
    made = Site(engine, tmp_path_factory.mktemp("swarm"))
    made.clear()  # of a run that was killed
    try:
        made.make()
        yield made
    finally:
        made.clear()


@pytest.fixture
async def hub(site: Site) -> AsyncIterator[Hub]:
    """The hub behind the proxy."""
    async with aiohttp.ClientSession() as session:
        yield Hub(session, site.url, TOKEN)


def test_what_is_missing_is_said(site: Site) -> None:
    """docker/swarm names what to do at each step, a line each, and nothing once all is there."""
    no_swarm = site.said["no swarm"]
    assert no_swarm.startswith("This engine is in no swarm (it is inactive): run docker swarm init")
    assert no_swarm.count("\n") == 1
    hub, students = site.said["no labels"].splitlines()
    assert hub.endswith("docker node update --label-add classroom.hub=true NODE")
    assert students.endswith("docker node update --label-add classroom.worker=true NODE")
    assert site.said["ready"] == "Nothing is missing: docker/swarm deploy\n"


async def test_a_server_elsewhere_has_its_users_home(site: Site, hub: Hub) -> None:
    """It runs on the worker, as its user, and its files outlive it."""
    await hub.start("ada")
    assert site.where("ada") == site.node != site.manager
    await hub.write("ada", "work.txt", "mine")
    home = site.files / "homes/ada"
    assert home.stat().st_mode & 0o7777 == 0o700
    assert (home / "work.txt").stat().st_uid == home.stat().st_uid >= 1_000_000
    assert (home / "WELCOME.txt").stat().st_uid == home.stat().st_uid
    await hub.stop("ada")
    assert site.where("ada") is None
    await hub.start("ada")
    assert await hub.read("ada", "work.txt") == "mine"


async def test_kernels_run_on_while_the_hub_and_services_are_replaced(site: Site, hub: Hub) -> None:
    """The connection to the kernel holds, too."""
    await hub.start("bob")
    kernel = await hub.kernel("bob")
    await kernel.run("answer = 6 * 7")
    for name in ("hub", "cull", "stats", "formgrader", "db"):
        site.update(name)
        assert await kernel.run("answer += 1", "answer") == str(43), name
        await kernel.run("answer = 42")
    await kernel.close()
    await eventually("the hub", lambda: hub.ask("GET", "/hub/api/users/bob"), seconds=90)
    assert "" in (await hub.ask("GET", "/hub/api/users/bob"))["servers"]


async def test_a_server_comes_back_elsewhere_when_its_machine_is_lost(site: Site, hub: Hub) -> None:
    """With its files, at the same address, and without the hub's doing."""
    await hub.start("cyd")
    node, manager = site.node, site.manager
    assert site.where("cyd") == node
    await hub.write("cyd", "exam.txt", "half done")
    site.label(manager, "worker")
    site.engine.docker("kill", NODE)
    try:
        until("a server on the other machine", lambda: site.where("cyd") == manager, seconds=120)

        async def reads() -> bool:
            return await hub.read("cyd", "exam.txt") == "half done"

        await eventually("cyd's file", reads, seconds=120)
        await hub.write("cyd", "exam.txt", "done")
        assert "" in (await hub.ask("GET", "/hub/api/users/cyd"))["servers"]
    finally:
        await hub.stop("cyd")
        site.engine.docker("start", NODE)
        site.label(manager, "worker", "false")
        status = ("node", "inspect", "--format", "{{.Status.State}}", node)
        until("the machine's return", lambda: site.engine.docker(*status) == "ready\n", seconds=120)


async def test_what_was_left_of_a_server_is_in_nobodys_way(site: Site, hub: Hub) -> None:
    """A service of a student's name that the hub knows nothing of gives way to the new server."""
    name = f"{STACK}-user-dan"
    words = ("service", "create", "--detach", "--name", name, "--endpoint-mode", "dnsrr")
    image = f"classroom-singleuser:{VERSION}"
    site.engine.docker(*words, "--no-resolve-image", "--entrypoint", "sleep", image, "1000")
    await hub.start("dan")
    await hub.write("dan", "new.txt", "new")
    await hub.stop("dan")
    assert name not in site.engine.docker("service", "ls", "--format", "{{.Name}}").split()


async def test_a_student_reaches_neither_the_proxys_api_nor_the_database(
    site: Site, hub: Hub
) -> None:
    """Not by name, and not by any address in the network of hub and services."""
    await hub.start("eve")
    kernel = await hub.kernel("eve")
    addresses = []
    for service, port in (("proxy", 8001), ("db", 5432), ("cull", 8000), ("stats", 8000)):
        for task in site.tasks(f"{STACK}_{service}"):
            for network in task["NetworksAttachments"]:
                addresses += [(each.split("/")[0], port) for each in network["Addresses"]]
    names = [("proxy-api", 8001), ("db", 5432), ("cull", 8000), ("stats", 8000)]
    await kernel.run(
        """
import socket
def reached(where):
    try:
        socket.create_connection(where, 2).close()
    except OSError:
        return False
    return True
"""
    )
    assert await kernel.run("pass", "reached(('hub', 8081))") == "True"
    assert len(addresses) >= 5
    asked = f"[each for each in {[*names, *addresses]!r} if reached(each)]"
    assert await kernel.run("pass", asked) == "[]"
    await kernel.close()
