"""WebSockets, which stay open no longer than their user has access."""

import logging
from functools import partial

from aiohttp import web

from common.errors import RequestError
from common.web.error_pages import error_response
from services.formgrader_proxy.proxy.forward_ws import UpstreamRefusedWebSocket, forward_ws
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage
from services.formgrader_proxy.upstream.endpoint import Upstream

log = logging.getLogger("formgrader")

#: Seconds between two checks whether the user of an open WebSocket still has access.
WEBSOCKET_CHECK_SECONDS = 30.0


async def forward_websocket(
    parts: Parts, passage: Passage, upstream: Upstream
) -> web.StreamResponse:
    """Connect the browser to the formgrader until one of them, or the user's access, ends it."""
    with parts.metrics.websocket():
        try:
            return await forward_ws(
                passage.request,
                upstream,
                passage.target.raw_target,
                passage.head.to_upstream(upstream.token),
                until=partial(_access_lost, parts, passage),
            )
        except UpstreamRefusedWebSocket as error:
            return error_response(passage.request, 502 if error.status >= 500 else error.status)


async def _access_lost(parts: Parts, passage: Passage) -> None:
    """Return when the user's role becomes lower than it was when the WebSocket opened."""
    while True:
        await parts.clock.sleep(WEBSOCKET_CHECK_SECONDS)
        if passage.formgrader.closed:
            return
        try:
            found = await parts.sign_in.identify(passage.request, fresh=True, read_form=False)
        except RequestError as error:
            log.warning("a WebSocket stays open because the Hub is unavailable: %s", error)
            continue
        if found is None or parts.role(found, passage.formgrader.course) < passage.role:
            return
