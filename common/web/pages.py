"""Pages: Jinja templates that escape everything, and static files with fingerprinted URLs."""

import hashlib
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from common.oauth.sign_in import IDENTITY, SIGN_IN
from common.oauth.state import local_path
from common.web.security_headers import page_policy

_HERE = Path(__file__).parent
_YEAR_SECONDS = 365 * 24 * 3600


class Pages:
    """The templates and static files of one application."""

    def __init__(self, prefix: str, *, title: str = "", hub_url: str = "/hub/") -> None:
        self.prefix = prefix
        self.files: dict[str, tuple[Path, str]] = {}
        self._loader = FileSystemLoader([str(_HERE / "templates")])
        self.environment = Environment(
            loader=self._loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals.update(
            prefix=prefix, service_title=title, hub_url=hub_url, static_url=self.static_url, nav=[]
        )
        self.add_static(_HERE / "static")

    def add_templates(self, package: str, name: str) -> None:
        """Search the templates/ of ``package`` first, and serve its static/ below static/NAME/."""
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            self._loader.searchpath.insert(0, str(Path(folder) / "templates"))
            self.add_static(Path(folder) / "static", name + "/")

    def add_static(self, directory: Path, under: str = "") -> None:
        """Serve the current files of ``directory`` below static/``under``, and no others."""
        for path in sorted(directory.rglob("*")) if directory.is_dir() else []:
            if path.is_file():
                name = under + path.relative_to(directory).as_posix()
                fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
                self.files[name] = (path, fingerprint)

    def static_url(self, name: str) -> str:
        """The URL of a static file. It changes with the content: browsers cache it for a year."""
        return f"{self.prefix}static/{name}?v={self.files[name][1]}"

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """The HTML of a page."""
        return self.environment.get_template(template).render(context)

    async def serve_static(self, request: web.Request) -> web.StreamResponse:
        """Handle ``GET static/NAME``."""
        found = self.files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        path, fingerprint = found
        current = request.query.get("v") == fingerprint
        cache = f"public, max-age={_YEAR_SECONDS}, immutable" if current else "no-cache"
        return web.FileResponse(path, headers={"Cache-Control": cache})


PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)


def add_templates(app: web.Application, package: str, name: str) -> None:
    """Add the templates/ and static/ of ``package`` to ``app``; see :class:`Pages`."""
    app[PAGES].add_templates(package, name)


def render(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> web.Response:
    """A page as a response. Templates see ``context``, ``identity`` and ``xsrf_token()``.

    Only elements with the attribute ``nonce="{{ csp_nonce }}"`` load scripts and style sheets.
    """
    sign_in = request.app.get(SIGN_IN)
    nonce = secrets.token_urlsafe(16)
    standard: dict[str, Any] = {
        "identity": request.get(IDENTITY),
        "xsrf_token": (lambda: sign_in.xsrf_token(request)) if sign_in else (lambda: ""),
        "path": request.path,
        "current_url": local_path(request.raw_path, request.app[PAGES].prefix),
        "csp_nonce": nonce,
    }
    text = request.app[PAGES].render(template, standard | context)
    return web.Response(
        text=text,
        status=status,
        headers={"Content-Security-Policy": page_policy(nonce), **(headers or {})},
        content_type="text/html",
        charset="utf-8",
    )


async def logout_page(request: web.Request, signed_in: bool) -> web.Response:
    """The page at ``logout``: a button to sign out, or where to go after it."""
    return render(request, "logout.html", signed_in=signed_in)
