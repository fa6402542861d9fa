"""Methods, header fields, bodies and responses: none changes what was checked."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from services.formgrader_proxy.allow_list import METHODS
from services.formgrader_proxy.proxy.request_body import Body, Limits, read_body
from services.formgrader_proxy.proxy.steps.deliver import DeliverStep
from tests.attacks.raw_requests import grader_cookie, raw, status_of
from tests.formgrader_proxy.site import COURSE, GRADER, INSTRUCTOR, Site, formgrader_site

GRADE = "formgrader/api/grade/abc"
FLAG = "formgrader/api/submitted_notebook/abc/flag"
PAGE = "formgrader/gradebook"


@pytest.fixture(params=["listed", "full"])
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path, mode=request.param) as made:
        yield made


@pytest.mark.attack("path argument")
@pytest.mark.parametrize(
    "query",
    [
        *("path=/tmp", "PATH=/tmp", "%70ath=/tmp", "%2570ath=/tmp", "%252570ath=/tmp"),
        *("a=1&path=/tmp", "path", "path[]=/tmp", "+path=/tmp", "pa%00th=/tmp", "path%20=/tmp"),
        *("a;path=/tmp", "?path=/tmp", "%C0%F0ath=/tmp", "path=/tmp#", "x=1&amp;path=/tmp"),
    ],
)
async def test_the_argument_that_loads_settings_is_refused(site: Site, query: str) -> None:
    """nbgrader would execute a configuration file that a student submitted."""
    cookie, token = await grader_cookie(site)
    for method, path in itertools.product(METHODS, ("formgrader", "formgrader/")):
        status, _ = await raw(
            site,
            f"{method} {COURSE}{path}?{query} HTTP/1.1\nHost: hub\nCookie: {cookie}\n"
            f"X-CSRFToken: {token}\nConnection: close",
        )
        assert status in {400, 405}
        assert site.seen == []


@pytest.mark.attack("unusual method")
@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG", "get"])
@pytest.mark.parametrize("path", [PAGE, GRADE, "lab"])
async def test_unusual_methods_are_refused(site: Site, method: str, path: str) -> None:
    """TRACE would return the request with the formgrader's token."""
    cookie, token = await grader_cookie(site)
    status, answer = await raw(
        site,
        f"{method} {COURSE}{path} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
        "Connection: close",
    )
    assert site.seen == []
    assert status in {400, 403, 404, 405}
    assert cookie.encode() not in answer


@pytest.mark.attack("method override")
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_a_method_override_is_not_forwarded(site: Site, name: str) -> None:
    """The method that was checked is the one that the formgrader sees."""
    cookie, token = await grader_cookie(site)
    for spelling in (name, name.lower(), name.replace("-", "_")):
        status, _ = await raw(
            site,
            f"POST {COURSE}{FLAG} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
            f"{spelling}: DELETE\nConnection: close",
        )
        assert status in {200, 400}
    assert {one.method for one in site.seen} == {"POST"}
    assert not [one for one in site.seen if "DELETE" in one.headers.values()]
    status, _ = await raw(
        site,
        f"POST {COURSE}{FLAG}?_method=DELETE HTTP/1.1\nHost: hub\nCookie: {cookie}\n"
        f"X-CSRFToken: {token}\nConnection: close",
    )
    assert status == 400


@pytest.mark.attack("upgrade of the connection")
@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "HTTP/2.0, websocket", "connect-tcp"])
async def test_an_upgrade_smuggles_no_request(site: Site, protocol: str) -> None:
    """What follows the head is not interpreted, and the formgrader sees no upgrade."""
    cookie, _ = await grader_cookie(site)
    await raw(
        site,
        f"GET {COURSE}{PAGE} HTTP/1.1\nHost: hub\nCookie: {cookie}\n"
        f"Connection: Upgrade, HTTP2-Settings, close\nUpgrade: {protocol}\n"
        "HTTP2-Settings: AAMAAABk",
        f"GET {COURSE}files/gradebook.db HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode(),
    )
    assert [one.raw_target for one in site.seen] in ([], [COURSE + PAGE])
    for one in site.seen:
        assert "Upgrade" not in one.headers
        assert "HTTP2-Settings" not in one.headers


@pytest.mark.attack("upgrade of the connection")
async def test_a_page_of_nbgrader_is_no_websocket(site: Site) -> None:
    """nbgrader has none, so such a request is not forwarded, in either mode."""
    cookie, _ = await grader_cookie(site)
    status, _ = await raw(
        site,
        f"GET {COURSE}{PAGE} HTTP/1.1\nHost: {urlsplit(site.origin).netloc}\nCookie: {cookie}\n"
        f"Origin: {site.origin}\nConnection: Upgrade, close\nUpgrade: websocket\n"
        "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    assert status == 400
    assert site.seen == []


@pytest.mark.attack("expectation")
@pytest.mark.parametrize(
    ("value", "status"), [("100-continue", 200), ("evil", 417), ("100-continue, evil", 417)]
)
async def test_an_expectation_ends_at_the_proxy(site: Site, value: str, status: int) -> None:
    """The formgrader receives a complete request and has nothing to negotiate."""
    cookie, token = await grader_cookie(site)
    got, _ = await raw(
        site,
        f"PUT {COURSE}{GRADE} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
        f"Expect: {value}\nContent-Length: 2\nConnection: close",
        b"{}",
    )
    assert got == status
    assert len(site.seen) == (status == 200)
    assert all("Expect" not in one.headers for one in site.seen)


@pytest.mark.attack("compressed body")
@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "identity", "x", "gzip, gzip"]
)
async def test_a_compressed_body_is_refused(site: Site, encoding: str) -> None:
    """The audit log and the formgrader would read different bytes, or a few become gigabytes."""
    cookie, token = await grader_cookie(site)
    body = gzip.compress(b'{"manual_score": 5}')
    status, answer = await raw(
        site,
        f"PUT {COURSE}{GRADE} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
        f"Content-Encoding: {encoding}\nContent-Length: {len(body)}\nConnection: close",
        body,
    )
    # aiohttp itself refuses encodings that it cannot decode.
    assert status == 415 or (status == 400 and encoding in {"br", "zstd"})
    assert status == 400 or b"Send the body without Content-Encoding" in answer
    assert site.seen == []
    assert await site.audit.newest("course101") == []


async def test_compressed_responses_are_still_accepted(site: Site) -> None:
    """Accept-Encoding is a matter of responses."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    headers = {
        "Accept-Encoding": "gzip, br",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    answer = await browser.request("GET", COURSE + "formgrader/static/js/x.js", headers=headers)
    assert answer.status == 200
    assert site.seen[0].headers["Accept-Encoding"] == "gzip, br"


class Upload:
    """A change whose body arrives in two parts. Between them the proxy has checked its head."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self._site = site
        self.waiting = asyncio.Event()

        async def noticed(request: web.Request, limits: Limits) -> Body | None:
            self.waiting.set()
            return await read_body(request, limits)

        monkeypatch.setattr("services.formgrader_proxy.proxy.gateway.read_body", noticed)

    async def send(
        self, user: str, method: str, path: str, between: Callable[[], Awaitable[None]]
    ) -> int:
        """Run ``between`` while the body is incomplete; returns the status."""
        cookie, token = await grader_cookie(self._site, user)
        address = urlsplit(self._site.origin)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = (
            f"{method} {COURSE}{path} HTTP/1.1\r\nHost: hub\r\nCookie: {cookie}\r\n"
            f"X-CSRFToken: {token}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        )
        try:
            writer.write(head.encode() + b"{")
            async with asyncio.timeout(60):
                await self.waiting.wait()
                await between()
                writer.write(b"}")
                answer = await reader.read()
        finally:
            writer.transport.abort()
        return status_of(answer)


@pytest.mark.attack("removed during an upload")
@pytest.mark.parametrize("guarded", [False, True])
async def test_a_grader_removed_during_an_upload_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Permissions are checked when the body is there. Without that check, the grade changes."""
    if not guarded:
        deliver = DeliverStep.deliver

        async def trusting(
            step: DeliverStep, passage: Any, body: Any, _permit: Any, before: Any
        ) -> web.StreamResponse:
            async def permit() -> Any:
                return passage

            return await deliver(step, passage, body, permit, before)

        monkeypatch.setattr(DeliverStep, "deliver", trusting)

    async def remove() -> None:
        site.hub.users[GRADER].groups = []

    status = await Upload(site, monkeypatch).send(GRADER, "PUT", GRADE, remove)
    assert status == (403 if guarded else 200)
    assert len(site.seen) == (not guarded)
    assert len(await site.audit.newest("course101")) == (not guarded)


@pytest.mark.attack("removed during an upload")
@pytest.mark.parametrize("what", ["logout", "demoted", "course removed", "hub down"])
async def test_whatever_changes_during_an_upload_applies(
    site: Site, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A logout, a lower role, the end of the course, and a Hub that cannot answer."""
    path = "formgrader/api/assignment/ps1"

    async def change() -> None:
        match what:
            case "logout":
                site.hub.tokens.clear()
            case "demoted":
                site.hub.users[INSTRUCTOR].groups = ["formgrade-course101"]
            case "course removed":
                await site.formgraders.replace({})
            case "hub down":
                site.hub.down = True
                site.clock.skip = True  # the change is held until its time is over

    status = await Upload(site, monkeypatch).send(INSTRUCTOR, "PUT", path, change)
    assert status in {401, 403, 404, 503}
    assert site.seen == []


@pytest.mark.attack("endless body")
@pytest.mark.parametrize("announced", [True, False])
async def test_an_endless_body_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    """Its size is limited, and the time in which it has to arrive."""
    cookie, token = await grader_cookie(site)
    head = (
        f"PUT {COURSE}{GRADE} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
        "Connection: close\n"
    )
    if announced:
        status, _ = await raw(site, head + "Content-Length: 99999999999", until_closed=False)
    else:
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        status, _ = await raw(
            site, head + "Transfer-Encoding: chunked", chunk * 8, until_closed=False
        )
    assert status == 413
    monkeypatch.setattr("services.formgrader_proxy.proxy.gateway.LISTED", Limits(9, 0.05))
    status, answer = await raw(site, head + "Content-Length: 2", b"{", until_closed=False)
    assert status == 408
    assert b"Nothing was changed" in answer
    assert site.seen == []


HOSTILE_FIELDS = {
    "Set-Cookie": "jupyterhub-session-id=fixed; Path=/",
    "Refresh": "0; url=https://evil.example/",
    "Link": "<https://evil.example/x.js>; rel=preload; as=script",
    "Clear-Site-Data": '"*"',
    "Service-Worker-Allowed": "/",
    "Access-Control-Allow-Origin": "https://evil.example",
    "Access-Control-Allow-Credentials": "true",
    "Report-To": '{"endpoints": [{"url": "https://evil.example/"}]}',
    "SourceMap": "https://evil.example/map",
    "Alt-Svc": 'h3="evil.example:443"',
    "X-Accel-Redirect": "/etc/passwd",
    "X-Sendfile": "/etc/passwd",
    "Content-Security-Policy": "default-src *",
    "Strict-Transport-Security": "max-age=1",
    "WWW-Authenticate": "Basic",
    "X-Tomorrow": "evil",
}


@pytest.mark.attack("hostile response fields")
@pytest.mark.parametrize(
    "path", [PAGE, "formgrader/submissions/abc/x.html", "formgrader/static/js/x.js"]
)
async def test_hostile_response_fields_do_not_reach_the_browser(site: Site, path: str) -> None:
    """A formgrader that a submission controls cannot act on the browser or on the Hub's proxy."""
    browser = await site.browser(GRADER)
    site.answer = HOSTILE_FIELDS
    answer = await browser.go(COURSE + path)
    assert answer.status == 200
    for name, value in HOSTILE_FIELDS.items():
        assert value not in answer.headers.getall(name, [])


@pytest.mark.attack("redirect out of the course")
@pytest.mark.parametrize(
    "location",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example", "/user/mallory/lab"),
        *("/hub/logout", COURSE + "../course102/", "javascript:alert(1)"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_out_of_the_course_is_refused(
    site: Site, location: str, status: int
) -> None:
    """The grader sees an explanation instead of someone else's page."""
    browser = await site.browser(GRADER)
    site.status, site.answer = status, {"Location": location}
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
    answer = await browser.request("GET", COURSE + PAGE, headers=headers)
    assert answer.status == 502
    assert "Location" not in answer.headers
    assert "outside this course" in answer.text
    assert "evil" not in answer.text


@pytest.mark.attack("service worker from the formgrader")
@pytest.mark.parametrize("path", ["formgrader/submissions/abc/worker.js", "files/worker.js"])
async def test_a_submitted_script_is_no_service_worker(site: Site, path: str) -> None:
    """A browser requests it like this when another page of the origin registers it."""
    cookie, _ = await grader_cookie(site)
    status, answer = await raw(
        site,
        f"GET {COURSE}{path} HTTP/1.1\nHost: hub\nCookie: {cookie}\nService-Worker: script\n"
        "Sec-Fetch-Dest: serviceworker\nSec-Fetch-Mode: same-origin\nSec-Fetch-Site: same-origin\n"
        "Connection: close",
    )
    assert status == 403
    assert b"Service-Worker-Allowed" not in answer
    assert site.seen == []


@pytest.mark.attack("everything else in full mode")
async def test_full_mode_opens_everything_else_to_graders(tmp_path: Path) -> None:
    """The same requests are refused in listed mode, which is the default."""
    for mode in ("listed", "full"):
        (tmp_path / mode).mkdir()
        async with formgrader_site(tmp_path / mode, mode=mode) as site:
            browser = await site.browser(GRADER)
            for path in ("files/gradebook.db", "api/contents", "lab", "terminals/1"):
                answer = await browser.go(COURSE + path)
                assert answer.status == (200 if mode == "full" else 404)
