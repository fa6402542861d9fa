"""The servers that the pages and the API list.

A user's own servers are read from the Hub for each request. All servers are those of the last
pass, combined with the current holds and extensions.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from services.cull.web.access import Viewer
from services.cull.web.api.types import ServerList, ServerView
from services.cull.web.api.views import server_view
from services.cull.web.culler_state import CullerState, running_servers
from services.cull.web.forms import ServerQuery
from services.cull.web.keep_running import offer_extension
from services.cull.web.server_table import select

if TYPE_CHECKING:
    from services.cull.store.store import CullStore


class Servers:
    """Lists servers with their decisions, extensions and holds."""

    def __init__(self, state: CullerState, store: "CullStore") -> None:
        self._state = state
        self._store = store

    async def own(self, viewer: Viewer) -> list[ServerView]:
        """The viewer's servers, each with the extension that "Keep running" offers."""
        if viewer.user is None:
            return []
        now = self._state.now()
        protections = await self._store.protections(now)
        used = await self._store.used(viewer.name, now=now)
        views = []
        for server in running_servers(viewer.user):
            rule = self._state.rule(viewer.user, server)
            decision = await self._state.decide(viewer.user, server, protections)
            offer = offer_extension(rule, decision, now, len(used.get(server.name, ())))
            views.append(server_view(viewer.user, server, rule, decision, protections, offer))
        return views

    async def own_list(self, viewer: Viewer, query: ServerQuery) -> ServerList:
        """The viewer's servers that match the query."""
        return _page(await self.own(viewer), query, self._state.now())

    async def all(self, query: ServerQuery) -> ServerList:
        """The servers of all users that match the query."""
        protections = await self._store.protections(self._state.now())
        views = [
            server_view(
                row.owner,
                row.server,
                self._state.rule(row.owner, row.server),
                await self._state.decide(row.owner, row.server, protections),
                protections,
            )
            for row in self._state.servers()
        ]
        return _page(views, query, self._state.servers_as_of())


def _page(servers: list[ServerView], query: ServerQuery, as_of: datetime | None) -> ServerList:
    shown, total, page, pages = select(servers, query)
    return ServerList(servers=shown, total=total, page=page, pages=pages, as_of=as_of)
