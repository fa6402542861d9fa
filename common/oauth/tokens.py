"""Whose a token is: asked of the Hub, remembered for a short while, refused after a sign-out."""

import asyncio
import hashlib
import re
from functools import lru_cache

from aiohttp import web

from common.clock import Clock
from common.errors import HubBadResponse, HubRejected
from common.oauth.hub_oauth import ServiceOAuth
from common.oauth.settings import Identity, OAuthSettings
from common.oauth.state import OwnerKey, Owners, Revoked

_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")


class Tokens:
    """The owners of tokens.

    Kept apart by the Hub's session id, too, as JupyterHub does: who signs out of the Hub is
    not remembered. Only good answers are kept; a Hub that is away is an error, never a no.
    """

    def __init__(self, oauth: ServiceOAuth, settings: OAuthSettings, clock: Clock) -> None:
        self._oauth = oauth
        self._clock = clock
        self._owners: Owners[Identity] = Owners(clock, settings.cache_seconds)
        self._revoked = Revoked()
        self._asking: dict[OwnerKey, asyncio.Task[Identity | None]] = {}

    async def owner(self, session_id: str, token: str, *, fresh: bool) -> Identity | None:
        """Whose token it is; None if the Hub does not know it (any more).

        ``fresh`` asks the Hub whatever is remembered. Raises HubUnavailable, HubFailed or
        HubBadResponse when the Hub does not tell.
        """
        if not _TOKEN.fullmatch(token):
            return None
        key = (session_id, _hash(token))
        if key[1] in self._revoked:
            return None
        owner = None if fresh else self._owners.get(key)
        if owner is None:
            owner = await (self._ask(key, token) if fresh else self._ask_together(key, token))
        # Signed out while we asked?
        return None if key[1] in self._revoked else owner

    def revoke(self, token: str) -> None:
        """Accept this token no more, from wherever it comes."""
        self._revoked.add(_hash(token))
        self._owners.forget(_hash(token))

    async def redeem(self, session_id: str, code: str, verifier: str) -> tuple[str, Identity]:
        """The token for an OAuth code, and whose it is.

        Raises HTTPBadRequest for a code that is wrong, used or too old.
        """
        try:
            token = await self._oauth.exchange(code, verifier)
        except HubRejected:
            raise web.HTTPBadRequest(
                text="The Hub does not accept this login any more. Please sign in again."
            ) from None
        owner = await self.owner(session_id, token, fresh=True)
        if owner is None:
            raise HubBadResponse("gave a token that it does not know")
        return token, owner

    def close(self) -> None:
        """Stop asking."""
        for task in list(self._asking.values()):
            task.cancel()

    async def _ask_together(self, key: OwnerKey, token: str) -> Identity | None:
        """Ask the Hub once for all who want to know the same at the same time."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, token))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: OwnerKey, task: "asyncio.Task[Identity | None]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # who waited has it; nobody may be waiting any more

    async def _ask(self, key: OwnerKey, token: str) -> Identity | None:
        asked_at = self._clock.monotonic()
        model = await self._oauth.model_of(token)
        owner = None if model is None else Identity.of(model)
        self._owners.put(key, owner, asked_at=asked_at)
        return owner


@lru_cache(maxsize=1024)  # a browser brings the same with each request
def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
