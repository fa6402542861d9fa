"""Requests to the Hub: down, broken, or refusing this service. None of them gives access."""

from pathlib import Path
from urllib.parse import quote

import pytest
from certipy import Certipy  # type: ignore[import-untyped]  # no types

from common.hub.tls import TLSFiles
from tests.fakes.oauth import FakeOAuth
from tests.fakes.site import API, PAGE, PREFIX, Site, begin, site


async def test_hub_down_is_503(cull: Site) -> None:
    """While the Hub is down, users get 503 and stay signed in."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.clock.advance(31)
    cull.hub.down = True
    answer = await browser.go(PAGE, follow=False)
    assert answer.status == 503
    assert "service-cull" not in answer.cookies
    assert answer.headers["Retry-After"]
    cull.hub.down = False
    assert (await browser.go(PAGE, follow=False)).status == 200


async def test_hub_down_while_cached(cull: Site) -> None:
    """For 30 s pages can be read without the Hub; fresh requests cannot be answered."""
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
async def test_unexpected_response_gives_no_access(
    cull: Site, answer: tuple[int, str], status: int
) -> None:
    """A response other than a user model or a refusal is an error, and the session is kept."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.clock.advance(31)
    cull.hub.answer_with["api/user"] = answer
    got = await browser.go(PAGE, follow=False)
    assert got.status == status
    assert "service-cull" not in got.cookies


async def test_hub_that_hangs_is_503() -> None:
    """A Hub that does not respond within the time limit is down."""
    async with site(request_timeout=0.2) as made:
        token = made.hub.add_token("ada", "access:services")
        made.hub.hold.clear()
        browser = await made.browser()
        answer = await browser.fetch(API, headers={"Authorization": f"token {token}"})
        made.hub.hold.set()
        assert answer.status == 503


async def test_closed_port_is_503() -> None:
    """A Hub whose port is closed is down."""
    async with FakeOAuth() as gone:
        api_url = gone.api_url
    async with site(api_url=api_url) as made:
        answer = await (await made.browser()).fetch(API, headers={"Authorization": "token abc"})
        assert answer.status == 503


async def test_hub_on_a_unix_socket(tmp_path: Path) -> None:
    """An http+unix API URL leads to the Hub's socket."""
    async with FakeOAuth() as hub:
        await hub.listen_on(tmp_path / "hub.sock")
        hub.add_user("ada")
        url = f"http+unix://{quote(str(tmp_path / 'hub.sock'), safe='')}/hub/api"
        async with site(hub=hub, api_url=url) as made:
            assert (await (await made.browser("ada")).go(PAGE)).status == 200


async def test_hub_with_internal_ssl(tmp_path: Path) -> None:
    """The client certificate is sent to the Hub; a Hub with an untrusted certificate is down."""
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


async def test_bad_service_token_is_500() -> None:
    """A service whose own token is bad responds with 500, not as if the user were refused."""
    async with site(api_token="wrong-token") as made:
        browser = await made.browser("ada")
        answer = await browser.go(PAGE)
        assert answer.status == 500
        assert "service-cull" not in browser.cookies()
        assert "wrong-token" not in answer.text


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((401, '{"error": "invalid_client"}'), 500),
        ((400, '{"error": "invalid_client"}'), 500),
        ((403, "{}"), 500),
        ((400, '{"error": "invalid_grant"}'), 400),
        ((500, "oops"), 502),
        ((503, ""), 503),
        ((200, "<html>"), 502),
        ((200, "[]"), 502),
        ((200, "{}"), 502),
        ((200, '{"access_token": 7}'), 502),
        ((200, '{"access_token": "unknown"}'), 502),
    ],
)
async def test_response_to_a_code(cull: Site, answer: tuple[int, str], status: int) -> None:
    """Only a known token in the response to an OAuth code signs the user in."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    cull.hub.answer_with["api/oauth2/token"] = answer
    got = await browser.go(callback, follow=False)
    assert got.status == status
    assert "service-cull" not in got.cookies
