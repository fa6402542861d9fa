"""The service as a process: its route, its courses file, its readiness, and SIGTERM."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.hub import FakeHub
from tests.fakes.oauth import FakeOAuth
from tests.fakes.proxy import FakeProxy
from tests.formgrader_proxy.program import COURSES, PREFIX, environment
from tests.integration.processes import free_port


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    path = tmp_path / "courses.toml"
    path.write_text(COURSES)
    return path


async def test_it_keeps_its_route_and_stops_within_ten_seconds(
    tmp_path: Path, courses: Path, fake_hub: FakeHub, fake_proxy: FakeProxy
) -> None:
    """Registered at start, registered again after the proxy lost it, removed after SIGTERM."""
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
        # Within 5 s by its own clock (test_route_keeper); a busy machine takes longer.
        async with asyncio.timeout(60):
            while route not in fake_proxy.routes:
                await asyncio.sleep(0.05)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0, errors.decode()
    assert route not in fake_proxy.routes


async def test_a_new_course_is_served_immediately(tmp_path: Path, courses: Path) -> None:
    """The first request after the file was written finds it, and removed courses are gone."""
    write(courses, "# none yet\n")
    async with FakeOAuth("formgrader") as hub:
        hub.add_user("ana", "nbgrader-sums")
        hub.add_user("gail", "formgrade-bio")
        token = hub.add_token("ana", "access:services!service=formgrader")
        async with serving(tmp_path, hub, f"--courses={courses}") as origin:
            ask = {"Authorization": f"token {token}"}
            async with aiohttp.ClientSession(origin + PREFIX, headers=ask) as session:
                for number in range(3):  # once, it could be the periodic look at the file
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
                # The file contains only the last one. The others are gone without a restart.
                async with session.get("sums0/formgrader") as answer:
                    assert answer.status == 404


def replace(path: Path, text: str | None) -> None:
    """Write or, without a text, delete the file while nothing reads it."""
    path.unlink()
    if text is not None:
        path.write_text(text)


def write(path: Path, text: str) -> None:
    """Replace the file in one step, as editors do: a half-written one would be invalid."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def start(
    directory: Path, hub: FakeOAuth, port: int, *arguments: str
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
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


@asynccontextmanager
async def serving(directory: Path, hub: FakeOAuth, *arguments: str) -> AsyncIterator[str]:
    """The program as the Hub starts it; yields its origin when it responds."""
    port = free_port()
    process = await start(directory, hub, port, *arguments)
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
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()


async def test_it_is_not_ready_while_the_hub_is_unavailable(tmp_path: Path, courses: Path) -> None:
    """503 with the reason; ready again when the Hub is."""
    async with FakeOAuth("formgrader") as hub:
        hub.answer_with["api/"] = (200, '{"version": "5.2.1"}')
        async with serving(tmp_path, hub, f"--courses={courses}") as origin:
            hub.down = True
            reasons = await until_ready_is(origin, 503)
            assert "hub" in reasons
            hub.down = False
            assert await until_ready_is(origin, 200) == {}


async def test_it_waits_for_the_audit_database(tmp_path: Path, courses: Path) -> None:
    """It does not exit, which would take the Hub down with it, and starts when it can."""
    directory = tmp_path / "later"
    async with FakeOAuth("formgrader") as hub:
        database = f"--db-url=sqlite:///{directory}/audit.sqlite"
        process = await start(tmp_path, hub, free_port(), f"--courses={courses}", database)
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"Waiting for the database" not in await process.stderr.readline():
                assert process.returncode is None
            directory.mkdir()
            while b"Serving 1 course at" not in await process.stderr.readline():
                assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
    with sqlite3.connect(directory / "audit.sqlite") as connection:
        assert connection.execute("select count(*) from formgrader_audit").fetchone() == (0,)


async def until_ready_is(origin: str, status: int) -> dict[str, str]:
    """Wait until ``ready`` has this status; returns its reasons."""
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{origin}{PREFIX}ready") as answer:
                found: dict[str, dict[str, str]] = await answer.json()
                if answer.status == status:
                    return found.get("reasons", {})
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("later", ["[[course]]", "", None], ids=["invalid", "empty", "missing"])
async def test_the_last_valid_courses_survive_a_restart(
    tmp_path: Path, courses: Path, later: str | None
) -> None:
    """They are served until the file is corrected, and the problems are on the page."""
    async with FakeOAuth("formgrader") as hub:
        hub.add_user("ana", "formgrade-sums")
        token = hub.add_token("ana", "access:services!service=formgrader")
        headers = {"Authorization": f"token {token}"}

        @asynccontextmanager
        async def client() -> AsyncIterator[aiohttp.ClientSession]:
            async with (
                serving(tmp_path, hub, f"--courses={courses}") as origin,
                aiohttp.ClientSession(origin + PREFIX, headers=headers) as session,
            ):
                yield session

        async def served(session: aiohttp.ClientSession) -> list[str]:
            async with session.get("api/courses") as answer:
                return [course["id"] for course in await answer.json()]

        async with serving(tmp_path, hub, f"--courses={courses}"):
            pass
        replace(courses, later)
        async with client() as session:
            assert await served(session) == ["sums"]
            write(courses, "# none\n")
            async with asyncio.timeout(20):
                while await served(session):
                    await asyncio.sleep(0.05)
        replace(courses, "")
        async with client() as session:
            assert await served(session) == []


async def test_the_courses_of_another_file_are_not_served(tmp_path: Path, courses: Path) -> None:
    """The kept courses belong to one file: the service responds with 503 instead."""
    async with FakeOAuth("formgrader") as hub:
        async with serving(tmp_path, hub, f"--courses={courses}"):
            pass
        other = tmp_path / "other.toml"
        process = await start(tmp_path, hub, free_port(), f"--courses={other}")
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 1
        assert b"other.toml cannot be read" in errors
