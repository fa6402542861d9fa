"""The web application: health, readiness, metrics, errors as pages or JSON, headers, files."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from certipy import Certipy  # type: ignore[import-untyped]  # no types
from yarl import URL

from common import logs
from common.errors import HubFailed, HubForbidden, HubUnavailable, RequestError
from common.hub.http import TLSFiles, client_session
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.pages import PAGES, add_templates, render
from common.web.server import Bind, serve
from tests.fakes.site import Site, site

PREFIX = "/services/cull/"
PERSON = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,*/*"}
SCRIPT = {"Accept": "*/*"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """A service without sign-in, and a client for it."""

    def __init__(self, origin: str, session: aiohttp.ClientSession, readiness: Readiness) -> None:
        self.origin, self.session, self.readiness = origin, session, readiness

    async def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", **more: Any
    ) -> tuple[int, str, Any]:
        url = URL(self.origin + path, encoded=True)
        async with self.session.request(
            method, url, headers=headers or SCRIPT, allow_redirects=False, **more
        ) as answer:
            return answer.status, await answer.text(), answer.headers


@asynccontextmanager
async def running(
    handlers: dict[str, Handler] | None = None,
    prepare: Callable[[web.Application], None] = lambda app: None,
    **options: Any,
) -> AsyncIterator[Service]:
    readiness = Readiness()
    standard: dict[str, Any] = {
        "prefix": PREFIX,
        "metrics": Metrics("cull"),
        "readiness": readiness,
        "sign_in": None,
        "authenticate_prometheus": True,
        "title": "Idle culler",
    }
    app = create_app(**(standard | options))
    for path, handler in (handlers or {}).items():
        app.router.add_route("*", PREFIX + path, handler)
    prepare(app)
    async with serve(app, Bind()) as port, aiohttp.ClientSession() as session:
        yield Service(f"http://127.0.0.1:{port}", session, readiness)


def raising(error: Exception) -> Handler:
    """A handler that fails so."""

    async def handler(_request: web.Request) -> web.Response:
        raise error

    return handler


# -- health and readiness


async def test_health() -> None:
    """Health is 200 while the process serves, whatever is not ready."""
    async with running() as service:
        service.readiness.set("hub", "away")
        assert (await service.get(PREFIX + "health"))[0] == 200


async def test_ready() -> None:
    """Ready is 503 with each reason while a part is not ready, and 200 after."""
    async with running() as service:
        assert (await service.get(PREFIX + "ready"))[0] == 200
        service.readiness.set("hub", "the Hub does not answer")
        service.readiness.set("database", "locked")
        status, text, _ = await service.get(PREFIX + "ready")
        assert status == 503
        assert "the Hub does not answer" in text
        assert "locked" in text
        service.readiness.set("hub", None)
        service.readiness.set("database", None)
        assert (await service.get(PREFIX + "ready"))[0] == 200


async def test_prefix_without_slash() -> None:
    """The address without its last slash leads to the one with it."""
    async with running() as service:
        status, _, headers = await service.get(PREFIX.rstrip("/"))
        assert (status, headers["Location"]) == (302, PREFIX)


async def test_prefix_of_the_whole_host() -> None:
    """A service may also have the path / to itself."""
    async with running(prefix="/") as service:
        assert (await service.get("/health"))[0] == 200


# -- metrics


async def test_metrics_open_if_so_wished() -> None:
    """With authenticate_prometheus off everybody reads the metrics."""
    async with running(authenticate_prometheus=False) as service:
        status, text, headers = await service.get(PREFIX + "metrics")
        assert status == 200
        assert "jupyterhub_cull_hub_requests" in text
        assert headers["Content-Type"].startswith("text/plain; version=")


async def test_metrics_closed_without_sign_in() -> None:
    """Where nobody can be asked who comes, metrics stay closed."""
    async with running() as service:
        assert (await service.get(PREFIX + "metrics"))[0] == 403


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (["read:metrics"], 200),
        (["access:services!service=cull"], 200),
        (["access:services"], 200),
        (["access:services!service=stats"], 403),
        ([], 403),
    ],
)
async def test_metrics_by_token(cull: Site, scopes: list[str], status: int) -> None:
    """Metrics need a Hub token with read:metrics, or with access to the service."""
    token = cull.hub.add_token("ada", *scopes)
    browser = await cull.browser()
    header = {"Authorization": f"Bearer {token}"}
    assert (await browser.fetch(PREFIX + "metrics", headers=header)).status == status


async def test_metrics_without_a_known_token(cull: Site) -> None:
    """Without a token, or with one the Hub does not know, metrics are 401."""
    browser = await cull.browser("ada")
    assert (await browser.go(PREFIX + "metrics")).status == 401
    header = {"Authorization": "token nonsense"}
    assert (await browser.fetch(PREFIX + "metrics", headers=header)).status == 401


# -- errors


async def test_missing_page_for_a_person_and_a_script() -> None:
    """A person gets a page, a script JSON; both say the same."""
    async with running() as service:
        status, text, headers = await service.get(PREFIX + "nothing", PERSON)
        assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "There is nothing here" in text
        status, text, headers = await service.get(PREFIX + "nothing", SCRIPT)
        assert (status, headers["Content-Type"]) == (404, "application/json; charset=utf-8")
        assert "There is nothing here" in text


async def test_api_errors_are_json_for_everybody() -> None:
    """Below api/ even a browser's visit gets JSON."""
    async with running() as service:
        _, _, headers = await service.get(PREFIX + "api/nothing", PERSON)
        assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("who", [PERSON, SCRIPT])
async def test_fault_of_ours(who: dict[str, str]) -> None:
    """An unexpected error is logged whole; the client gets a number that leads there."""
    stream = io.StringIO()
    logs.configure(to=stream)
    handler = raising(RuntimeError("secret inside"))
    async with running({"x": handler}) as service:
        status, text, _ = await service.get(PREFIX + "x", who)
    logs.configure(level=logging.WARNING)
    assert status == 500
    assert "secret" not in text
    assert "Traceback" not in text
    assert "RuntimeError" not in text
    log = stream.getvalue()
    assert "RuntimeError: secret inside" in log
    mark = log.partition("error ")[2][:8]
    assert mark in text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HubUnavailable("no answer", method="GET", url="http://hub/users?x=SECRET"), 503),
        (HubForbidden("bad token", url="http://hub/users", status=403), 500),
        (HubFailed("broke", status=500), 502),
        (RequestError("else"), 502),
        (web.HTTPConflict(text="Somebody was faster."), 409),
        (web.HTTPTooManyRequests(), 429),
    ],
)
async def test_errors_by_kind(error: Exception, status: int) -> None:
    """A Hub that is away is 503, our bad token 500, other answers of the Hub 502."""
    async with running({"x": raising(error)}) as service:
        for who in (PERSON, SCRIPT):
            got, text, _ = await service.get(PREFIX + "x", who)
            assert got == status
            assert "SECRET" not in text
            assert "http://hub" not in text


async def test_own_words_are_shown_and_escaped() -> None:
    """What a handler says reaches the person, as text and never as HTML."""
    handler = raising(web.HTTPConflict(text="<script>alert(1)</script>"))
    async with running({"x": handler}) as service:
        _, text, _ = await service.get(PREFIX + "x", PERSON)
        assert "&lt;script&gt;" in text
        assert "<script" not in text


async def test_method_not_allowed_names_the_methods() -> None:
    """A wrong method is 405 and says which are right."""
    async with running() as service:
        status, _, headers = await service.get(PREFIX + "health", method="POST")
        assert status == 405
        assert "GET" in headers["Allow"]


async def test_body_too_large() -> None:
    """A body over the limit is 413."""

    async def read(request: web.Request) -> web.Response:
        await request.post()
        return web.Response()

    async with running({"x": read}, client_max_size=1000) as service:
        status, _, _ = await service.get(PREFIX + "x", method="POST", data={"field": "x" * 2000})
        assert status == 413


async def test_error_after_the_answer_began() -> None:
    """An error in the middle of an answer cuts it: no second answer is written into it."""

    async def half(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"half")
        raise RuntimeError("broke")

    async with running({"x": half}) as service:
        with pytest.raises(aiohttp.ClientError):
            await service.get(PREFIX + "x")
        assert (await service.get(PREFIX + "health"))[0] == 200


async def test_try_again_leads_to_the_same_page() -> None:
    """The page of a passing error offers the same address again, and never another host."""
    handler = raising(HubUnavailable("no answer"))
    async with running({"{rest:.*}": handler}) as service:
        _, text, _ = await service.get(PREFIX + "a%3Fb?x=1&y=2", PERSON)
        assert f'href="{PREFIX}a%3Fb?x=1&amp;y=2"' in text
        _, text, _ = await service.get(PREFIX + "/evil.example", PERSON)
        assert "evil.example" not in text


@pytest.mark.parametrize("path", ["%", "%ff", "a%00b", "..%2f..", "%2e%2e/x", "😀", "'\"<x>"])
async def test_odd_addresses(path: str) -> None:
    """Whatever the address, the answer is a clean 4xx page with nothing of it unescaped."""
    async with running() as service:
        status, text, _ = await service.get(PREFIX + path, PERSON)
        assert 400 <= status < 500
        assert "<x>" not in text


# -- headers


@pytest.mark.parametrize("path", ["health", "nothing", "static/style.css", "metrics", "boom", ""])
async def test_security_headers_everywhere(path: str) -> None:
    """Every answer, errors and files too, carries the security headers."""
    async with running({"boom": raising(ValueError())}) as service:
        for who in (PERSON, SCRIPT):
            _, _, headers = await service.get(PREFIX + path, who)
            policy = headers["Content-Security-Policy"]
            for rule in (
                "default-src 'self'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data:",
                "frame-ancestors 'none'",
                "form-action 'self'",
                "base-uri 'none'",
            ):
                assert rule in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "aiohttp" not in headers["Server"].lower()


async def test_pages_are_not_cached() -> None:
    """Pages and JSON are not to be kept by anybody."""
    async with running() as service:
        assert (await service.get(PREFIX + "health"))[2]["Cache-Control"] == "no-store"


async def test_handler_may_set_a_header_itself() -> None:
    """A header that a handler sets on purpose stays."""

    async def own(_request: web.Request) -> web.Response:
        return web.Response(headers={"Content-Security-Policy": "sandbox"})

    async with running({"x": own}) as service:
        _, _, headers = await service.get(PREFIX + "x")
        assert headers.getall("Content-Security-Policy") == ["sandbox"]


# -- static files and templates


async def test_static_file_with_its_fingerprint_is_kept_long() -> None:
    """A file asked for by its current fingerprint may be kept for a year, else it is checked."""
    address = ""

    def look(app: web.Application) -> None:
        nonlocal address
        address = app[PAGES].static_url("style.css")

    async with running(prepare=look) as service:
        status, text, headers = await service.get(address)
        assert status == 200
        assert "--accent" in text
        assert headers["Content-Type"].startswith("text/css")
        assert "immutable" in headers["Cache-Control"]
        _, _, headers = await service.get(address.partition("?")[0])
        assert headers["Cache-Control"] == "no-cache"
        again = {"If-None-Match": headers["ETag"]}
        assert (await service.get(address, again))[0] == 304


@pytest.mark.parametrize(
    "name", ["", "nothing.css", "../config.py", "..%2fconfig.py", "%2e%2e/web.py", "/etc/passwd"]
)
async def test_only_known_files_are_served(name: str) -> None:
    """A name that is not among the files known at start is 404, however spelt."""
    async with running() as service:
        assert (await service.get(PREFIX + "static/" + name))[0] == 404


async def test_templates_and_files_of_a_service(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package brings its templates, which extend ours, and its files below its name."""
    package = tmp_path / "madeup"
    (package / "templates").mkdir(parents=True)
    (package / "static").mkdir()
    (package / "__init__.py").touch()
    (package / "static" / "own.css").write_text("a {}")
    (package / "templates" / "own.html").write_text(
        "{% extends 'page.html' %}{% block main %}{{ who }} "
        "{{ static_url('madeup/own.css') }}{% endblock %}"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    async def page(request: web.Request) -> web.Response:
        return render(request, "own.html", status=202, who="<b>ada</b>")

    async with running({"x": page}, lambda app: add_templates(app, "madeup", "madeup")) as service:
        status, text, _ = await service.get(PREFIX + "x", PERSON)
        assert status == 202
        assert "&lt;b&gt;ada&lt;/b&gt;" in text
        address = text.partition("&lt;/b&gt; ")[2].split()[0].split("<")[0]
        assert (await service.get(address))[1] == "a {}"


async def test_page_says_who_and_offers_the_way_out() -> None:
    """A page shows who is signed in, with a sign-out form that carries the token."""

    def routes(app: web.Application, sign_in: Any) -> None:
        async def page(request: web.Request) -> web.Response:
            await sign_in.require(request)
            return render(request, "page.html")

        app.router.add_get(PREFIX, page)

    async with site(add_routes=routes) as made:
        made.hub.add_user("<i>mallory</i>")
        browser = await made.browser("<i>mallory</i>")
        answer = await browser.go(PREFIX)
        assert "&lt;i&gt;mallory" in answer.text
        assert 'href="#main"' in answer.text
        token = answer.text.partition('name="_xsrf" value="')[2].partition('"')[0]
        assert (await browser.post(PREFIX + "logout", {"_xsrf": token})).status == 200


# -- serving


async def test_access_log_has_no_query() -> None:
    """The access log tells method, path, status; no query, no header."""
    stream = io.StringIO()
    logs.configure(to=stream)
    async with running() as service:
        await service.get(PREFIX + "nothing?code=QUERY", {"Cookie": "a=COOKIE", **PERSON})
        await service.get(PREFIX + "a%0aforged line", PERSON)
        await service.get(PREFIX + "health")
    logs.configure(level=logging.WARNING)
    log = stream.getvalue()
    assert "GET /services/cull/nothing 404" in log
    assert "QUERY" not in log
    assert "COOKIE" not in log
    assert "\nforged" not in log
    assert "health" not in log


async def test_tls(tmp_path: Path) -> None:
    """With a context the pages are served over TLS, to those with a certificate of the CA."""
    certipy = Certipy(store_dir=str(tmp_path))
    certipy.create_ca("ca")
    certipy.create_signed_pair("x", "ca", alt_names=["IP:127.0.0.1"])
    key, certificate = str(tmp_path / "x" / "x.key"), str(tmp_path / "x" / "x.crt")
    files = TLSFiles(key, certificate, str(tmp_path / "ca" / "ca.crt"))
    app = create_app(
        prefix=PREFIX,
        metrics=Metrics("cull"),
        readiness=Readiness(),
        sign_in=None,
        authenticate_prometheus=True,
    )
    async with serve(app, Bind(ssl=files.server_context())) as port:
        url = f"https://127.0.0.1:{port}{PREFIX}health"
        async with client_session(url, tls=files) as session, session.get(url) as answer:
            assert answer.status == 200
        nobody = TLSFiles("", "", files.cafile)
        async with client_session(url, tls=nobody) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(url)


async def test_port_in_use() -> None:
    """An address that is taken is an OSError, and nothing is left open."""
    async with running() as service:
        port = URL(service.origin).port
        assert port is not None
        app = create_app(
            prefix=PREFIX,
            metrics=Metrics("cull"),
            readiness=Readiness(),
            sign_in=None,
            authenticate_prometheus=True,
        )
        with pytest.raises(OSError, match="in use"):
            async with serve(app, Bind(port=port)):
                pass


async def test_shutdown_lets_requests_finish() -> None:
    """At shutdown a request under way still gets its answer."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        began.set()
        await go_on.wait()
        return web.Response(text="done")

    app = create_app(
        prefix=PREFIX,
        metrics=Metrics("cull"),
        readiness=Readiness(),
        sign_in=None,
        authenticate_prometheus=True,
    )
    app.router.add_get(PREFIX, slow)
    async with aiohttp.ClientSession() as session:
        async with serve(app, Bind()) as port:
            asking = asyncio.ensure_future(session.get(f"http://127.0.0.1:{port}{PREFIX}"))
            await began.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        async with await asking as answer:
            assert await answer.text() == "done"
