"""Holds: how administrators keep a server, a user's servers or a group's servers running."""

from typing import TYPE_CHECKING

from common.errors import HubForbidden, HubNotFound
from common.hub.client import HubClient
from services.cull.passes.audit import log_event
from services.cull.store.records import Hold, HoldKind, hold_event
from services.cull.web.access import Viewer
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import HoldRequest, InvalidInput

if TYPE_CHECKING:
    from services.cull.store.store import CullStore


class Holds:
    """Lists, adds and releases holds. The caller checks that the viewer is an administrator."""

    def __init__(self, state: CullerState, store: "CullStore", hub: HubClient) -> None:
        self._state = state
        self._store = store
        self._hub = hub

    async def list(self) -> "list[Hold]":
        """The holds in force, the first to end first."""
        return await self._store.list_holds(self._state.now())

    async def add(self, viewer: Viewer, wanted: HoldRequest) -> Hold:
        """Add a hold; raises InvalidInput if the Hub has no such user or group."""
        await self._check_name(wanted)
        now = self._state.now()
        hold = await self._store.hold(
            wanted.kind,
            wanted.name,
            wanted.server,
            until=wanted.until,
            by=viewer.name,
            why=wanted.why,
            now=now,
        )
        log_event(hold_event(hold, "hold", by=viewer.name, at=now))
        return hold

    async def release(self, viewer: Viewer, hold_id: int) -> Hold | None:
        """End a hold and return it; None if it does not exist or has ended."""
        now = self._state.now()
        ended = await self._store.release(hold_id, by=viewer.name, now=now)
        if ended is not None:
            log_event(hold_event(ended, "release", by=viewer.name, at=now))
        return ended

    async def _check_name(self, wanted: HoldRequest) -> None:
        try:
            if wanted.kind is HoldKind.GROUP:
                await self._hub.group(wanted.name)
            else:
                await self._hub.user(wanted.name)
        except HubNotFound:
            kind = "group" if wanted.kind is HoldKind.GROUP else "user"
            raise InvalidInput([f"name: the Hub has no {kind} {wanted.name!r}"]) from None
        except HubForbidden:
            # The role of the service need not include read:groups; then any name is accepted.
            if wanted.kind is not HoldKind.GROUP:
                raise
