"""Answers what pages and API ask, and does what they want done.

It decides who may: handlers hand it who asks. An own server is read anew from the Hub for each
answer; those of everybody are as the last pass saw them, with the holds and extensions of now.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from common.errors import HubForbidden, HubNotFound, ServiceError
from common.hub.models import Server, User
from common.oauth.sign_in import Identity
from services.cull.audit import log_event
from services.cull.passes.results import PassResult, SurveyedServer
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal, next_extension
from services.cull.policy.model import Decision, Policy, Protections, is_running
from services.cull.policy.rules import Rule
from services.cull.store.records import Event, ExtensionRefused, Hold, HoldKind, hold_event, used_up
from services.cull.web.access import is_admin
from services.cull.web.api.types import Extended, ServerList, ServerView
from services.cull.web.forms import BadInput, HoldWish, ListQuery
from services.cull.web.presentation import server_view
from services.cull.web.server_table import select

if TYPE_CHECKING:
    from common.hub.client import HubClient
    from services.cull.store.store import CullStore

LEAST_GAIN = 0.1
"""An extension that moves the stop by less than this part of its length is not worth one."""


class NotAllowed(ServiceError):
    """Who asks may not do this."""


class NotThere(ServiceError):
    """There is no such server, or no more."""


class PolicyEvaluator(Protocol):
    """Decides with the policy, the holds and the Hub's state of this moment: evaluator.py."""

    def policy(self) -> Policy: ...
    def now(self) -> datetime: ...
    async def decide_server(
        self, user: User, server: Server, protections: Protections | None = None
    ) -> Decision: ...


class Passes(Protocol):
    """What the last passes saw and did: the Culler."""

    @property
    def evaluator(self) -> PolicyEvaluator: ...
    @property
    def history(self) -> Iterable[PassResult]: ...
    @property
    def as_of(self) -> datetime | None: ...
    def servers(self) -> Iterable[SurveyedServer]: ...


@dataclass(frozen=True)
class Viewer:
    """Who asks. user: as the Hub tells us now, None for a service."""

    name: str
    user: User | None
    admin: bool

    def require_admin(self) -> None:
        """Raise NotAllowed unless they are an admin."""
        if not self.admin:
            raise NotAllowed("This is for administrators of the culler.")


class Desk:
    """One for all requests of an application."""

    def __init__(
        self,
        *,
        culler: Passes,
        store: "CullStore",
        hub: "HubClient",
        admin_groups: frozenset[str] = frozenset(),
    ) -> None:
        self._culler = culler
        self._store = store
        self._hub = hub
        self._admin_groups = admin_groups

    def now(self) -> datetime:
        """The Hub's time."""
        return self._culler.evaluator.now()

    def policy(self) -> Policy:
        """The policy in force."""
        return self._culler.evaluator.policy()

    def passes(self) -> list[PassResult]:
        """The last passes, the oldest first."""
        return list(self._culler.history)

    async def viewer(self, identity: Identity) -> Viewer:
        """Who asks, with servers, groups and admin flag as the Hub tells now."""
        # A service may be called like a user; it is not that user.
        user = await self._user(identity.name) if identity.kind == "user" else None
        admin = is_admin(identity.scopes, user, admin_groups=self._admin_groups)
        return Viewer(identity.name, user, admin)

    async def own(self, viewer: Viewer) -> list[ServerView]:
        """The servers of who asks, each with what can be done for it."""
        if viewer.user is None:
            return []
        now = self.now()
        protections = await self._store.protections(now)
        used = await self._store.used(viewer.name, now=now)
        servers = sorted(_running(viewer.user), key=lambda server: server.name)
        return [
            server_view(
                viewer.user,
                server,
                self._rule(viewer.user, server),
                decision,
                protections,
                self._offer(viewer.user, server, decision, len(used.get(server.name, ()))),
            )
            for server in servers
            for decision in [
                await self._culler.evaluator.decide_server(viewer.user, server, protections)
            ]
        ]

    async def own_list(self, viewer: Viewer, query: ListQuery) -> ServerList:
        """Own servers as the API lists them."""
        return _page(await self.own(viewer), query, self.now())

    async def everybody(self, query: ListQuery) -> ServerList:
        """All servers of the last pass."""
        protections = await self._store.protections(self.now())
        rows = [
            server_view(
                row.owner,
                row.server,
                self._rule(row.owner, row.server),
                await self._culler.evaluator.decide_server(row.owner, row.server, protections),
                protections,
            )
            for row in self._culler.servers()
        ]
        return _page(rows, query, self._culler.as_of)

    async def extend(
        self, viewer: Viewer, user: str, server: str, *, offered: datetime | None = None
    ) -> Extended:
        """Keep an own server running as far as its rule allows.

        offered: the time that was on the button. An extension in force that reaches it is what
        was wanted: a second click is not a second extension. Raises NotAllowed, NotThere,
        ExtensionRefused.
        """
        if viewer.user is None or user != viewer.name:
            raise NotAllowed("You can extend your own servers only.")
        found = next((one for one in _running(viewer.user) if one.name == server), None)
        if found is None:
            raise NotThere("You have no such server running.")
        now = self.now()
        protections = await self._store.protections(now)
        decision = await self._culler.evaluator.decide_server(viewer.user, found, protections)
        made_today = (await self._store.used(user, now=now)).get(server, [])
        used = len(made_today)
        rule = self._rule(viewer.user, found)
        limit = rule.extensions_per_day
        offer = self._offer(viewer.user, found, decision, used)
        kept = protections.extended_until(viewer.user, server)
        clicked_twice = kept is not None and offered is not None and kept >= offered
        if kept is not None and (clicked_twice or offer is ExtensionRefusal.FAR_ENOUGH):
            return Extended(user=user, server=server, until=kept, used=used, limit=limit)
        if offer is ExtensionRefusal.USED_UP:
            raise used_up(limit, made_today)
        if isinstance(offer, ExtensionRefusal):
            raise ExtensionRefused(offer.value, limit=limit)
        made = await self._store.extend(
            user,
            server,
            by=viewer.name,
            until=offer.until,
            limit_per_day=limit,
            now=now,
            rule=rule.name,
        )
        if made.made == now:
            log_event(
                Event(
                    at=now,
                    who=viewer.name,
                    action="extend",
                    target="server",
                    name=user,
                    server=server,
                    rule=rule.name,
                    until=made.until,
                )
            )
        return Extended(user=user, server=server, until=made.until, used=made.used, limit=limit)

    async def holds(self) -> list[Hold]:
        """The holds in force."""
        return await self._store.list_holds(self.now())

    async def hold(self, viewer: Viewer, wish: HoldWish) -> Hold:
        """Hold something; raises BadInput when the Hub does not know whom."""
        viewer.require_admin()
        await self._check_known(wish)
        now = self.now()
        made = await self._store.hold(
            wish.kind,
            wish.name,
            wish.server,
            until=wish.until,
            by=viewer.name,
            why=wish.why,
            now=now,
        )
        log_event(hold_event(made, "hold", by=viewer.name, at=now))
        return made

    async def release(self, viewer: Viewer, hold_id: int) -> Hold | None:
        """End a hold; None when there is no such hold."""
        viewer.require_admin()
        now = self.now()
        ended = await self._store.release(hold_id, by=viewer.name, now=now)
        if ended is not None:
            log_event(hold_event(ended, "release", by=viewer.name, at=now))
        return ended

    async def audit_log(self, limit: int, before: int | None) -> list[tuple[int, Event]]:
        """Audit lines, the newest first."""
        return await self._store.audit_log(limit, before_id=before)

    async def _user(self, name: str) -> User:
        try:
            return await self._hub.user(name)
        except HubNotFound:
            raise NotAllowed("The Hub does not know you any more.") from None

    def _rule(self, user: User, server: Server) -> Rule:
        return self.policy().rule_for(user, server, self.now())

    def _offer(
        self, user: User, server: Server, decision: Decision, used: int
    ) -> ExtensionOffer | ExtensionRefusal:
        rule = self._rule(user, server)
        offer = next_extension(rule, decision, self.now(), used)
        least = timedelta(seconds=(rule.extend_by or 0) * LEAST_GAIN)
        if (
            isinstance(offer, ExtensionOffer)
            and decision.due is not None
            and offer.until - max(decision.due, self.now()) < least
        ):
            return ExtensionRefusal.FAR_ENOUGH
        return offer

    async def _check_known(self, wish: HoldWish) -> None:
        try:
            if wish.kind is HoldKind.GROUP:
                await self._hub.group(wish.name)
            else:
                await self._hub.user(wish.name)
        except HubNotFound:
            what = "group" if wish.kind is HoldKind.GROUP else "user"
            raise BadInput([f"name: the Hub knows no {what} {wish.name!r}"]) from None
        except HubForbidden:
            # Our role need not let us read groups one by one; a group's name is then believed.
            if wish.kind is not HoldKind.GROUP:
                raise


def _page(servers: list[ServerView], query: ListQuery, as_of: datetime | None) -> ServerList:
    shown, total, page, pages = select(servers, query)
    return ServerList(servers=shown, total=total, page=page, pages=pages, as_of=as_of)


def _running(user: User) -> list[Server]:
    return [server for server in user.servers.values() if is_running(server)]
