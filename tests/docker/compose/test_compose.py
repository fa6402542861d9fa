"""End-to-end tests of docker/compose.yaml: deployment, coursework and user isolation."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from common import __version__
from examples.demo.course import GOOD
from tests.docker.compose.site import COURSE, ROSTER, Person, Site, gone, make_site, take_down
from tests.docker.engine import BASE, CommandError, Engine, until

#: Maximum image sizes, base included: about 20% above the current sizes.
MOST_MEGABYTES = {"hub": 510, "proxy": 440, "services": 500, "formgrader": 760, "singleuser": 740}
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
    """One site shared by all tests in this module; it stays up between tests."""
    directory = tmp_path_factory.mktemp("site")
    homes = directory / "homes"
    homes.mkdir(mode=0o755)
    site = make_site(engine, directory, HOMES=str(homes))
    try:
        yield site
    finally:
        take_down(site)


async def test_class_runs_on_a_new_deployment(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the idle student is culled, both sessions are recorded, and a grader can grade."""
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
        grade = await ungraded(grader)
        points = {"manual_score": 2, "extra_credit": 0}
        await grader.formgrader("PUT", f"grade/{grade}", points)
    query = "SELECT count(*) FROM classroom_uids"
    assert int(site.database("hub", query)) >= 2
    site.took["a grade given"] = loop.time() - began
    with capsys.disabled():
        print()
        for what, seconds in site.took.items():
            print(f"  {what:<28}{seconds:7.1f} s")


async def test_assignment_is_released_submitted_graded_and_returned(site: Site) -> None:
    """Students cannot read each other's work or modify releases in the exchange."""
    make_course(site)
    ps1 = {"course_id": "course101", "assignment_id": "ps1"}
    async with site.person("ada") as ada, site.person("bob") as bob:
        await asyncio.gather(ada.start(), bob.start())
        async with site.person("instructor") as instructor:
            await instructor.until(f"{COURSE}formgrader/gradebook", "nbgrader")
            await instructors_step(instructor, "assignment/ps1/release")
            for student in (ada, bob):
                await students_step(student, "fetch", ps1)
            await answer_squares(ada)
            for student in (ada, bob):
                await students_step(student, "submit", ps1)
            await instructors_step(instructor, "assignment/ps1/collect")
            score = {}
            for name in ("ada", "bob"):
                await instructors_step(instructor, f"submission/ps1/{name}/autograde")
                found = await instructor.formgrader("GET", f"submission/ps1/{name}")
                score[name] = found["score"]
            assert score["ada"] > score["bob"] == 0
            await instructors_step(instructor, "assignment/ps1/generate_feedback")
            await instructors_step(instructor, "assignment/ps1/release_feedback")
        await students_step(ada, "fetch_feedback", ps1)
        look = (
            "from pathlib import Path; "
            "print(*{p.name for p in Path('ps1/feedback').rglob('*.html')})"
        )
        assert "problem1.html" in site.within("ada", f"import os; os.chdir('/home/ada'); {look}")
        course = "/srv/nbgrader/exchange/course101"
        for attempt in (
            f"os.listdir('{course}/inbound')",
            f"os.listdir('{course}/feedback')",
            f"open('{course}/outbound/ps1/problem1.ipynb', 'a')",
            f"os.rename('{course}', '{course}-away')",
        ):
            with pytest.raises(CommandError, match="PermissionError"):
                site.within("bob", f"import os; {attempt}")


@pytest.mark.parametrize("spawner", ["docker", "systemuser"])
async def test_students_are_isolated_from_each_other(site: Site, spawner: str) -> None:
    """A student cannot access another student's files or server, or internal services."""
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
    with pytest.raises(CommandError, match="Read-only file system"):
        site.within("ada", "open('/srv/courses/week1.ipynb', 'w')")
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
    # The last two are allowed; they show that the probe itself works.
    assert reached == ["reached proxy 8000", "reached hub 8081"]

    # Students cannot reach open ports in each other's containers, but the hub can.
    listen_in_bobs(site)
    servers = [("classroom-bob", 8888), ("classroom-bob", 9999)]
    program = REACH.format(places=servers)
    assert site.within("ada", program) == ""
    assert len(site.within("bob", program).splitlines()) == 2
    assert len(in_hub(site, program)) == 2
    await stop_all(site)


async def test_server_follows_proxy_to_new_address_and_blocks_the_old_one(
    site: Site,
) -> None:
    """A container that takes over the proxy's old address gets no special access."""
    serve = ("python3", "-m", "http.server", "8000")
    async with site.person("ada") as ada:
        await ada.start()
        old = address_of(site, "classroom-proxy-1")
        site.compose("stop", "proxy")
        try:
            words = ("--detach", "--name", "stranger", "--network", "classroom_students")
            site.engine.docker("run", *words, BASE, *serve)
            site.compose("start", "proxy")
            assert address_of(site, "stranger") == old != address_of(site, "classroom-proxy-1")
            program = REACH.format(places=[("stranger", 8000), ("proxy", 8000)])
            until("the stranger", lambda: len(in_hub(site, program)) == 2)
            until("the way", lambda: site.within("ada", program) == "reached proxy 8000")
            await ada.until("user/ada/lab", "jupyter-config-data", seconds=60)
        finally:
            site.engine.docker("rm", "--force", "stranger")
        await ada.stop()


async def test_student_process_cannot_gain_privileges(site: Site) -> None:
    """It has no capabilities, cannot write system files, and runs under resource limits."""
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


async def test_student_cannot_disable_the_firewall(site: Site) -> None:
    """A student can neither flush the rules nor kill the firewall process, which stays small."""
    async with site.person("ada") as ada:
        await ada.start()
        with pytest.raises(CommandError, match="Operation not permitted"):
            site.within("ada", "import os; os.execl('/usr/sbin/nft', 'nft', 'flush', 'ruleset')")
        look = (
            "from pathlib import Path\n"
            "for each in Path('/proc').glob('[0-9]*/cmdline'):\n"
            "    if each.read_bytes().split(b'\\0')[3:4] == [b'/opt/jupyter/firewall.py']:\n"
            "        print(each.parent.name)\n"
        )
        process = site.within("ada", look)
        with pytest.raises(CommandError, match="PermissionError"):
            site.within("ada", f"import os; os.kill({process}, 9)")
        status = site.within("ada", f"print(open('/proc/{process}/status').read())")
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(values["RssAnon"].split()[0]) < 8000  # kB
        await ada.stop()


@pytest.mark.parametrize("spawner", ["docker", "systemuser"])
async def test_files_survive_server_stop_and_hub_replacement(
    site: Site, spawner: str, tmp_path: Path
) -> None:
    """The user keeps the same files and uid, and the home stays private."""
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
            assert "are kept when your server stops" in welcome
            assert site.within("ada", "print(os.listdir('/home'))".join(["import os; ", ""])) == (
                "['ada']"
            )
        await ada.stop()


async def test_reason_for_failed_start_is_reported(site: Site) -> None:
    """The student sees the reason on the page; the administrator finds it in the hub's log."""
    await only_hub_again(site, SPAWNER="docker")
    reason = "/home/bob belongs to uid 4242"
    home = ("--volume", "classroom-home-bob:/home/bob", BASE, "chown", "4242", "/home/bob")
    site.engine.docker("run", "--rm", *home)
    try:
        async with site.person("bob") as bob:
            await bob.get("hub/spawn")
            async with asyncio.timeout(60):
                while reason not in (await bob.get("hub/spawn-pending/bob"))[1]:
                    await asyncio.sleep(0.5)
        assert reason in site.compose("logs", "hub")
    finally:
        site.engine.docker("run", "--rm", *home[:-2], site.uid("bob"), "/home/bob")


async def test_invalid_roster_is_logged_and_last_valid_one_stays_in_effect(site: Site) -> None:
    """The hub logs the error, and users can still sign in."""
    roster = site.directory / "etc" / "roster.toml"
    try:
        roster.write_text("admins = [")
        async with asyncio.timeout(90):
            while "not a valid TOML file" not in site.compose("logs", "hub"):
                await asyncio.sleep(0.5)
        async with site.person("bob") as bob:
            status, _ = await bob.get("hub/home")
            assert status == 200
    finally:
        roster.write_text(ROSTER)


def test_setup_check_reports_problems_and_overwrites_nothing(site: Site) -> None:
    token = site.secret("proxy_token")
    site.setup("--check")
    assert site.secret("proxy_token") == token
    path = site.directory / "secrets" / "cull_token"
    kept = path.read_bytes()
    path.chmod(0o600)
    path.write_text("short\n")
    try:
        with pytest.raises(CommandError, match="secrets/cull_token is too short"):
            site.setup("--check")
        assert path.read_text() == "short\n"
    finally:
        path.write_bytes(kept)
        path.chmod(0o444)
    with pytest.raises(CommandError, match="the Docker engine does not respond"):
        site.setup("--check", DOCKER_HOST="unix:///nowhere.sock")


def test_port_in_use_by_a_container_is_reported(site: Site, engine: Engine) -> None:
    """The message names the container and suggests a fix."""
    publish = ("--publish", "18777:80")
    engine.docker("run", "--detach", "--name", "holder", *publish, BASE, "sleep", "600")
    settings = site.directory / ".env"
    kept = settings.read_text()
    try:
        site.configure(PORT="18777")
        message = "port 18777 is in use by the container holder: stop"
        with pytest.raises(CommandError, match=message):
            site.setup("--check")
    finally:
        settings.write_text(kept)
        engine.docker("rm", "--force", "holder")


def test_images_are_small_and_contain_no_secrets(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No layer contains a secret, even though secrets/ is next to the Dockerfiles."""
    images = [f"classroom-{name}:{__version__}" for name in MOST_MEGABYTES]
    secrets = [path.read_text().strip() for path in (site.directory / "secrets").iterdir()]
    label = "JupyterLab and nbgrader for one user of a JupyterHub"
    (tmp_path / "words").write_text("\n".join([label, *filter(None, secrets)]))
    grep = f"grep --text -o --fixed-strings --file={tmp_path}/words"
    found = subprocess.run(
        ["bash", "-c", f"docker save {' '.join(images)} | {grep} | sort -u"],
        env={**site.engine.environment, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Finding the label shows that the search works.
    assert (found.stdout, found.stderr) == (f"{label}\n", "")
    megabytes = {
        name: int(site.engine.docker("inspect", "--format", "{{.Size}}", image)) // 10**6
        for name, image in zip(MOST_MEGABYTES, images, strict=True)
    }
    with capsys.disabled():
        print(f"\n  megabytes of each image, base included: {megabytes}")
    assert all(megabytes[name] <= most for name, most in MOST_MEGABYTES.items()), megabytes


def test_container_configuration_contains_no_secrets(site: Site) -> None:
    """Secrets are read from files, never passed in environment variables or arguments."""
    names = (
        "proxy_token",
        "cookie_secret",
        "postgres_password",
        "cull_token",
        "grading_token_course101",
    )
    secrets = [site.secret(name) for name in names]
    containers = site.compose("ps", "--all", "--quiet").split()
    assert len(containers) >= 8
    for container in containers:
        settings = site.engine.docker("inspect", "--format", "{{json .Config}}", container)
        assert "Env" in json.loads(settings)
        assert [name for name, text in zip(names, secrets, strict=True) if text in settings] == []


def listen_in_bobs(site: Site) -> None:
    """Start an unauthenticated HTTP server in bob's container."""
    program = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=9999)"
    words = ("exec", "--detach", "-u", site.uid("bob"), site.container("bob"))
    site.engine.docker(*words, "python3", "-c", program)
    look = REACH.format(places=[("127.0.0.1", 9999)])
    until("bob's program", lambda: site.within("bob", look))


def in_hub(site: Site, program: str) -> list[str]:
    """Run a Python program in the hub's container and return its output lines."""
    return site.compose("exec", "-T", "hub", "python3", "-c", program).splitlines()


def address_of(site: Site, container: str) -> str:
    """Return a container's address on the students' network."""
    words = "{{.NetworkSettings.Networks.classroom_students.IPAddress}}"
    return site.engine.docker("inspect", "--format", words, container).strip()


async def stop_all(site: Site) -> None:
    """Stop all running student servers."""
    for name in ("ada", "bob"):
        words = ("ps", "-q", "--filter", f"name=^{site.container(name)}$")
        if site.engine.docker(*words).strip():
            async with site.person(name) as person:
                await person.stop()


async def only_hub_again(site: Site, **settings: str) -> None:
    """Recreate the hub container, optionally with new settings, and wait until it responds."""
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
    """Create the demo course in the formgrader's container unless it already exists."""
    container = "classroom-course101-1"
    site.engine.docker("cp", str(site.directory.parent / "examples"), f"{container}:/tmp/examples")
    program = (
        "[ -d /srv/course/source ] && exit"
        "; cd /tmp && HOME=/tmp/course python -m examples.demo.course /tmp/made/course101"
        " && cp -a /tmp/made/course101/. /srv/course/"
    )
    site.engine.docker("exec", "-u", "65533", container, "sh", "-c", program)


async def students_step(student: Person, action: str, what: dict[str, str]) -> None:
    """Trigger an action in JupyterLab's assignment list."""
    done = await student.server("POST", f"assignments/{action}", what)
    assert done["success"], done


async def instructors_step(instructor: Person, path: str) -> None:
    """Trigger an action in the formgrader."""
    done = await instructor.formgrader("POST", path)
    assert done["success"], done["log"]


async def answer_squares(student: Person) -> None:
    """Solve the first exercise and save the notebook the way JupyterLab does."""
    path = "api/contents/ps1/problem1.ipynb"
    file = await student.server("GET", path)
    for cell in file["content"]["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "squares":
            cell["source"] = GOOD["squares"]
    await student.server("PUT", path, {key: file[key] for key in ("type", "format", "content")})


async def ungraded(grader: Person) -> str:
    """Return the id of a grade that needs manual grading."""
    for notebook in await grader.formgrader("GET", "submitted_notebooks/ps1/problem1"):
        for grade in await grader.formgrader("GET", f"grades?submission_id={notebook['id']}"):
            if grade["auto_score"] is None:
                return str(grade["id"])
    raise AssertionError("nothing to grade by hand")
