"""A hub of docker/compose.yaml as a newcomer makes it, and its people."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests.docker.engine import Engine, run
from tests.integration.realhub import BROWSER, sign_in
from tests.paths import ROOT

PORT = 8000
COURSE = "services/formgrader/course101/"
#: What of the project the images are made of.
PARTS = ("common", "services", "docker", "examples")
FILES = ("pyproject.toml", "README.md", "LICENSE", "requirements.lock")
ROSTER = """
admins = ["admin"]

[[course]]
id = "course101"
instructors = ["instructor"]
graders = ["grader"]
students = ["ada", "bob", "idler"]
"""
POLICY = """
[[rule]]
name = "soon"
user = "idler"
idle_timeout = "20s"

[[rule]]
name = "not while we look"
idle_timeout = "2h"
"""


class Site:
    """A copy of the project with its settings, and the engine that runs it."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory / "docker"
        self.url = f"http://{engine.address}:{PORT}/"
        self.took: dict[str, float] = {}
        for part in PARTS:
            ignored = shutil.ignore_patterns("__pycache__", "secrets", ".env", "etc")
            shutil.copytree(ROOT / part, directory / part, ignore=ignored)
        for name in FILES:
            shutil.copy(ROOT / name, directory / name)

    def setup(self, *words: str, **settings: str) -> str:
        """What docker/setup says. :raises CommandError: it found something wrong"""
        environment = {**self.engine.environment, "PUBLIC_URL": self.url, **settings}
        return run(["sh", "./setup", *words], env=environment, cwd=self.directory)

    def configure(self, **settings: str) -> None:
        """Add settings to .env."""
        with (self.directory / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def compose(self, *words: str, timeout: float = 1500) -> str:
        """One docker compose command."""
        return self.engine.compose(*words, cwd=self.directory, timeout=timeout)

    def timed(self, what: str, *words: str) -> None:
        """One docker compose command, whose time is kept."""
        began = time.monotonic()
        self.compose(*words)
        self.took[what] = time.monotonic() - began

    def secret(self, name: str) -> str:
        """What a file in secrets/ says."""
        return (self.directory / "secrets" / name).read_text().strip()

    def container(self, user: str) -> str:
        """The container of somebody's server."""
        return f"classroom-{user}"

    def uid(self, user: str) -> str:
        """Somebody's uid, by the table that keeps them."""
        query = f"SELECT uid FROM classroom_uids WHERE name = '{user}'"  # noqa: S608 - names of ours
        return self.database("hub", query)

    def within(self, user: str, program: str) -> str:
        """What a Python program prints in somebody's container, run as they are."""
        words = ["exec", "-u", self.uid(user), self.container(user), "python3", "-c", program]
        return self.engine.docker(*words, timeout=120).strip()

    def database(self, name: str, query: str) -> str:
        """What the database answers, in rows."""
        words = ["exec", "-T", "db", "psql", "-U", "classroom", "-d", name, "-Atc", query]
        return self.compose(*words).strip()

    @asynccontextmanager
    async def person(self, name: str) -> AsyncIterator["Person"]:
        """Somebody signed in."""
        password = self.secret("admin_password" if name == "admin" else "user_password")
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
            await sign_in(session, self.url, name, password)
            yield Person(self, name, session)


class Person:
    """Somebody's browser."""

    def __init__(self, site: Site, name: str, session: aiohttp.ClientSession) -> None:
        self.site = site
        self.name = name
        self.session = session

    async def get(self, path: str) -> tuple[int, str]:
        """A page's status and text."""
        async with self.session.get(self.site.url + path) as page:
            return page.status, await page.text()

    async def until(self, path: str, words: str, seconds: float = 240) -> None:
        """Wait for a page with these words on it."""
        seen: tuple[int, str] = (0, "")
        try:
            async with asyncio.timeout(seconds):
                while True:
                    # A proxy that has just started takes no connection yet, or knows no way.
                    with suppress(aiohttp.ClientError):
                        seen = await self.get(path)
                    if seen[0] == 200 and words in seen[1]:
                        return
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"{path} had no {words!r}: {seen[0]} {seen[1][:2000]}") from None

    async def start(self) -> None:
        """Start one's server and wait for JupyterLab."""
        await self.get("hub/spawn")
        await self.until(f"user/{self.name}/lab", "jupyter-config-data")

    async def api(self, method: str, path: str, json: Any = None) -> tuple[int, str]:
        """One request to the Hub's API, as its own pages make them."""
        async with self.session.get(f"{self.site.url}hub/home") as page:
            await page.read()
        cookies = self.session.cookie_jar.filter_cookies(page.url)
        headers = {"X-XSRFToken": cookies["_xsrf"].value, "Referer": str(page.url)}
        url = f"{self.site.url}hub/api/{path}"
        async with self.session.request(method, url, headers=headers, json=json) as answer:
            return answer.status, await answer.text()

    async def server(self, method: str, path: str, json: Any = None) -> Any:
        """One request to one's own server's API, as JupyterLab makes them."""
        base = URL(f"{self.site.url}user/{self.name}/")
        headers = {"X-XSRFToken": self.session.cookie_jar.filter_cookies(base)["_xsrf"].value}
        url = f"{base}{path}"
        async with self.session.request(method, url, headers=headers, json=json) as answer:
            assert answer.status in {200, 201}, await answer.text()
            return await answer.json(content_type=None)

    async def formgrader(self, method: str, path: str, json: Any = None) -> Any:
        """One request to the API of the course's formgrader, as its own scripts make them."""
        base = URL(self.site.url + COURSE)
        headers = {
            "X-CSRFToken": self.session.cookie_jar.filter_cookies(base)["_xsrf"].value,
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Site": "same-origin",
            "Origin": self.site.url.rstrip("/"),
        }
        url = f"{base}formgrader/api/{path}"
        async with self.session.request(method, url, headers=headers, json=json) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def stop(self) -> None:
        """Stop one's server and wait until its container is gone."""
        status, text = await self.api("DELETE", f"users/{self.name}/server")
        assert status in {202, 204}, text
        await gone(self.site, self.name)


async def gone(site: Site, user: str, seconds: float = 180) -> None:
    """Wait until somebody's container is gone."""
    async with asyncio.timeout(seconds):
        while True:
            words = ["ps", "-aq", "--filter", f"name=^{site.container(user)}$"]
            if not (await asyncio.to_thread(site.engine.docker, *words)).strip():
                return
            await asyncio.sleep(0.5)


def make_site(engine: Engine, directory: Path, **settings: str) -> Site:
    """A site that is up, from images built here."""
    began = time.monotonic()
    site = Site(engine, directory)
    engine.docker(
        *("build", "-q", "-t", "classroom-postgres", str(ROOT / "tests" / "docker" / "postgres"))
    )
    site.setup("--defaults")
    (site.directory / "etc" / "roster.toml").write_text(ROSTER)
    (site.directory / "etc" / "cull.toml").write_text(POLICY)
    site.configure(
        BASE_IMAGE="classroom-base:bookworm",
        BIND="0.0.0.0",  # noqa: S104 - in the engine's own network
        CULL_EVERY="3",
        CULL_SETTLE="0",
        DOCKER_SOCKET=engine.environment["DOCKER_HOST"].removeprefix("unix://"),
        MEMORY_LIMIT="512M",
        POSTGRES_IMAGE="classroom-postgres",
        STATS_INTERVAL="10",
        **settings,
    )
    clear(site)  # of a run that was killed
    site.took["base and database image"] = time.monotonic() - began
    site.timed("docker compose build", "build", "--quiet")
    site.timed("docker compose up", "up", "--detach", "--quiet-pull")
    return site


def take_down(site: Site) -> None:
    """Remove all that a site made, unless KEEP_DOCKER_SITE asks to look at it."""
    if os.environ.get("KEEP_DOCKER_SITE"):
        return
    clear(site)


def clear(site: Site) -> None:
    """Remove servers, homes and whatever else is left.

    The homes, too: a new database gives the uids in another order, and a server whose home is
    another uid's does not start.
    """
    servers = site.engine.docker("ps", "-aq", "--filter", "name=^classroom-").split()
    if servers:
        site.engine.docker("rm", "-fv", *servers)
    site.compose("down", "--volumes", "--timeout", "5")
    words = ("volume", "ls", "--quiet", "--filter", "name=classroom-home-")
    if homes := site.engine.docker(*words).split():
        site.engine.docker("volume", "rm", *homes)
