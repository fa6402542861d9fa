"""Pages and static files."""

from typing import Any

import pytest
from aiohttp import web

from common.web.pages import PAGES, add_templates, render
from tests.common.web.service import BROWSER, PREFIX, running
from tests.fakes.site import site


async def test_caching_of_static_files() -> None:
    """A URL with the current fingerprint is cached for a year; any other is revalidated."""
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
    """A path that is not one of the files found at startup is 404, however it is encoded."""
    async with running() as service:
        assert (await service.get(PREFIX + "static/" + name))[0] == 404


async def test_templates_and_files_of_a_service(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package adds templates, which extend the shared ones, and files below its name."""
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
        status, text, _ = await service.get(PREFIX + "x", BROWSER)
        assert status == 202
        assert "&lt;b&gt;ada&lt;/b&gt;" in text
        address = text.partition("&lt;/b&gt; ")[2].split()[0].split("<")[0]
        assert (await service.get(address))[1] == "a {}"


async def test_page_shows_the_user_and_a_sign_out_button() -> None:
    """A page shows the user's name and a sign-out form with the XSRF token."""

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
