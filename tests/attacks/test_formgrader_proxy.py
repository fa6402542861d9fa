"""Attacks on the formgrader proxy: each is refused, and none reaches the formgrader."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from common.errors import StoreError
from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.allow_list import RULES, Rule, find_rule
from services.formgrader_proxy.proxy.target import PathRefused, read_target
from services.formgrader_proxy.store.audit import Change
from tests.attacks.raw_requests import IN_A_TAB, grader_cookie, raw
from tests.formgrader_proxy.site import (
    ACCESS,
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    TOKEN,
    Site,
    formgrader_site,
)

GRADE = "formgrader/api/grade/abc"
FLAG = "formgrader/api/submitted_notebook/abc/flag"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


TRAVERSALS = [
    "formgrader/../files/gradebook.db",
    "formgrader/./gradebook",
    "formgrader/%2e%2e/files/gradebook.db",
    "formgrader/%2E%2e/files/gradebook.db",
    "formgrader/.%2e/files/gradebook.db",
    "formgrader/%252e%252e/files/gradebook.db",
    "formgrader/%25252e%25252e/files/gradebook.db",
    "formgrader/submissions/x/../../../gradebook.db",
    "formgrader/submissions/x/..%2f..%2f..%2fgradebook.db",
    "formgrader/submissions/x/..%252f..%252fgradebook.db",
    "formgrader/submissions/x/..%5c..%5cgradebook.db",
    "formgrader/submissions/x/..\\..\\gradebook.db",
    "formgrader/submissions/x/%c0%ae%c0%ae/gradebook.db",
    "formgrader/submissions/x/%e0%80%ae%e0%80%ae/gradebook.db",
    "formgrader/submissions/x/..;/..;/gradebook.db",
    "formgrader/submissions/x/%00/gradebook.db",
    "formgrader/submissions/x/a%0d%0aX-Evil:%201",
    "formgrader//gradebook",
    "/formgrader/gradebook",
    "formgrader/submissions//etc/passwd",
    "formgrader/%u002e%u002e/gradebook",
    "formgrader/%2/gradebook",
    "formgrader/gradebook#/../files",
    "formgrader?path=/tmp",
    "formgrader?PATH=/tmp",
    "formgrader?%70ath=/tmp",
    "formgrader?%2570ath=/tmp",
    "formgrader?a=1&path=/tmp",
    "formgrader?path",
    "formgrader?a=1;path=/tmp",
    "formgrader/?path%5b%5d=x&path=/tmp",
    "formgrader/gradebook?path+=/tmp",
    "files/gradebook.db",
    "api/contents",
    "api/kernels",
    "api/terminals",
    "api/sessions",
    "terminals/1",
    "nbconvert/html/x.ipynb",
    "lab",
    "tree",
    "metrics",
    "logout",
    "login",
    "static/x.js",
]


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_path_traversal_is_refused(site: Site, path: str) -> None:
    """In every encoding, even for a grader, before the formgrader sees it."""
    cookie, _ = await grader_cookie(site)
    status, _ = await raw(
        site,
        f"GET {COURSE}{path} HTTP/1.1\nHost: hub\n{IN_A_TAB}Cookie: {cookie}\nConnection: close",
    )
    assert site.seen == []
    assert status in {400, 404}


SMUGGLED = {
    "two lengths": "Content-Length: 0\nContent-Length: 5",
    "length and chunks": "Content-Length: 5\nTransfer-Encoding: chunked",
    "unknown chunking": "Transfer-Encoding: xchunked",
    "chunking twice": "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
    "chunking in chunking": "Transfer-Encoding: chunked, chunked",
    "a signed length": "Content-Length: +5",
    "a negative length": "Content-Length: -5",
    "two hosts": "Host: other",
    "a body on a read": "Content-Length: 5",
    "chunks on a read": "Transfer-Encoding: chunked",
    "Connection names Host": "Connection: host",
    "Connection names Cookie": "Connection: close, cookie",
    "Connection names Authorization": "Connection: Authorization",
    "a space before the colon": "X-Odd : 1",
    "a folded line": "X-Odd: 1\n more",
    "a null": "X-Odd: a\0b",
    "an empty name": ": x",
}


@pytest.mark.parametrize("fields", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_an_ambiguous_head_is_refused(site: Site, fields: str) -> None:
    """Smuggled, repeated and malformed fields get 400."""
    cookie, _ = await grader_cookie(site)
    status, _ = await raw(
        site,
        f"GET {COURSE}formgrader/gradebook HTTP/1.1\nHost: hub\n{IN_A_TAB}"
        f"Cookie: {cookie}\n{fields}\n"
        "Connection: close",
        b"path=",
    )
    assert status == 400
    assert site.seen == []


async def test_a_body_smuggles_no_second_request(site: Site) -> None:
    """A change is forwarded once; text that looks like a request stays part of its body."""
    cookie, token = await grader_cookie(site)
    inner = b"GET /services/formgrader/course101/files/gradebook.db HTTP/1.1\r\nHost: x\r\n\r\n"
    status, _ = await raw(
        site,
        f"PUT {COURSE}{GRADE} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
        f"Content-Length: {len(inner)}\nConnection: close",
        inner,
    )
    assert status == 200
    assert [(one.method, one.body) for one in site.seen] == [("PUT", inner)]


FORGED = {
    "Host": "evil.example",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/other",
    "X-Forwarded-User": "admin",
    "X_Forwarded_Host": "evil.example",
    "Forwarded": "host=evil.example",
    "X-Real-IP": "10.0.0.1",
    "X-Original-URL": "/files/gradebook.db",
    "X-Rewrite-URL": "/files/gradebook.db",
    "X-HTTP-Method-Override": "DELETE",
    "X-JupyterHub-User": "admin",
    "Remote-User": "admin",
    "Proxy-Authorization": "Basic eDp5",
    "Cookie2": "x=y",
}


async def test_forged_fields_are_not_forwarded(site: Site) -> None:
    """Neither a claimed identity or address, nor the browser's cookies and tokens."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **FORGED}
    answer = await browser.request("GET", COURSE + "formgrader", headers=headers)
    assert answer.status == 200
    arrived = site.seen[0].headers
    for name, value in FORGED.items():
        if not name.startswith("X-Forwarded-") and name != "Host":
            assert name not in arrived
        if name not in {"X-Forwarded-Host", "X-Forwarded-Proto", "Host"}:  # also sent to the Hub
            assert value not in arrived.getall(name, [])
    assert "Cookie" not in arrived
    assert arrived.getall("Authorization") == [f"token {TOKEN}"]
    assert arrived["X-Forwarded-For"] == "127.0.0.1"


async def test_the_upstreams_cookies_are_removed(site: Site) -> None:
    """Set-Cookie and the formgrader's own policy do not reach the browser."""
    site.answer = {"Set-Cookie": "_xsrf=theirs; Path=/", "Content-Security-Policy": "default-src *"}
    browser = await site.browser(GRADER)
    answer = await browser.go(COURSE + "formgrader")
    assert "theirs" not in str(answer.headers)
    assert "default-src *" not in answer.headers.getall("Content-Security-Policy")


CROSS = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
    "another subdomain": {"Sec-Fetch-Site": "same-site", "Origin": "http://other.hub"},
    "another page of the hub, no token": {"Sec-Fetch-Site": "same-origin"},
    "another page, navigating": {
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    },
    "no-cors": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"},
    "a guessed token": {"X-CSRFToken": "guessed"},
    "websocket for a mode": {"Sec-Fetch-Mode": "websocket"},
    "no headers at all": {},
}


@pytest.mark.parametrize(("method", "path"), [("PUT", GRADE), ("POST", FLAG)])
@pytest.mark.parametrize("headers", CROSS.values(), ids=CROSS.keys())
async def test_a_change_sent_by_another_page_is_refused(
    site: Site, headers: dict[str, str], method: str, path: str
) -> None:
    """Even though it has the grader's cookie."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    answer = await browser.request(method, COURSE + path, headers=headers, data=b"{}")
    assert answer.status == 403
    assert site.seen == []


async def test_a_read_by_another_pages_script_is_refused(site: Site) -> None:
    """A student's server on the same origin cannot fetch grades without the page's token."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    answer = await browser.fetch(COURSE + "formgrader/api/grades")
    assert answer.status == 403
    assert site.seen == []


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", None])
async def test_a_websocket_from_another_origin(tmp_path: Path, origin: str | None) -> None:
    """Without the service's own Origin nothing is connected, even in full mode."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        site.seen.clear()
        headers = {} if origin is None else {"Origin": origin}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.session.ws_connect(site.origin + COURSE + "api/kernels", headers=headers)
        assert refused.value.status == 403
        assert site.seen == []


async def test_files_are_sandboxed_in_full_mode(tmp_path: Path) -> None:
    """A student's page has neither scripts nor an origin."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        answer = await browser.go(COURSE + "files/submitted/mallory/evil.html")
        assert answer.status == 200
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


async def test_a_removed_grader_opens_no_websocket(tmp_path: Path) -> None:
    """It is checked with the Hub, like a change."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        site.hub.users[GRADER].groups = []
        site.seen.clear()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await browser.session.ws_connect(
                site.origin + COURSE + "api/kernels", headers={"Origin": site.origin}
            )
        assert site.seen == []


async def test_an_open_websocket_of_a_removed_grader_is_closed(tmp_path: Path) -> None:
    """At the next check, within 60 s."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        url = site.origin + COURSE + "api/kernels"
        async with browser.session.ws_connect(url, headers={"Origin": site.origin}) as socket:
            await socket.send_str("ping")
            assert await socket.receive_str(timeout=10) == "ping"
            site.clock.advance(31)
            await socket.send_str("still here")
            assert await socket.receive_str(timeout=10) == "still here"
            site.hub.users[GRADER].groups = []
            while not socket.closed:
                site.clock.advance(31)
                with suppress(TimeoutError):
                    await socket.receive(timeout=0.05)
            assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


@pytest.mark.parametrize("change", ["groups", "removed"])
async def test_an_open_websocket_ends_with_a_change_of_the_courses_file(
    tmp_path: Path, change: str
) -> None:
    """If its user no longer grades the course, or the course is no longer served."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        url = site.origin + COURSE + "api/kernels"
        async with browser.session.ws_connect(url, headers={"Origin": site.origin}) as socket:
            (formgrader,) = site.formgraders.all()
            course = replace(formgrader.course, groups=CourseGroups(frozenset({"others"})))
            await site.formgraders.replace({course.id: course} if change == "groups" else {})
            await socket.send_str("still here")
            assert await socket.receive_str(timeout=10) == "still here"
            while not socket.closed:
                site.clock.advance(31)
                with suppress(TimeoutError):
                    await socket.receive(timeout=0.05)
            assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_websocket_from_the_own_origin_is_allowed(tmp_path: Path) -> None:
    """With the service's own Origin it is forwarded, without the grader's cookies."""
    async with formgrader_site(tmp_path, mode="full") as site:
        browser = await site.browser(GRADER)
        site.seen.clear()
        url = site.origin + COURSE + "api/kernels"
        async with browser.session.ws_connect(url, headers={"Origin": site.origin}) as socket:
            await socket.send_str("ping")
            assert await socket.receive_str(timeout=10) == "ping"
        assert "Cookie" not in site.seen[0].headers


async def test_cookies_are_worthless_after_logout(site: Site) -> None:
    """Stolen cookies work no longer: for changes immediately, for reads after a minute."""
    browser = await site.browser(GRADER)
    xsrf = browser.xsrf
    jar = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
    await browser.go("/hub/logout")
    site.seen.clear()
    thief = await site.browser()
    headers = {"Cookie": jar, "X-CSRFToken": xsrf, "Sec-Fetch-Mode": "cors"}
    answer = await thief.request("PUT", COURSE + GRADE, headers=headers, data=b"{}")
    assert answer.status == 401
    site.clock.advance(60)
    answer = await thief.request("GET", COURSE + "formgrader/gradebook", headers=headers)
    assert answer.status == 401
    assert site.seen == []


async def test_a_removed_grader_loses_access(site: Site) -> None:
    """Immediately for changes, within 60 s for reads."""
    browser = await site.browser(GRADER)
    site.hub.users[GRADER].groups = []
    site.seen.clear()
    assert await site.send(browser, "PUT", GRADE, data=b"{}") == 403
    site.clock.advance(60)
    assert (await browser.go(COURSE + "formgrader")).status == 403
    assert site.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/services/formgrader/../../hub/",
        "http:evil.example",
    ],
)
async def test_next_redirects_only_within_the_service(site: Site, target: str) -> None:
    """A login does not end at another address given as ``next``."""
    browser = await site.browser()
    await browser.log_in(GRADER)
    answer = await browser.go(f"{PREFIX}login?next={target}")
    assert answer.url.startswith(PREFIX)


@pytest.mark.parametrize(
    ("owner", "scopes", "kind"),
    [
        ("other", ("access:services!service=other",), "service"),
        ("cull", ("admin:servers", "read:users"), "service"),
        (STUDENT, (ACCESS,), "user"),
        (GRADER, ("access:services!service=other",), "user"),
        (GRADER, (), "user"),
    ],
    ids=["another service", "the culler", "a student", "a grader's for other", "a grader's, bare"],
)
async def test_other_tokens_are_refused(
    site: Site, owner: str, scopes: tuple[str, ...], kind: str
) -> None:
    """Only a grader's token with access to this service is accepted."""
    token = site.hub.add_token(owner, *scopes, kind=kind)
    browser = await site.browser()
    for method, path in (("GET", "formgrader/gradebook"), ("PUT", GRADE)):
        headers = {"Authorization": f"token {token}"}
        answer = await browser.request(method, COURSE + path, headers=headers)
        assert answer.status == 403
    assert site.seen == []


async def test_an_unknown_token_is_refused(site: Site) -> None:
    """Even if it is the token of the upstream."""
    browser = await site.browser()
    headers = {"Authorization": f"token {TOKEN}"}
    answer = await browser.request("GET", COURSE + "formgrader", headers=headers)
    assert answer.status in {401, 403}
    assert site.seen == []


async def test_without_access_scopes_everyone_is_refused(tmp_path: Path) -> None:
    """A misconfigured service fails closed."""
    async with formgrader_site(tmp_path, access_scopes=frozenset()) as site:
        browser = await site.browser(GRADER)
        assert (await browser.go(COURSE + "formgrader")).status == 403
        assert site.seen == []


@pytest.mark.parametrize("user", [STUDENT, None])
async def test_other_users_see_no_page(site: Site, user: str | None) -> None:
    """Neither a student nor an anonymous user sees a page, the audit log or the log."""
    browser = await site.browser(user)
    site.seen.clear()
    for path in (
        *(f"course101/{one}" for one in ("formgrader", "formgrader/static/js/utils.js", GRADE)),
        *("audit/course101", "audit/course101.csv", "admin/course101/log"),
    ):
        assert (await browser.fetch(PREFIX + path)).status in {401, 403}
    assert site.seen == []


async def test_courses_are_not_revealed_to_anonymous_users(site: Site) -> None:
    """Without sign-in, the response is the same whether the course exists or not."""
    browser = await site.browser()
    there = await browser.fetch(COURSE + "formgrader")
    absent = await browser.fetch(PREFIX + "nothing/formgrader")
    assert (there.status, there.text) == (absent.status, absent.text)


async def test_changes_are_refused_while_the_hub_is_unavailable(site: Site) -> None:
    """A change is never allowed by a cached identity: it is held, and refused at the end."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    site.hub.down = True
    sending = asyncio.create_task(site.send(browser, "PUT", GRADE, data=b"{}"))
    async with asyncio.timeout(60):
        while not sending.done():
            site.clock.advance(1)
            await asyncio.sleep(0.01)
    assert await sending == 503
    assert site.seen == []


async def test_a_change_without_an_audit_entry_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the audit log cannot be written, nothing is changed."""
    browser = await site.browser(GRADER)
    site.seen.clear()

    async def away(_change: Change) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(site.audit, "begin", away)
    assert await site.send(browser, "PUT", GRADE, data=b"{}") == 503
    assert site.seen == []


@pytest.mark.parametrize(
    ("user", "status"), [(GRADER, 403), (INSTRUCTOR, 200)], ids=["grader", "instructor"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("POST", f"formgrader/api/assignment/ps1/{one}")
            for one in ("assign", "release", "unrelease", "collect", "release_feedback")
        ),
        ("POST", "formgrader/api/submission/ps1/ana/autograde"),
        ("PUT", "formgrader/api/assignment/ps2"),
        ("PUT", "formgrader/api/student/new"),
    ],
)
async def test_only_instructors_may_do_an_instructors_work(
    site: Site, user: str, status: int, method: str, path: str
) -> None:
    """A grader is refused; the audit log records the instructor."""
    browser = await site.browser(user)
    site.seen.clear()
    assert await site.send(browser, method, path, data=b"{}") == status
    assert len(site.seen) == (status == 200)
    changes = await site.audit.newest("course101")
    assert [(one.user, one.path, one.status) for one in changes] == (
        [(user, path, 200)] if status == 200 else []
    )


SEGMENT = st.sampled_from(
    [
        *("formgrader", "submissions", "static", "api", "grade", "gradebook", "..", ".", ""),
        *("%2e%2e", "%2f", "%5c", "%252e%252e", "files", "gradebook.db", "a b", "é", "%c3%a9"),
        *("x;y", "%00"),
    ]
) | st.text(max_size=6)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SEGMENT, max_size=7), st.text(max_size=10))
@example(["formgrader", "submissions", "x", "%2e%2e%2f"], "")
def test_accepted_targets_are_unambiguous_and_listed(parts: list[str], query: str) -> None:
    """An accepted target means the same however often it is decoded."""
    raw_target = "/" + "/".join(parts) + (f"?{query}" if query else "")
    try:
        target = read_target(raw_target)
    except PathRefused:
        return
    assert target.raw_target.rstrip("?") == raw_target.rstrip("?")
    assert [unquote(part) for part in target.raw[1:].split("/")] == list(target.segments)
    for segment in target.segments:
        decoded = segment
        for _ in range(5):
            assert decoded not in {".", ".."}
            assert not set(decoded) & set("/\\\0\r\n")
            decoded = unquote(decoded)
    rule = find_rule("GET", target.segments)
    if isinstance(rule, Rule):
        assert target.segments[0] == "formgrader"
        assert rule in RULES


@pytest.mark.parametrize(
    "path",
    [
        "formgrader/submissions/abc/plot%20one.svg",
        "formgrader/submissions/abc/%c3%a9t%C3%A9.png",
        "formgrader/gradebook/ps%201/p%2b%C3%BC",
        "formgrader/submissions/abc/a+b&c=d.txt",
        "formgrader/submissions/abc/a.txt?x=%20&y=+",
        "formgrader/submissions/abc/next?index=3",
    ],
)
async def test_accepted_targets_are_forwarded_byte_for_byte(site: Site, path: str) -> None:
    """They are neither decoded nor encoded again."""
    cookie, _ = await grader_cookie(site)
    await raw(
        site,
        f"GET {COURSE}{path} HTTP/1.1\nHost: hub\n{IN_A_TAB}Cookie: {cookie}\nConnection: close",
    )
    assert [one.raw_target for one in site.seen] == [COURSE + path]
