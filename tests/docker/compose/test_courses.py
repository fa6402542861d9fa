"""Two courses of compose.yaml in real containers: their tokens, networks and firewalls."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.docker.compose.site import Site, make_site, take_down
from tests.docker.compose.test_compose import REACH
from tests.docker.engine import BASE, CommandError, Engine, until
from tests.docker.escape import REFUSED, Course

COURSES = ("course101", "course-102")
#: The account that executes submissions.
ACCOUNT = "65533"
TOKEN = "/opt/classroom/secrets/grading_token"
#: Prints the status of a course's page with the token of a course; redirects are not followed.
ASK = """
import http.client
connection = http.client.HTTPConnection({course!r}, 8000, timeout=30)
token = open("/run/secrets/grading_token_" + {whose!r}).read().strip()
path = "/services/formgrader/" + {course!r} + "/formgrader/api/assignments"
connection.request("GET", path, headers={{"Authorization": "token " + token}})
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a second course, added by docker/setup."""
    directory = tmp_path_factory.mktemp("site")
    homes = directory / "homes"
    homes.mkdir(mode=0o755)
    site = make_site(engine, directory, HOMES=str(homes))
    try:
        assert f"Added the course {COURSES[1]}" in site.setup("--add-course", COURSES[1])
        # The second course shows what submissions reach without a sandbox.
        file = site.directory / "courses" / f"{COURSES[1]}.compose.yaml"
        file.write_text(file.read_text().replace("${SANDBOX:-auto}", "none"))
        site.compose("up", "--detach")
        yield site
    finally:
        take_down(site)


def address(site: Site, name: str, network: str) -> str:
    """The address of a container in a network of the site."""
    found = json.loads(site.engine.docker("inspect", f"classroom-{name}-1"))[0]
    return str(found["NetworkSettings"]["Networks"][f"classroom_{network}"]["IPAddress"])


def in_course(site: Site, program: str) -> str:
    """Run a program as a submission without a sandbox would run, and return its output."""
    words = ("exec", "-u", ACCOUNT, "classroom-course101-1", "python", "-c", program)
    return site.engine.docker(*words, timeout=120).strip()


@contextmanager
def program_of_the_machine(site: Site) -> Iterator[tuple[str, int]]:
    """A program that listens on all addresses of the engine's machine."""
    program = (
        "import socket, sys\n"
        "server = socket.create_server(('', 0))\n"
        "print(server.getsockname()[1], flush=True)\n"
        "while True: server.accept()[0].close()\n"
    )
    words = ["nsenter", f"--net=/run/netns/{site.engine.name}", sys.executable, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield site.engine.address, int(running.stdout.readline())
        finally:
            running.kill()


@pytest.mark.attack("deploy-token-of-another-course")
def test_each_token_opens_only_its_own_course(site: Site) -> None:
    """The formgrader service reaches both, and a course redirects the other token to a login."""

    def ask(course: str, whose: str) -> str:
        program = ASK.format(course=course, whose=whose)
        return site.compose("exec", "-T", "formgrader", "python", "-c", program).strip()

    def served() -> bool:
        try:
            return all(ask(each, each) == "200" for each in COURSES)
        except CommandError:
            return False  # it does not listen yet

    until("both courses", served, seconds=120)
    for course, whose in (COURSES, COURSES[::-1]):
        assert ask(course, whose) in {"302", "403"}


@pytest.mark.attack("deploy-token-file")
def test_the_account_of_submissions_cannot_read_the_token(site: Site) -> None:
    """Only root can, whose process has switched to the other account."""
    container = "classroom-course101-1"
    text = site.engine.docker("exec", container, "cat", TOKEN).strip()
    assert text == site.secret("grading_token_course101")
    with pytest.raises(CommandError, match="PermissionError"):
        in_course(site, f"open({TOKEN!r})")
    look = (
        "from pathlib import Path\n"
        "for each in Path('/proc').glob('[0-9]*'):\n"
        "    print(*(each / 'status').read_text().split('Uid:')[1].split()[:4])\n"
    )
    assert set(in_course(site, look).splitlines()) == {" ".join(4 * [ACCOUNT])}
    with pytest.raises(CommandError, match="PermissionError"):
        in_course(site, "open('/proc/1/mem')")
    assert "WARNING: the account" not in site.engine.docker("logs", container)


@pytest.mark.attack("deploy-network-of-another-course", "deploy-connections-of-a-course")
def test_a_course_cannot_connect_to_anything(site: Site) -> None:
    """Not even to the machine, which a container without these rules reaches from there."""
    with program_of_the_machine(site) as machine:
        other = address(site, COURSES[1], COURSES[1])
        service = address(site, "formgrader", "course101")
        places = [(other, 8000), (service, 8000), machine, ("hub", 8081), ("db", 5432)]
        program = REACH.format(places=places)
        words = ("run", "--rm", "--network", "classroom_course101", BASE, "python3", "-c", program)
        reached = site.engine.docker(*words).splitlines()
        assert reached == [f"reached {service} 8000", "reached {} {}".format(*machine)]
        assert in_course(site, program) == ""


@pytest.mark.attack("deploy-connections-of-a-course")
def test_a_course_cannot_change_its_firewall(site: Site) -> None:
    """The account of submissions has no capabilities."""
    flush = "import os; os.execl('/usr/sbin/nft', 'nft', 'flush', 'ruleset')"
    with pytest.raises(CommandError, match="Operation not permitted"):
        in_course(site, flush)


@pytest.mark.attack("deploy-submission-in-container")
def test_a_submission_reaches_nothing_in_its_container(site: Site) -> None:
    """Its code is executed and graded, and everything outside its folder is out of reach."""
    course = Course(site.engine, "classroom-course101-1", COURSES[0], TOKEN)
    token = site.secret(f"grading_token_{COURSES[0]}")
    course.until_served(token)
    assert course.mechanism() == "landlock"
    place = (address(site, "formgrader", COURSES[0]), 8000)
    result, found = course.attack(token, place)
    assert result["success"], result
    assert found.pop("write here").startswith("done")
    assert {name for name, outcome in found.items() if outcome.startswith("done")} == set()
    assert set(found) == set(REFUSED)
    assert course.score(token) == 1


@pytest.mark.attack("deploy-without-sandbox", "deploy-token-file")
def test_without_a_sandbox_the_container_is_the_limit(site: Site) -> None:
    """The course's own gradebook is open, but neither its token nor the network."""
    course = Course(site.engine, f"classroom-{COURSES[1]}-1", COURSES[1], TOKEN)
    token = site.secret(f"grading_token_{COURSES[1]}")
    course.until_served(token)
    place = (address(site, "formgrader", COURSES[1]), 8000)
    result, found = course.attack(token, place)
    assert result["success"], result
    done = {name for name, outcome in found.items() if outcome.startswith("done")}
    assert {"read the gradebook", "change the gradebook", "read another submission"} <= done
    assert {"read the exchange", "connect to the formgrader"} <= done
    refused = {"read the token", "read the start's environment", "connect elsewhere"}
    assert refused.isdisjoint(done)
