"""A hub deployed from docker/compose.yaml with default settings, and its users."""

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

from classroom_hub.staff_password import own_password
from tests.docker.engine import Engine, run
from tests.fakes.oauth import xsrf_in
from tests.integration.realhub import BROWSER, sign_in
from tests.paths import ROOT

PORT = 8000
COURSE = "services/formgrader/course101/"
#: The parts of the project that the images are built from.
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
STAFF = {"admin", "instructor", "grader"}
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
    """A copy of the project, its settings and the engine that runs it."""

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
        """Return the output of docker/setup. :raises CommandError: setup found a problem"""
        own = {"PUBLIC_URL": self.url, "ALLOW_PLAIN_HTTP": "yes"}
        environment = {**self.engine.environment, **own, **settings}
        return run(["sh", "./setup", *words], env=environment, cwd=self.directory)

    def configure(self, **settings: str) -> None:
        """Append settings to .env."""
        with (self.directory / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def compose(self, *words: str, timeout: float = 1500) -> str:
        """Run a docker compose command."""
        return self.engine.compose(*words, cwd=self.directory, timeout=timeout)

    def timed(self, what: str, *words: str) -> None:
        """Run a docker compose command and record how long it took."""
        began = time.monotonic()
        self.compose(*words)
        self.took[what] = time.monotonic() - began

    def secret(self, name: str) -> str:
        """Return the contents of a file in secrets/."""
        return (self.directory / "secrets" / name).read_text().strip()

    def container(self, user: str) -> str:
        """Return the name of a user's container."""
        return f"classroom-{user}"

    def uid(self, user: str) -> str:
        """Return a user's uid from the hub's database."""
        query = f"SELECT uid FROM classroom_uids WHERE name = '{user}'"  # noqa: S608 - fixed names
        return self.database("hub", query)

    def within(self, user: str, program: str) -> str:
        """Run a Python program in a user's container as that user; return its output."""
        words = ["exec", "-u", self.uid(user), self.container(user), "python3", "-c", program]
        return self.engine.docker(*words, timeout=120).strip()

    def database(self, name: str, query: str) -> str:
        """Run a database query and return the rows as text."""
        words = ["exec", "-T", "db", "psql", "-U", "classroom", "-d", name, "-Atc", query]
        return self.compose(*words).strip()

    @asynccontextmanager
    async def person(self, name: str) -> AsyncIterator["Person"]:
        """Sign in as a user."""
        password = self.secret("user_password")
        if name in STAFF:
            admin_password = self.secret("admin_password")
            password = admin_password if name == "admin" else own_password(admin_password, name)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
            await sign_in(session, self.url, name, password)
            yield Person(self, name, session)


class Person:
    """A signed-in user's browser session."""

    def __init__(self, site: Site, name: str, session: aiohttp.ClientSession) -> None:
        self.site = site
        self.name = name
        self.session = session

    async def get(self, path: str) -> tuple[int, str]:
        """Return a page's status and text."""
        async with self.session.get(self.site.url + path) as page:
            return page.status, await page.text()

    async def until(self, path: str, words: str, seconds: float = 240) -> None:
        """Wait until a page contains the given text."""
        seen: tuple[int, str] = (0, "")
        try:
            async with asyncio.timeout(seconds):
                while True:
                    # A proxy that has just started may refuse connections or have no routes yet.
                    with suppress(aiohttp.ClientError):
                        seen = await self.get(path)
                    if seen[0] == 200 and words in seen[1]:
                        return
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"{path} had no {words!r}: {seen[0]} {seen[1][:2000]}") from None

    async def start(self) -> None:
        """Start the user's server and wait for JupyterLab."""
        await self.get("hub/spawn")
        await self.until(f"user/{self.name}/lab", "jupyter-config-data")

    async def api(self, method: str, path: str, json: Any = None) -> tuple[int, str]:
        """Send a request to the Hub's API the way its own pages do."""
        async with self.session.get(f"{self.site.url}hub/home") as page:
            await page.read()
        cookies = self.session.cookie_jar.filter_cookies(page.url)
        headers = {"X-XSRFToken": cookies["_xsrf"].value, "Referer": str(page.url)}
        url = f"{self.site.url}hub/api/{path}"
        async with self.session.request(method, url, headers=headers, json=json) as answer:
            return answer.status, await answer.text()

    async def server(self, method: str, path: str, json: Any = None) -> Any:
        """Send a request to the API of the user's server the way JupyterLab does."""
        base = URL(f"{self.site.url}user/{self.name}/")
        headers = {"X-XSRFToken": self.session.cookie_jar.filter_cookies(base)["_xsrf"].value}
        url = f"{base}{path}"
        async with self.session.request(method, url, headers=headers, json=json) as answer:
            assert answer.status in {200, 201}, await answer.text()
            return await answer.json(content_type=None)

    async def formgrader(self, method: str, path: str, json: Any = None) -> Any:
        """Send a request to the formgrader's API the way its own scripts do."""
        base = URL(self.site.url + COURSE)
        headers = {
            "X-CSRFToken": xsrf_in((await self.get(f"{COURSE}formgrader/gradebook"))[1]),
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Site": "same-origin",
            "Origin": self.site.url.rstrip("/"),
        }
        url = f"{base}formgrader/api/{path}"
        async with self.session.request(method, url, headers=headers, json=json) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def stop(self) -> None:
        """Stop the user's server and wait until its container is removed."""
        status, text = await self.api("DELETE", f"users/{self.name}/server")
        assert status in {202, 204}, text
        await gone(self.site, self.name)


async def gone(site: Site, user: str, seconds: float = 180) -> None:
    """Wait until a user's container is removed."""
    async with asyncio.timeout(seconds):
        while True:
            words = ["ps", "-aq", "--filter", f"name=^{site.container(user)}$"]
            if not (await asyncio.to_thread(site.engine.docker, *words)).strip():
                return
            await asyncio.sleep(0.5)


def make_site(engine: Engine, directory: Path, **settings: str) -> Site:
    """Build the images and start a site."""
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
        BIND="0.0.0.0",  # noqa: S104 - on the engine's own network
        CULL_EVERY="3",
        CULL_SETTLE="0",
        DOCKER_SOCKET=engine.environment["DOCKER_HOST"].removeprefix("unix://"),
        MEMORY_LIMIT="512M",
        POSTGRES_IMAGE="classroom-postgres",
        STATS_INTERVAL="10",
        **settings,
    )
    clear(site)  # left over from an interrupted run
    site.took["base and database image"] = time.monotonic() - began
    site.timed("docker compose build", "build", "--quiet")
    site.timed("docker compose up", "up", "--detach", "--quiet-pull")
    return site


def take_down(site: Site) -> None:
    """Remove everything the site created, unless KEEP_DOCKER_SITE is set."""
    if os.environ.get("KEEP_DOCKER_SITE"):
        return
    clear(site)


def clear(site: Site) -> None:
    """Remove all servers, home volumes and Compose resources.

    Home volumes must go too: a new database may assign different uids, and a server does not
    start if its home belongs to another uid.
    """
    servers = site.engine.docker("ps", "-aq", "--filter", "name=^classroom-").split()
    if servers:
        site.engine.docker("rm", "-fv", *servers)
    site.compose("down", "--volumes", "--timeout", "5")
    words = ("volume", "ls", "--quiet", "--filter", "name=classroom-home-")
    if homes := site.engine.docker(*words).split():
        site.engine.docker("volume", "rm", *homes)
