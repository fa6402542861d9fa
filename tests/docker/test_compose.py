"""docker/compose.yaml from an empty engine to a class at work, and what keeps its people apart."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.docker.compose_site import ROSTER, Site, gone, make_site, take_down
from tests.docker.engine import BASE, CommandError, Engine

COURSE = "services/formgrader/course101/"
REACH = """
import socket, sys
for place in {places!r}:
    try:
        socket.create_connection((place[0], place[1]), 3).close()
        print("reached", *place)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site for all tests here; they leave it running, with their people's servers."""
    directory = tmp_path_factory.mktemp("site")
    homes = directory / "homes"
    homes.mkdir(mode=0o755)
    site = make_site(engine, directory, HOMES=str(homes))
    try:
        yield site
    finally:
        take_down(site)


async def test_a_class_from_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A student works, an idle one is culled, both are on record, and a grader grades."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with site.person("ada") as ada, site.person("idler") as idler:
        await asyncio.gather(ada.start(), idler.start())
        site.took["two students in JupyterLab"] = loop.time() - began
        status, _ = await ada.get("services/cull/")
        assert status == 200
        await gone(site, "idler")
        site.took["the idle one culled"] = loop.time() - began
        running = site.engine.docker("ps", "-q", "--filter", f"name=^{site.container('ada')}$")
        assert running.strip(), "the student who did nothing wrong was stopped"

    async with asyncio.timeout(90):
        query = "SELECT count(DISTINCT u.name) FROM sessions s JOIN users u ON u.id = s.user_id"
        while site.database("stats", query) != "2":
            await asyncio.sleep(0.5)

    make_course(site)
    async with site.person("grader") as grader:
        await grader.until(f"{COURSE}formgrader/gradebook", "nbgrader")
        grade = await ungraded(site, grader.session)
        headers = formgrader_headers(site, grader.session)
        url = f"{site.url}{COURSE}formgrader/api/grade/{grade}"
        body = json.dumps({"manual_score": 2, "extra_credit": 0})
        async with grader.session.put(url, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    query = "SELECT count(*) FROM classroom_uids"
    assert int(site.database("hub", query)) >= 2
    site.took["a grade given"] = loop.time() - began
    with capsys.disabled():
        print()
        for what, seconds in site.took.items():
            print(f"  {what:<28}{seconds:7.1f} s")


@pytest.mark.parametrize("spawner", ["docker", "systemuser"])
async def test_students_are_kept_apart(site: Site, spawner: str) -> None:
    """Neither gets at the other's files and server, nor at what runs the hub."""
    await stop_all(site)
    await only_hub_again(site, SPAWNER=spawner)
    async with site.person("ada") as ada, site.person("bob") as bob:
        await asyncio.gather(ada.start(), bob.start())
        site.within("bob", "open('/home/bob/secret.txt', 'w').write('of bob')")
        assert site.uid("ada") != site.uid("bob")
        status, _ = await ada.get("user/bob/lab")
        assert status in {403, 404}
        for path in ("user/bob/api/contents/secret.txt", "user/bob/files/secret.txt"):
            status, text = await ada.get(path)
            assert status in {403, 404}
            assert "of bob" not in text
    look = "import os; print(os.path.exists('/home/bob'), os.getuid(), os.listdir('/home'))"
    assert site.within("ada", look) == f"False {site.uid('ada')} ['ada']"

    networks = json.loads(site.engine.docker("inspect", "classroom-proxy-1"))[0]
    addresses = [each["IPAddress"] for each in networks["NetworkSettings"]["Networks"].values()]
    places = [(address, 8001) for address in addresses] + [("proxy-api", 8001), ("db", 5432)]
    for name in ("db", "cull", "stats", "formgrader"):
        inside = json.loads(site.engine.docker("inspect", f"classroom-{name}-1"))[0]
        for each in inside["NetworkSettings"]["Networks"].values():
            places.append((each["IPAddress"], 5432 if name == "db" else 8000))
    program = REACH.format(places=[*places, ("proxy", 8000), ("hub", 8081)])
    reached = site.within("ada", program).splitlines()
    # The two at the end show that the program can reach what it may.
    assert reached == ["reached proxy 8000", "reached hub 8081"]

    # What the other's server answers to somebody in the same network: a way to sign in, no more.
    program = (
        "import urllib.request, urllib.error\n"
        "try:\n"
        "    with urllib.request.urlopen('http://classroom-bob:8888/user/bob/api/contents') as a:\n"
        "        print(a.status, a.url)\n"
        "except urllib.error.HTTPError as error:\n"
        "    print(error.code)\n"
    )
    assert site.within("ada", program) in {"403", "401"}
    await stop_all(site)


async def test_a_program_of_a_student_cannot_become_more(site: Site) -> None:
    """No capability, no new privilege, no place among the system's files, and limits."""
    async with site.person("ada") as ada:
        await ada.start()
    status = site.within("ada", "print(open('/proc/1/status').read())")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    server = site.within("ada", "print(open('/proc/self/status').read())")
    mine = dict(line.split(":\t", 1) for line in server.splitlines() if ":\t" in line)
    assert mine["NoNewPrivs"] == "1" == values["NoNewPrivs"]
    assert int(mine["CapEff"], 16) == 0
    with pytest.raises(CommandError):
        site.within("ada", "open('/etc/passwd', 'a')")
    inspected = json.loads(site.engine.docker("inspect", site.container("ada")))[0]["HostConfig"]
    assert inspected["Memory"] == 512 * 1024 * 1024
    assert inspected["NanoCpus"] == 2_000_000_000 or inspected["CpuQuota"] == 200_000
    assert inspected["PidsLimit"] == 1000
    assert not inspected["Privileged"]


@pytest.mark.parametrize("spawner", ["docker", "systemuser"])
async def test_files_outlive_servers_and_hubs(site: Site, spawner: str, tmp_path: Path) -> None:
    """After a stop and a new hub: the same files, the same uid, a home of its owner's alone."""
    await stop_all(site)
    await only_hub_again(site, SPAWNER=spawner)
    async with site.person("ada") as ada:
        await ada.start()
        site.within("ada", "open('/home/ada/work.txt', 'w').write('of long ago')")
        uid = site.uid("ada")
        await ada.stop()
    await only_hub_again(site)
    async with site.person("ada") as ada:
        await ada.start()
        look = (
            "import os; s = os.stat('/home/ada'); "
            "print(open('/home/ada/work.txt').read(), s.st_uid, oct(s.st_mode & 0o777))"
        )
        assert site.within("ada", look) == f"of long ago {uid} 0o700"
        if spawner == "systemuser":
            welcome = site.within("ada", "print(open('/home/ada/WELCOME.txt').read())")
            assert "here to stay" in welcome
            assert site.within("ada", "print(os.listdir('/home'))".join(["import os; ", ""])) == (
                "['ada']"
            )
        await ada.stop()


async def test_a_mistake_is_told_and_the_last_good_roster_holds(site: Site) -> None:
    """What is wrong stands in the hub's log; nobody is locked out by it."""
    roster = site.directory / "etc" / "roster.toml"
    try:
        roster.write_text("admins = [")
        async with asyncio.timeout(90):
            while "this is not TOML" not in site.compose("logs", "hub"):
                await asyncio.sleep(0.5)
        async with site.person("bob") as bob:
            status, _ = await bob.get("hub/home")
            assert status == 200
    finally:
        roster.write_text(ROSTER)


def test_setup_overwrites_nothing_and_names_what_is_wrong(site: Site) -> None:
    token = site.secret("proxy_token")
    site.setup("--check")
    assert site.secret("proxy_token") == token
    path = site.directory / "secrets" / "cull_token"
    kept = path.read_bytes()
    path.chmod(0o600)
    path.write_text("short\n")
    try:
        with pytest.raises(CommandError, match="secrets/cull_token is weak"):
            site.setup("--check")
        assert path.read_text() == "short\n"
    finally:
        path.write_bytes(kept)
        path.chmod(0o444)
    with pytest.raises(CommandError, match="the docker engine does not answer"):
        site.setup("--check", DOCKER_HOST="unix:///nowhere.sock")


def test_a_port_that_a_container_holds_is_told(site: Site, engine: Engine) -> None:
    """With the container's name and what to write."""
    publish = ("--publish", "18777:80")
    engine.docker("run", "--detach", "--name", "holder", *publish, BASE, "sleep", "600")
    settings = site.directory / ".env"
    kept = settings.read_text()
    try:
        site.configure(PORT="18777")
        with pytest.raises(CommandError, match="port 18777 is taken by the container holder: stop"):
            site.setup("--check")
    finally:
        settings.write_text(kept)
        engine.docker("rm", "--force", "holder")


def test_no_secret_is_in_a_containers_settings(site: Site) -> None:
    """Neither in its environment nor among its words: each is read from its file."""
    names = ("proxy_token", "cookie_secret", "postgres_password", "cull_token", "grading_token")
    secrets = [site.secret(name) for name in names]
    containers = site.compose("ps", "--all", "--quiet").split()
    assert len(containers) >= 8
    for container in containers:
        settings = site.engine.docker("inspect", "--format", "{{json .Config}}", container)
        assert "Env" in json.loads(settings)
        assert [name for name, text in zip(names, secrets, strict=True) if text in settings] == []


async def stop_all(site: Site) -> None:
    """Stop whichever students' servers run."""
    for name in ("ada", "bob"):
        words = ("ps", "-q", "--filter", f"name=^{site.container(name)}$")
        if site.engine.docker(*words).strip():
            async with site.person(name) as person:
                await person.stop()


async def only_hub_again(site: Site, **settings: str) -> None:
    """A new hub in place of the one that runs, with other settings perhaps."""
    site.configure(**settings)
    site.compose("up", "--detach", "--force-recreate", "--no-deps", "hub")
    async with asyncio.timeout(180), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{site.url}hub/api/") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)


def make_course(site: Site) -> None:
    """The demo's course, made by nbgrader itself where the course's formgrader runs."""
    container = "classroom-course101-1"
    site.engine.docker("cp", str(site.directory.parent / "examples"), f"{container}:/tmp/examples")
    program = (
        "cd /tmp && HOME=/tmp/course python -m examples.demo.course /tmp/made/course101"
        " && cp -a /tmp/made/course101/. /srv/course/"
    )
    site.engine.docker("exec", "-u", "65533", container, "sh", "-c", program)


def formgrader_headers(site: Site, session: aiohttp.ClientSession) -> dict[str, str]:
    """What nbgrader's own scripts send."""
    cookies = session.cookie_jar.filter_cookies(URL(site.url + COURSE))
    return {
        "X-CSRFToken": cookies["_xsrf"].value,
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "same-origin",
        "Origin": site.url.rstrip("/"),
        "Content-Type": "application/json",
    }


async def ungraded(site: Site, session: aiohttp.ClientSession) -> str:
    """The id of a grade that only a person can give."""
    url = f"{site.url}{COURSE}formgrader/api/"
    headers = formgrader_headers(site, session)
    async with session.get(f"{url}submitted_notebooks/ps1/problem1", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        notebooks = await answer.json(content_type=None)
    for notebook in notebooks:
        async with session.get(
            f"{url}grades?submission_id={notebook['id']}", headers=headers
        ) as answer:
            for grade in await answer.json(content_type=None):
                if grade["auto_score"] is None:
                    return str(grade["id"])
    raise AssertionError("nothing to grade by hand")
