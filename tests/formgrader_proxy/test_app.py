"""The formgrader proxy as a program: settings, exit codes, the route, SIGTERM."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.hub import FakeHub
from tests.fakes.oauth import FakeOAuth
from tests.fakes.proxy import FakeProxy
from tests.integration.processes import free_port
from tests.paths import ROOT

COURSES = '[[course]]\nid = "sums"\ntitle = "Sums"\ndirectory = "/srv/sums"\n'
PREFIX = "/services/formgrader/"


def environment(**more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "JUPYTERHUB" not in key}
    return clean | {"PYTHONPATH": str(ROOT)} | more


def run(directory: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    """The program to its end: exit code, what it said, what it complained of."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "services.formgrader_proxy", *arguments],
        cwd=directory,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    path = tmp_path / "courses.toml"
    path.write_text(COURSES)
    return path


def test_all_wrong_settings_are_told_together(tmp_path: Path) -> None:
    """One line each, exit code 1, no traceback."""
    bad = tmp_path / "bad.toml"
    bad.write_text('[[course]]\nid = "a b"\nmode = "x"\n')
    code, _, said = run(tmp_path, f"--courses={bad}", "--db-url=mysql://u:pw@x", "--register=/")
    assert code == 1
    for words in ("course", "mode", "--db-url", "--register", "Nowhere to listen"):
        assert words in said
    assert "pw@" not in said


def test_without_courses(tmp_path: Path) -> None:
    """It is said what to write."""
    code, _, said = run(tmp_path)
    assert code == 1
    assert "--courses=FILE.toml" in said


def test_check_courses(tmp_path: Path, courses: Path) -> None:
    """A good file is explained, a bad one refused."""
    code, said, _ = run(tmp_path, "check-courses", str(courses))
    assert code == 0
    assert "formgrade-sums" in said
    courses.write_text(COURSES + "mode = 1")
    code, _, said = run(tmp_path, "check-courses", str(courses))
    assert code == 1
    assert "mode" in said


async def test_it_keeps_its_route_and_ends_within_ten_seconds(
    tmp_path: Path, courses: Path, fake_hub: FakeHub, fake_proxy: FakeProxy
) -> None:
    """Registered by itself, registered again when the proxy forgot, gone after SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.formgrader_proxy",
        f"--courses={courses}",
        f"--register={PREFIX}",
        f"--proxy-api-url={fake_proxy.api_url}",
        "--ip=127.0.0.1",
        "--port=0",
        cwd=tmp_path,
        env=environment(
            JUPYTERHUB_API_URL=fake_hub.api_url,
            JUPYTERHUB_API_TOKEN=fake_hub.token,
            JUPYTERHUB_CLIENT_ID="service-formgrader",
            JUPYTERHUB_OAUTH_ACCESS_SCOPES='["access:services!service=formgrader"]',
            CONFIGPROXY_AUTH_TOKEN=fake_proxy.token,
        ),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        route = PREFIX.rstrip("/")
        async with asyncio.timeout(90):
            while route not in fake_proxy.routes:
                assert process.returncode is None
                await asyncio.sleep(0.05)
        target = fake_proxy.routes[route]["target"]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{target}{PREFIX}health") as answer,
        ):
            assert answer.status == 200
        fake_proxy.routes.clear()
        # Within 5 s by its own clock (test_route_keeper); a busy machine takes longer over it.
        async with asyncio.timeout(60):
            while route not in fake_proxy.routes:
                await asyncio.sleep(0.05)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0, said.decode()
    assert route not in fake_proxy.routes


async def test_a_course_is_there_as_soon_as_it_is_written(tmp_path: Path, courses: Path) -> None:
    """Who asks for it right after is answered for the course: nobody is told there is none."""
    write(courses, "# none yet\n")
    async with FakeOAuth("formgrader") as hub:
        hub.add_user("ana", "nbgrader-sums")
        hub.add_user("gail", "formgrade-bio")
        token = hub.add_token("ana", "access:services!service=formgrader")
        async with serving(tmp_path, hub, f"--courses={courses}") as origin:
            ask = {"Authorization": f"token {token}"}
            async with aiohttp.ClientSession(origin + PREFIX, headers=ask) as session:
                for number in range(3):  # the file's own turn could come by chance once
                    course = f"sums{number}"
                    async with session.get(f"{course}/formgrader") as answer:
                        assert answer.status == 404
                    write(courses, f'[[course]]\nid = "{course}"\nurl = "http://127.0.0.1:9"\n')
                    async with session.get(f"{course}/formgrader") as answer:
                        assert answer.status == 403
                write(courses, '[[course]]\nid = "bio"\nurl = "http://127.0.0.1:9"\n')
                grader = hub.add_token("gail", "access:services!service=formgrader")
                ask = {"Authorization": f"token {grader}"}
                async with session.get("api/courses", headers=ask) as answer:
                    assert [course["id"] for course in await answer.json()] == ["bio"]
                # The file names the last one only: those before are gone, without a restart.
                async with session.get("sums0/formgrader") as answer:
                    assert answer.status == 404


def write(path: Path, text: str) -> None:
    """In one step, as editors do: a half-written file would be refused."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@asynccontextmanager
async def serving(directory: Path, hub: FakeOAuth, *arguments: str) -> AsyncIterator[str]:
    """The program as the Hub starts it; where it listens, once it does."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.formgrader_proxy",
        *arguments,
        cwd=directory,
        env=environment(
            JUPYTERHUB_API_URL=hub.api_url,
            JUPYTERHUB_API_TOKEN=hub.secret,
            JUPYTERHUB_CLIENT_ID=hub.client_id,
            JUPYTERHUB_SERVICE_PREFIX=PREFIX,
            JUPYTERHUB_SERVICE_URL=f"http://127.0.0.1:{port}",
            JUPYTERHUB_OAUTH_ACCESS_SCOPES='["access:services!service=formgrader"]',
        ),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(90), aiohttp.ClientSession() as session:
            while True:
                assert process.returncode is None
                try:
                    async with session.get(f"http://127.0.0.1:{port}{PREFIX}health"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
