"""The button "Keep running": how users extend their own servers."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from common.errors import ServiceError
from common.hub.models import Server, User
from services.cull.passes.audit import log_event
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal, next_extension
from services.cull.policy.model import Decision
from services.cull.policy.rules import Rule
from services.cull.store.records import Event, ExtensionRefused, used_up
from services.cull.web.access import AccessDenied, Viewer
from services.cull.web.api.types import Extended
from services.cull.web.culler_state import CullerState, running_servers

if TYPE_CHECKING:
    from services.cull.store.store import CullStore

MINIMUM_GAIN = 0.1
"""Only offer an extension that moves the stop by at least this fraction of ``extend_by``."""


class ServerNotRunning(ServiceError):
    """The viewer has no running server with this name."""


def offer_extension(
    rule: Rule, decision: Decision, now: datetime, used_today: int
) -> ExtensionOffer | ExtensionRefusal:
    """What "Keep running" would do for a server now, or why it is not offered."""
    offer = next_extension(rule, decision, now, used_today)
    minimum = timedelta(seconds=(rule.extend_by or 0) * MINIMUM_GAIN)
    if (
        isinstance(offer, ExtensionOffer)
        and decision.due is not None
        and offer.until - max(decision.due, now) < minimum
    ):
        return ExtensionRefusal.FAR_ENOUGH
    return offer


class KeepRunning:
    """Extends servers of their own users."""

    def __init__(self, state: CullerState, store: "CullStore") -> None:
        self._state = state
        self._store = store

    async def extend(
        self, viewer: Viewer, user: str, server: str, *, offered: datetime | None = None
    ) -> Extended:
        """Keep one of the viewer's servers running for as long as its rule allows.

        ``offered`` is the time that the button showed. If an extension already reaches it, the
        button was pressed twice, and the request succeeds without a second extension.
        Raises AccessDenied, ServerNotRunning and ExtensionRefused.
        """
        owner, found = _own_server(viewer, user, server)
        now, rule = self._state.now(), self._state.rule(owner, found)
        protections = await self._store.protections(now)
        decision = await self._state.decide(owner, found, protections)
        made_today = (await self._store.used(user, now=now)).get(server, [])
        limit = rule.extensions_per_day
        offer = offer_extension(rule, decision, now, len(made_today))
        current = protections.extended_until(owner, server)
        pressed_twice = current is not None and offered is not None and current >= offered
        if current is not None and (pressed_twice or offer is ExtensionRefusal.FAR_ENOUGH):
            return Extended(
                user=user, server=server, until=current, used=len(made_today), limit=limit
            )
        if offer is ExtensionRefusal.USED_UP:
            raise used_up(limit, made_today)
        if isinstance(offer, ExtensionRefusal):
            raise ExtensionRefused(offer.value.rstrip("."), limit=limit)
        return await self._store_extension(viewer, server, rule, offer.until, now)

    async def _store_extension(
        self, viewer: Viewer, server: str, rule: Rule, until: datetime, now: datetime
    ) -> Extended:
        limit = rule.extensions_per_day
        made = await self._store.extend(
            viewer.name,
            server,
            by=viewer.name,
            until=until,
            limit_per_day=limit,
            now=now,
            rule=rule.name,
        )
        if made.made == now:  # otherwise another request made it a moment ago
            log_event(
                Event(
                    at=now,
                    who=viewer.name,
                    action="extend",
                    target="server",
                    name=viewer.name,
                    server=server,
                    rule=rule.name,
                    until=made.until,
                )
            )
        return Extended(
            user=viewer.name, server=server, until=made.until, used=made.used, limit=limit
        )


def _own_server(viewer: Viewer, user: str, name: str) -> tuple[User, Server]:
    if viewer.user is None or user != viewer.name:
        raise AccessDenied("You can only extend your own servers.")
    for server in running_servers(viewer.user):
        if server.name == name:
            return viewer.user, server
    raise ServerNotRunning("You have no running server with this name.")
