"""Serves a formgrader's pages to a browser without a server, with each wall switched on or off."""

import json
import mimetypes
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from nbgrader.server_extensions.formgrader.handlers import static_path, template_path
from playwright.async_api import BrowserContext, Page, Route

from services.formgrader_proxy.access import Content
from services.formgrader_proxy.proxy.policy_headers import security_headers
from services.formgrader_proxy.rendering import exporter as exporter_module
from services.formgrader_proxy.rendering.content import markdown as markdown_module
from services.formgrader_proxy.rendering.extension import STATIC_FILES
from services.formgrader_proxy.rendering.nonce import new_nonce, rendering_with
from services.formgrader_proxy.rendering.template_loader import page_environment
from tests.formgrader_proxy.rendering.notebooks import RESOURCES, STATIC, exporter, notebook

ORIGIN = "http://hub.test"
COURSE = "/services/formgrader/c1/"
SUBMISSION = f"{ORIGIN}{COURSE}formgrader/submissions/abc/"
#: What a script does if it runs.
RUN = "window.hostile=1"


def submission(*cells: dict[str, Any]) -> tuple[str, str]:
    """A submission's page and its nonce."""
    nonce = new_nonce()
    with rendering_with(nonce):
        return exporter().from_notebook_node(notebook(*cells), dict(RESOURCES))[0], nonce


def nbgrader_page(template: str, **values: object) -> tuple[str, str]:
    """One of nbgrader's other pages and its nonce."""
    nonce = new_nonce()
    with rendering_with(nonce):
        page = page_environment(template_path, STATIC, "").get_template(template)
        return page.render(base_url=COURSE.rstrip("/"), **values), nonce


def without_sanitizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass on what students write unchanged."""
    for module in (exporter_module, markdown_module):
        monkeypatch.setattr(module, "sanitize", lambda html: Markup(html))  # noqa: S704 - on purpose


class Site:
    """Answers every request of a browser: pages, static files, the API, and a student's files."""

    def __init__(self, context: BrowserContext, *, policy: bool) -> None:
        self._context = context
        self._policy = policy
        self.pages: dict[str, tuple[str, str]] = {}
        self.api: dict[str, Any] = {"grades": [], "comments": []}
        self.requested: list[str] = []
        #: Static files of this package that are replaced.
        self.replaced: dict[str, str] = {}

    async def open(self, url: str, page: tuple[str, str]) -> Page:
        """Open a page; the tab is complete when it is returned."""
        self.pages[url] = page
        await self._context.route("**/*", self._answer)
        tab = await self._context.new_page()
        await tab.goto(url)
        await tab.wait_for_load_state("networkidle")
        return tab

    async def _answer(self, route: Route) -> None:
        url = route.request.url
        self.requested.append(url)
        path = url.partition("?")[0].removeprefix(ORIGIN + COURSE)
        if url in self.pages:
            html, nonce = self.pages[url]
            headers = dict(
                security_headers(Content.PAGE, (nonce,), course_url=ORIGIN + COURSE)
                if self._policy
                else ()
            )
            await route.fulfill(body=html, content_type="text/html", headers=headers)
        elif path.startswith("formgrader/static/"):
            await self._file(route, path.removeprefix("formgrader/static/"))
        elif path.startswith("formgrader/api/"):
            answer = self.api.get(path.removeprefix("formgrader/api/"))
            status = 500 if answer is None else 200
            await route.fulfill(status=status, body=json.dumps(answer), content_type="text/html")
        elif "/user/eve/" in url:
            script = f"window.ran_{Path(path).stem}=1"
            await route.fulfill(body=script, content_type="text/javascript")
        else:
            await route.fulfill(status=404, body="")

    async def _file(self, route: Route, name: str) -> None:
        own = name.removeprefix("classroom/")
        if own in self.replaced:
            await route.fulfill(body=self.replaced[own], content_type="text/javascript")
            return
        folder = Path(static_path) if own == name else STATIC_FILES
        file = folder / own
        if not file.is_file():
            await route.fulfill(status=404, body="")
            return
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        await route.fulfill(body=file.read_bytes(), content_type=kind)
