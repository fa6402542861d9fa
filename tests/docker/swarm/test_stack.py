"""The stack on two machines: students' servers on a worker, upgrades, failover and isolation.

Both machines share a local folder instead of an NFS mount (see site.py). The isolation of home
directories on an NFS server is tested in test_nfs.py.
"""

from ast import literal_eval
from collections.abc import AsyncIterator, Iterator
from functools import partial

import aiohttp
import pytest

from tests.docker.engine import Engine, until
from tests.docker.swarm.notebook import Hub, Kernel, eventually
from tests.docker.swarm.site import NODE, STACK, TOKEN, VERSION, Site

#: Services that an upgrade replaces while students work. The proxy, which closes connections, is
#: replaced after these.
REPLACED = ("cull", "stats", "formgrader", "course101", "db", "hub")
STATUS_OF_BOB = "/user/bob/api/status"


@pytest.fixture(scope="module")
def site(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Site]:
    """The stack on two machines; the duration of each step is printed at the end."""
    made = Site(engine, tmp_path_factory.mktemp("swarm"))
    made.clear()  # left over from a run that was killed
    try:
        made.make()
        yield made
    finally:
        with made.timed("the end"):
            made.clear()
        capture = pytestconfig.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print()
            for step, seconds in made.took.items():
                print(f"  {step:<40}{seconds:7.1f} s")


@pytest.fixture
async def hub(site: Site) -> AsyncIterator[Hub]:
    """The hub behind the proxy."""
    async with aiohttp.ClientSession() as session:
        yield Hub(session, site.url, TOKEN)


def test_the_check_reports_what_is_missing(site: Site) -> None:
    """docker/swarm lists the remaining problems at each setup step, and finally none."""
    no_swarm = site.said["no swarm"]
    assert no_swarm.startswith(
        "This engine is not part of a swarm (state: inactive): run docker swarm init"
    )
    assert no_swarm.count("\n") == 1
    hub, students = site.said["no labels"].splitlines()
    assert hub.endswith("docker node update --label-add classroom.hub=true NODE")
    assert students.endswith("docker node update --label-add classroom.worker=true NODE")
    assert site.said["ready"] == "No problems found. To deploy, run docker/swarm deploy\n"


async def test_a_server_on_the_worker_has_its_users_home(site: Site, hub: Hub) -> None:
    """The files belong to the user and are kept when the server stops."""
    with site.timed("a server on the worker"):
        await hub.start("ada")
    assert site.where("ada") == site.node != site.manager
    await hub.write("ada", "work.txt", "mine")
    home = site.files / "homes/ada"
    assert home.stat().st_mode & 0o7777 == 0o700
    assert (home / "work.txt").stat().st_uid == home.stat().st_uid >= 1_000_000
    assert (home / "WELCOME.txt").stat().st_uid == home.stat().st_uid
    with site.timed("its end"):
        await hub.stop("ada")
    assert site.where("ada") is None
    with site.timed("its second start"):
        await hub.start("ada")
    assert await hub.read("ada", "work.txt") == "mine"
    await hub.stop("ada")


async def test_kernels_keep_running_during_an_upgrade(site: Site, hub: Hub) -> None:
    """Connections to kernels stay open until the proxy is replaced; clients can then reconnect.

    All services find each other at their new addresses.
    """
    await hub.start("bob")
    kernel = await hub.kernel("bob")
    await kernel.run("answer = 0")
    for count, name in enumerate(REPLACED, start=1):
        site.update(name)
        assert await kernel.run("answer += 1", "answer") == str(count), name

    with site.timed("the new hub answers"):
        await hub.answers()
    assert "" in (await hub.ask("GET", "/hub/api/users/bob"))["servers"]
    with site.timed("the server asks the new hub who that is"):
        bob = await hub.signed_in("bob")
        await eventually("bob's server", lambda: bob.ask("GET", STATUS_OF_BOB), seconds=90)
    with site.timed("the services ask the new hub who that is"):
        await eventually("cull", lambda: bob.ask("GET", "/services/cull/api/servers"), seconds=90)

    site.update("proxy")
    with site.timed("the way back to the kernel"):
        await kernel.connect()
    assert await kernel.run("answer += 1", "answer") == str(len(REPLACED) + 1)
    with site.timed("the ways back to the services"):
        for name in ("cull", "stats", "formgrader"):
            await eventually(name, partial(hub.ask, "GET", f"/services/{name}/health"), seconds=90)
    await kernel.close()
    await hub.stop("bob")


async def test_a_server_moves_to_another_machine_when_its_own_fails(site: Site, hub: Hub) -> None:
    """Swarm restarts it without the hub, with the same files and URL."""
    await hub.start("cyd")
    node, manager = site.node, site.manager
    assert site.where("cyd") == node
    await hub.write("cyd", "exam.txt", "half done")
    site.label(manager, "worker")
    try:
        site.engine.docker("kill", NODE)
        with site.timed("a server elsewhere after its machine"):
            until("the other machine's", lambda: site.where("cyd") == manager, seconds=180)
        with site.timed("until its files are read there"):
            assert await hub.read("cyd", "exam.txt") == "half done"
        await hub.write("cyd", "exam.txt", "done")
        assert (site.files / "homes/cyd/exam.txt").read_text() == "done"
        assert "" in (await hub.ask("GET", "/hub/api/users/cyd"))["servers"]
        await hub.stop("cyd")
    finally:
        site.engine.docker("start", NODE)
        site.label(manager, "worker", "false")
        with site.timed("the machine's return"):
            until("the machine's return", lambda: site.is_ready(node), seconds=180)


async def test_a_leftover_service_does_not_prevent_a_start(site: Site, hub: Hub) -> None:
    """A service with a student's name that is unknown to the hub is replaced by the new server."""
    name = f"{STACK}-user-dan"
    words = ("service", "create", "--detach", "--name", name, "--endpoint-mode", "dnsrr")
    image = f"classroom-singleuser:{VERSION}"
    site.engine.docker(*words, "--no-resolve-image", "--entrypoint", "sleep", image, "1000")
    await hub.start("dan")
    await hub.write("dan", "new.txt", "new")
    await hub.stop("dan")
    assert name not in site.engine.docker("service", "ls", "--format", "{{.Name}}").split()


#: The ports of the stack's services.
PORTS = {
    "proxy": 8000,
    "hub": 8081,
    "db": 5432,
    **dict.fromkeys(("cull", "stats", "formgrader", "course101"), 8000),
}
#: Code for a student's kernel: opens connections and sends requests with the server's token.
TRY = """
import os, socket, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor

def listens(place):
    try:
        socket.create_connection(place, 5).close()
    except OSError:
        return False
    return True

def reached(places):
    with ThreadPoolExecutor(len(places)) as pool:
        return [place for place, yes in zip(places, pool.map(listens, places)) if yes]

def status(url):
    token = os.environ["JUPYTERHUB_API_TOKEN"]
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
"""


async def test_students_are_isolated(site: Site, hub: Hub) -> None:
    """A student cannot reach other students' files and servers or the internal services."""
    await hub.start("ada")
    await hub.write("ada", "secret.txt", "of ada")
    await hub.start("eve")
    kernel = await hub.kernel("eve")
    await kernel.run(TRY)
    assert await kernel.run("pass", "os.listdir('/home')") == "['eve']"
    uid = (site.files / "homes/eve").stat().st_uid
    assert await kernel.run("pass", "os.getresuid()") == str((uid, uid, uid))
    assert uid != (site.files / "homes/ada").stat().st_uid

    site.no_way_around()
    places = [("proxy-api", 8001), ("proxy", 8001), (f"{STACK}-user-ada", 8888)]
    places += [(name, port) for name, port in PORTS.items() if name not in ("hub", "proxy")]
    for name, port in PORTS.items():
        addresses = site.addresses(name)
        assert addresses, name
        for network, address in addresses:
            if network != f"{STACK}_students":
                places += [(address, port), (address, 8001)]
            elif name == "proxy":
                places.append((address, 8001))
    may = [("proxy", 8000), ("hub", 8081)]
    reached = literal_eval(await kernel.run("pass", f"reached({[*places, *may]!r})"))
    assert reached == may, reached

    # The reachable services identify the student and refuse access to anything else.
    proxy, api, server = "http://proxy:8000", "http://hub:8081/hub/api", f"http://{STACK}-user-"
    own, theirs = "/user/eve/api/status", "/user/ada/api/contents/secret.txt"
    assert await answers(kernel, f"{api}/user", f"{proxy}{own}", f"{server}eve:8888{own}") == {
        f"{api}/user": 200,
        f"{proxy}{own}": 200,
        f"{server}eve:8888{own}": 200,
    }
    refused = await answers(
        kernel,
        f"{proxy}{theirs}",
        f"{api}/users/ada",
        f"{api}/proxy",
        "http://hub:8081/hub/metrics",
        *(f"{proxy}/services/{name}/metrics" for name in ("cull", "stats", "formgrader")),
    )
    assert set(refused.values()) <= {401, 403, 404}, refused
    await kernel.close()
    await hub.stop("eve")
    await hub.stop("ada")


async def answers(kernel: Kernel, *urls: str) -> dict[str, int]:
    """Return the status of each URL when requested from a student's kernel with its token."""
    found = literal_eval(await kernel.run("pass", f"{{url: status(url) for url in {urls!r}}}"))
    return dict(found)
