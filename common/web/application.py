"""The web application under all services: health, ready, metrics, pages, static files.

Handlers parse, call and render; errors become answers in one place
(:mod:`common.web.error_pages`), and every answer carries the security headers.
"""

from aiohttp import web

from common.oauth.sign_in import SIGN_IN, SignIn
from common.readiness import Readiness
from common.web import error_pages
from common.web import security_headers as security
from common.web.metrics import CONTENT_TYPE, Metrics
from common.web.pages import PAGES, Pages, logout_page

MAX_BODY_BYTES = 1024 * 1024

PREFIX: web.AppKey[str] = web.AppKey("prefix", str)
METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
READINESS: web.AppKey[Readiness] = web.AppKey("readiness", Readiness)
_OPEN_METRICS: web.AppKey[bool] = web.AppKey("open_metrics", bool)


def create_app(
    *,
    prefix: str,
    metrics: Metrics,
    readiness: Readiness,
    sign_in: SignIn | None,
    authenticate_prometheus: bool,
    client_max_size: int = MAX_BODY_BYTES,
    title: str = "",
    hub_url: str = "",
) -> web.Application:
    """The application of a service at ``prefix`` (a slash at both ends).

    Services add their routes, with full paths, to what is returned. Without ``sign_in``
    there is nobody to ask who comes: metrics are then open only if not to be authenticated.
    ``hub_url`` is where pages lead to the Hub; by default where ``sign_in`` finds it.
    """
    hub_url = hub_url or (sign_in.settings.public_hub_url if sign_in else "/hub/")
    app = web.Application(middlewares=[error_pages.errors], client_max_size=client_max_size)
    app[PREFIX], app[METRICS], app[READINESS] = prefix, metrics, readiness
    app[PAGES] = Pages(prefix, title=title, hub_url=hub_url)
    app[_OPEN_METRICS] = not authenticate_prometheus
    app.on_response_prepare.append(security.begin)
    if prefix != "/":
        app.router.add_get(prefix.rstrip("/"), _to_prefix)
    app.router.add_get(prefix + "health", _health)
    app.router.add_get(prefix + "ready", _ready)
    app.router.add_get(prefix + "metrics", _metrics)
    app.router.add_get(prefix + "static/{name:.+}", app[PAGES].serve_static)
    if sign_in is not None:
        sign_in.setup(app, logout_page=logout_page)
    return app


async def _to_prefix(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.app[PREFIX])


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    reasons = request.app[READINESS].reasons()
    if reasons:
        return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(request: web.Request) -> web.Response:
    if not request.app[_OPEN_METRICS]:
        await _may_read_metrics(request)
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": CONTENT_TYPE})


async def _may_read_metrics(request: web.Request) -> None:
    sign_in = request.app.get(SIGN_IN)
    if sign_in is None:
        raise web.HTTPForbidden(text="Nobody can be asked who you are; see the settings.")
    owner = await sign_in.token_owner(request)
    if owner is None:
        text = "Send a Hub token: the header 'Authorization: token X'."
        raise web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": "token"})
    if "read:metrics" not in owner.scopes and not sign_in.has_access(owner):
        raise web.HTTPForbidden(text="The token needs the scope read:metrics.")
