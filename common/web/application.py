"""The web application of every service: health, ready, metrics, static files, sign-in and errors.

Handlers parse, call and render. Errors become responses in :mod:`common.web.error_pages`, and every
response carries the headers of :mod:`common.web.security_headers`.
"""

from aiohttp import web

from common.oauth.sign_in import SIGN_IN, SignIn
from common.readiness import Readiness
from common.web import error_pages
from common.web.metrics import CONTENT_TYPE, Metrics
from common.web.pages import PAGES, Pages, logout_page
from common.web.security_headers import add_security_headers

MAX_BODY_BYTES = 1024 * 1024

PREFIX: web.AppKey[str] = web.AppKey("prefix", str)
METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
READINESS: web.AppKey[Readiness] = web.AppKey("readiness", Readiness)
_METRICS_PUBLIC: web.AppKey[bool] = web.AppKey("metrics_public", bool)
_METRICS_SCOPES: web.AppKey[frozenset[str]] = web.AppKey("metrics_scopes", frozenset)


def create_app(
    *,
    prefix: str,
    metrics: Metrics,
    readiness: Readiness,
    sign_in: SignIn | None,
    authenticate_prometheus: bool,
    admin_scope: str = "",
    client_max_size: int = MAX_BODY_BYTES,
    title: str = "",
    hub_url: str = "",
) -> web.Application:
    """The application of a service at ``prefix`` (with a slash at both ends).

    Services add their routes, with full paths, to the result. Metrics need a token with the scope
    read:metrics or ``admin_scope``, which permits to see everything of this service, unless
    ``authenticate_prometheus`` is off. Without ``sign_in`` no one can be identified.
    ``client_max_size`` is in bytes, 0 for no limit. ``hub_url`` is the address of the Hub in links;
    the default is that of ``sign_in``.
    """
    hub_url = hub_url or (sign_in.settings.public_hub_url if sign_in else "/hub/")
    app = web.Application(
        middlewares=[error_pages.respond_to_errors], client_max_size=client_max_size
    )
    app[PREFIX], app[METRICS], app[READINESS] = prefix, metrics, readiness
    app[PAGES] = Pages(prefix, title=title, hub_url=hub_url)
    app[_METRICS_PUBLIC] = not authenticate_prometheus
    app[_METRICS_SCOPES] = frozenset({"read:metrics", admin_scope} - {""})
    app.on_response_prepare.append(error_pages.mark_started)
    app.on_response_prepare.append(add_security_headers)
    if prefix != "/":
        app.router.add_get(prefix.rstrip("/"), _add_slash)
    app.router.add_get(prefix + "health", _health)
    app.router.add_get(prefix + "ready", _ready)
    app.router.add_get(prefix + "metrics", _metrics)
    app.router.add_get(prefix + "static/{name:.+}", app[PAGES].serve_static)
    if sign_in is not None:
        sign_in.setup(app, logout_page=logout_page)
    return app


async def _add_slash(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.app[PREFIX])


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    reasons = request.app[READINESS].reasons()
    if reasons:
        return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(request: web.Request) -> web.Response:
    if not request.app[_METRICS_PUBLIC]:
        await _require_metrics_access(request)
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": CONTENT_TYPE})


async def _require_metrics_access(request: web.Request) -> None:
    sign_in = request.app.get(SIGN_IN)
    if sign_in is None:
        raise web.HTTPForbidden(text="Sign-in is not configured.")
    owner = await sign_in.token_owner(request)
    if owner is None:
        text = "Send a Hub token in the header 'Authorization: token TOKEN'."
        raise web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": "token"})
    enough = request.app[_METRICS_SCOPES]
    if not owner.scopes & enough:
        raise web.HTTPForbidden(text="The token needs the scope read:metrics.")
