"""What is remembered of a token, and the three failures that are kept apart."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote

import pytest
from certipy import Certipy  # type: ignore[import-untyped]  # no types

from common.hub.tls import TLSFiles
from tests.fakes.oauth import Answer, FakeOAuth
from tests.fakes.site import PREFIX, Site, site

PAGE = PREFIX + "page"
API = PREFIX + "api/thing"


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


def cookies_set(answer: Answer) -> SimpleCookie:
    """The cookies that an answer sets."""
    cookies = SimpleCookie()
    for line in answer.headers.getall("Set-Cookie", ()):
        cookies.load(line)
    return cookies


# -- what is remembered


async def test_hub_is_asked_every_30_seconds(cull: Site) -> None:
    """The Hub's word on a token holds for 30 s; a removed group is gone after that."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    asked = cull.hub.count("api/user")
    cull.hub.users["ada"].groups = []
    cull.clock.advance(29)
    assert (await browser.go(PAGE)).json()["groups"] == ["students"]
    assert cull.hub.count("api/user") == asked
    cull.clock.advance(2)
    assert (await browser.go(PAGE)).json()["groups"] == []
    assert cull.hub.count("api/user") == asked + 1


async def test_fresh_asks_the_hub_each_time(cull: Site) -> None:
    """Where it is asked for, nothing remembered counts; and the news holds for others, too."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.hub.users["ada"].groups = []
    assert (await browser.go(PREFIX + "fresh")).json()["groups"] == []
    assert (await browser.go(PAGE)).json()["groups"] == []


async def test_remembered_apart_by_session(cull: Site) -> None:
    """A sign-out at the Hub counts at once in that browser: its session is another then."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    await browser.go("/hub/logout")
    answer = await browser.go(PAGE, follow=False)
    assert answer.status == 302


async def test_no_is_not_remembered(cull: Site) -> None:
    """A token that the Hub did not know is asked about again the next time."""
    browser = await cull.browser()
    token = cull.hub.add_token("ada", "access:services")
    held = cull.hub.tokens.pop(token)
    header = {"Authorization": f"token {token}"}
    assert (await browser.fetch(API, headers=header)).status == 401
    cull.hub.tokens[token] = held
    assert (await browser.fetch(API, headers=header)).status == 200


async def test_many_requests_ask_the_hub_once(cull: Site) -> None:
    """A page's many requests at the same moment become one question to the Hub."""
    token = cull.hub.add_token("ada", "access:services")
    browser = await cull.browser()
    header = {"Authorization": f"token {token}"}
    cull.hub.hold.clear()
    asking = [asyncio.ensure_future(browser.fetch(API, headers=header)) for _ in range(10)]
    await cull.hub.waiting.wait()
    cull.hub.hold.set()
    assert {(await one).status for one in asking} == {200}
    assert cull.hub.count("api/user") == 1


async def test_removed_user_is_out_after_30_seconds(cull: Site) -> None:
    """Who was deleted at the Hub is signed out of our pages within the 30 s."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    del cull.hub.users["ada"]
    cull.clock.advance(31)
    assert (await browser.go(PAGE, follow=False)).status == 302


# -- three failures


async def test_hub_down_is_503_and_no_logout(cull: Site) -> None:
    """While the Hub is away nobody comes in and nobody is signed out; then all goes on."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.clock.advance(31)
    cull.hub.down = True
    answer = await browser.go(PAGE, follow=False)
    assert answer.status == 503
    assert "service-cull" not in cookies_set(answer)
    assert answer.headers["Retry-After"]
    cull.hub.down = False
    assert (await browser.go(PAGE, follow=False)).status == 200


async def test_hub_down_while_remembered(cull: Site) -> None:
    """Within the 30 s a page can be read without the Hub; what must be fresh cannot."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.hub.down = True
    assert (await browser.go(PAGE, follow=False)).status == 200
    assert (await browser.go(PREFIX + "fresh", follow=False)).status == 503


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((500, "oops"), 502),
        ((502, ""), 503),
        ((429, ""), 503),
        ((404, "<html>"), 503),
        ((200, "<html>login"), 502),
        ((200, "[]"), 502),
        ((200, '{"name": 7}'), 502),
        ((302, ""), 503),
    ],
)
async def test_odd_answers_of_the_hub_are_never_access(
    cull: Site, answer: tuple[int, str], status: int
) -> None:
    """Whatever the Hub answers but a user model and a refusal is an error of its own."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.clock.advance(31)
    cull.hub.answer_with["api/user"] = answer
    got = await browser.go(PAGE, follow=False)
    assert got.status == status
    assert "service-cull" not in cookies_set(got)


async def test_hub_that_hangs_is_503() -> None:
    """A Hub that does not answer within the time is away."""
    async with site(request_timeout=0.2) as made:
        token = made.hub.add_token("ada", "access:services")
        made.hub.hold.clear()
        browser = await made.browser()
        answer = await browser.fetch(API, headers={"Authorization": f"token {token}"})
        made.hub.hold.set()
        assert answer.status == 503


async def test_hub_that_is_not_there_is_503() -> None:
    """A Hub whose port is closed is away."""
    async with FakeOAuth() as gone:
        api_url = gone.api_url
    async with site(api_url=api_url) as made:
        answer = await (await made.browser()).fetch(API, headers={"Authorization": "token abc"})
        assert answer.status == 503


async def test_hub_on_a_unix_socket(tmp_path: Path) -> None:
    """A Hub whose API is on a unix socket is asked there."""
    async with FakeOAuth() as hub:
        await hub.listen_on(tmp_path / "hub.sock")
        hub.add_user("ada")
        url = f"http+unix://{quote(str(tmp_path / 'hub.sock'), safe='')}/hub/api"
        async with site(hub=hub, api_url=url) as made:
            assert (await (await made.browser("ada")).go(PAGE)).status == 200


async def test_hub_with_internal_ssl(tmp_path: Path) -> None:
    """A Hub that asks for a client's certificate gets ours; one we do not trust is away."""
    certipy = Certipy(store_dir=str(tmp_path))
    certipy.create_ca("hub-ca")
    certipy.create_signed_pair("hub", "hub-ca", alt_names=["IP:127.0.0.1"])
    files = TLSFiles(
        str(tmp_path / "hub" / "hub.key"),
        str(tmp_path / "hub" / "hub.crt"),
        str(tmp_path / "hub-ca" / "hub-ca.crt"),
    )
    async with FakeOAuth(ssl=files.server_context()) as hub:
        token = hub.add_token("ada", "access:services")
        hub.add_user("ada")
        for tls, status in ((files, 200), (None, 503)):
            async with site(hub=hub, tls=tls) as made:
                header = {"Authorization": f"token {token}"}
                assert (await (await made.browser()).fetch(API, headers=header)).status == status


async def test_our_own_bad_token_is_500() -> None:
    """If the Hub does not know the service itself, that is no fault of the person: 500."""
    async with site(api_token="wrong-token") as made:
        browser = await made.browser("ada")
        answer = await browser.go(PAGE)
        assert answer.status == 500
        assert "service-cull" not in browser.cookies()
        assert "wrong-token" not in answer.text
