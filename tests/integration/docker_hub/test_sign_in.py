"""Sign-in to a real Hub with the roster of docker/hub, with a fake Google or a shared password."""

import html
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from classroom_hub.staff_password import own_password
from tests.fakes.google import Account, FakeGoogle
from tests.integration.conftest import MakeHub
from tests.integration.realhub import BROWSER, HubAnswerError, RealHub, sign_in
from tests.paths import ROOT

DOMAIN = "university.example"
ROSTER = f"""
domains = ["{DOMAIN}"]
admins = ["admin", "head@{DOMAIN}"]

[[course]]
id = "course101"
instructors = ["ina@{DOMAIN}"]
students = ["ada@{DOMAIN}", "bob@{DOMAIN}"]
"""
CONFIGURATION = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from classroom_hub.sign_in import SignIn, configure_sign_in
configure_sign_in(c, SignIn({authenticator!r}, Path({roster!r}), {url!r}, {secrets!r}))
c.Authenticator.auth_refresh_age = 1
"""
PATHS = [str(ROOT), str(ROOT / "docker" / "hub")]


@dataclass
class Site:
    """A hub whose users sign in with a fake Google."""

    hub: RealHub
    google: FakeGoogle
    roster: Path

    @asynccontextmanager
    async def browser(
        self, email: str, organisation: str | None = DOMAIN, *, verified: bool = True
    ) -> AsyncIterator[tuple[aiohttp.ClientSession, int]]:
        """Sign in; yield the browser session and the status of the page after sign-in."""
        self.google.account = Account(email, organisation, verified)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
            login = f"{self.hub.url}hub/oauth_login?next=%2Fhub%2Fhome"
            async with session.get(login) as page:
                await page.read()
            yield session, page.status

    async def status(self, email: str, organisation: str | None = DOMAIN) -> int:
        """Return the status of the page after sign-in."""
        async with self.browser(email, organisation) as (_, status):
            return status


def configuration(authenticator: str, roster: Path, url: str, secrets: dict[str, str]) -> str:
    """Return the configuration file of a hub that uses an authenticator with the roster."""
    return CONFIGURATION.format(
        paths=PATHS, authenticator=authenticator, roster=str(roster), url=url, secrets=secrets
    )


@pytest.fixture
async def site(make_hub: MakeHub, tmp_path: Path) -> AsyncIterator[Site]:
    """A hub with the roster, its service and a fake Google."""
    roster = tmp_path / "roster.toml"
    roster.write_text(ROSTER)
    async with FakeGoogle() as google:
        secrets = {"client_id": google.client_id, "client_secret": google.client_secret}
        # Only the Hub knows its own address; it is the one in the settings.
        text = configuration("google", roster, "URL", secrets).replace("'URL'", 'SETTINGS["url"]')
        text += (
            f"c.GoogleOAuthenticator.google_api_url = {google.url!r}\n"
            f"c.GoogleOAuthenticator.authorize_url = {google.url + '/o/oauth2/v2/auth'!r}\n"
        )
        sync = {
            "name": "roster",
            "command": [sys.executable, "-m", "classroom_hub.sync", str(roster), "--every=0.2"],
            "environment": {"PYTHONPATH": ":".join(PATHS)},
        }
        role = {
            "name": "roster",
            "scopes": ["admin:users", "admin:groups"],
            "services": ["roster"],
        }
        hub = make_hub(extra_config=text, services=[sync], roles=[role])
        yield Site(hub, google, roster)


async def test_google_users_need_the_roster_and_the_domain(site: Site) -> None:
    """Only verified addresses in the domain that are on the roster can sign in."""
    async with site.browser(f"Ada@{DOMAIN}") as (session, status):
        assert status == 200
        async with session.get(site.hub.url + "hub/home") as page:
            assert page.url.path == "/hub/home"
            assert "ada" in await page.text()
        async with session.get(site.hub.url + "hub/admin") as page:
            assert page.status == 403
    async with site.browser(f"head@{DOMAIN}") as (session, status):
        assert status == 200
        async with session.get(site.hub.url + "hub/admin") as page:
            assert page.status == 200

    assert await site.status(f"eve@{DOMAIN}") == 403, "not on the roster"
    # The same name in another domain is a different user, whatever its hosted domain claims.
    assert await site.status("ada@gmail.example", None) == 403
    assert await site.status("ada@other.example", "other.example") == 403
    assert await site.status("ada@other.example", DOMAIN) == 403, "an alias domain"
    async with site.browser(f"ada@{DOMAIN}", verified=False) as (_, status):
        assert status == 403


async def test_a_user_removed_from_the_roster_loses_access(site: Site) -> None:
    """Sessions and tokens stop working, and the user leaves the course's groups."""
    hub = site.hub

    async def members(name: str) -> set[str]:
        try:
            group = await hub.api("GET", f"/groups/{name}")
        except HubAnswerError:
            return set()
        return set(group["users"])

    async def enrolled() -> bool:
        return await members("nbgrader-course101") == {"ada", "bob"}

    await hub.until("the roster's groups, before the first sign-in", enrolled, seconds=90)
    assert await members("formgrade-course101") == {"ina"}

    async with site.browser(f"bob@{DOMAIN}") as (session, status):
        assert status == 200
        token = await hub.token(["self"], user="bob")
        headers = {"Authorization": f"token {token}"}
        async with aiohttp.ClientSession(headers=headers) as script:
            async with script.get(f"{hub.api_url}/user") as answer:
                assert answer.status == 200

            site.roster.write_text(ROSTER.replace(f', "bob@{DOMAIN}"', ""))

            async def token_is_rejected() -> bool:
                async with script.get(f"{hub.api_url}/user") as answer:
                    return answer.status in {401, 403}

            await hub.until("bob's token rejected", token_is_rejected, seconds=90)

        async def session_has_ended() -> bool:
            home = f"{hub.url}hub/home"
            async with session.get(home, allow_redirects=False) as page:
                return page.status == 302 and "/hub/login" in page.headers["Location"]

        await hub.until("bob's browser redirected to the login page", session_has_ended, seconds=90)

        async def removed() -> bool:
            return await members("nbgrader-course101") == {"ada"}

        await hub.until("bob removed from the course's group", removed, seconds=90)
    assert await site.status(f"bob@{DOMAIN}") == 403
    assert await site.status(f"ada@{DOMAIN}") == 200

    # A typing error in the roster does not affect any user.
    site.roster.write_text("admins = [")
    assert await site.status(f"ada@{DOMAIN}") == 200
    assert await members("nbgrader-course101") == {"ada"}


async def test_a_sign_in_at_another_address_is_explained(site: Site) -> None:
    """The page names the address to open; the log names both addresses and the settings."""
    hub, google = site.hub, site.google
    google.account = Account(f"ada@{DOMAIN}", DOMAIN)
    elsewhere = hub.url.replace("127.0.0.1", "localhost")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
        async with session.get(f"{elsewhere}hub/oauth_login") as page:
            text = html.unescape(await page.text())
        assert page.status == 400
        assert page.url.host == "127.0.0.1"
        assert f"open {hub.url} and sign in there. (OAuth state missing from cookies)" in text
        async with session.get(f"{hub.url}hub/oauth_login") as page:
            assert page.status == 200, "sign-in works at the address on the page"

    here, there = (url.split("/")[2] for url in (elsewhere, hub.url))
    line = f"A user signs in at {here} but will be redirected to {there}: open the hub at {there}"

    async def logged() -> bool:
        return line in hub.log()

    await hub.until("the line in the log", logged, seconds=90)
    assert (
        f"set the redirect URI in Google's console to exactly {hub.url}hub/oauth_callback"
        in hub.log()
    )
    assert hub.log().count("A user signs in at") == 1


@pytest.mark.attack("account-shared-password")
async def test_shared_password_users_need_the_roster(make_hub: MakeHub, tmp_path: Path) -> None:
    """Students need the shared password, staff their own or the admin password."""
    roster = tmp_path / "roster.toml"
    roster.write_text(ROSTER)
    secrets = {"user_password": "for trying it", "admin_password": "a" * 32}
    text = configuration("shared-password", roster, "http://localhost/", secrets)
    hub = make_hub(extra_config=text)

    async def can_sign_in(name: str, password: str) -> bool:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers=BROWSER) as session:
            try:
                await sign_in(session, hub.url, name, password)
            except AssertionError:
                return False
        return True

    assert await can_sign_in("ada", "for trying it")
    assert await can_sign_in("head", "a" * 32)
    assert not await can_sign_in("ada", "another one")
    assert not await can_sign_in("ada", "a" * 32)
    assert not await can_sign_in("head", "for trying it")
    assert not await can_sign_in("ina", "for trying it")
    assert not await can_sign_in("INA", "for trying it")
    assert await can_sign_in("ina", own_password("a" * 32, "ina"))
    assert await can_sign_in("ina", "a" * 32)
    assert not await can_sign_in("head", own_password("a" * 32, "ina"))
    assert not await can_sign_in("head", own_password("a" * 32, "head"))
    assert not await can_sign_in("ada", own_password("a" * 32, "ada"))
    assert not await can_sign_in("ina", "für")
    # A student who becomes a grader needs their own password from the first sign-in on.
    roster.write_text(ROSTER.replace("students", f'graders = ["ada@{DOMAIN}"]\nstudents', 1))
    roster.write_text(roster.read_text().replace(f'students = ["ada@{DOMAIN}", ', "students = ["))
    assert not await can_sign_in("ada", "for trying it")
    assert await can_sign_in("ada", own_password("a" * 32, "ada"))
    assert not await can_sign_in("eve", "for trying it")
    head = await hub.user("head")
    assert head is not None
    assert head["admin"], json.dumps(head)
