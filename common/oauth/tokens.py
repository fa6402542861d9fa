"""Who owns a token: asked of the Hub, cached for a short time, refused after a sign-out."""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from common.clock import Clock
from common.errors import HubBadResponse
from common.hub.connection import client_session
from common.oauth.hub_api import HubTokenAPI
from common.oauth.settings import OAuthSettings

MAX_OWNERS = 10_000
MAX_REVOKED = 50_000

_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")


@dataclass(frozen=True)
class Identity:
    """The owner of a token. Decide by scopes, groups and ``hub_admin``.

    ``admin`` also belongs to the narrowest token that an administrator made for a program.

    ``session_id`` is the Hub's session in which the token was issued: empty outside a session,
    None if the Hub does not report it.
    """

    name: str
    kind: Literal["user", "service"]
    admin: bool
    groups: frozenset[str]
    scopes: frozenset[str]
    session_id: str | None = None

    @property
    def hub_admin(self) -> bool:
        """Whether this is an administrator of the Hub who signed in with a browser."""
        return self.admin and self.kind == "user" and bool(self.session_id)

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> "Identity":
        """The identity in the Hub's model of a user or service."""
        return cls(
            name=str(model["name"]),
            kind="service" if model.get("kind") == "service" else "user",
            admin=model.get("admin") is True,
            groups=_strings(model.get("groups")),
            scopes=_strings(model.get("scopes")),
            session_id=str(model["session_id"] or "") if "session_id" in model else None,
        )


class OwnerKey(NamedTuple):
    """The Hub's session id is part of the key, so a sign-out from the Hub applies at once."""

    session_id: str
    token_hash: str


class Tokens:
    """The owners of tokens. Only owners are cached, never a refusal.

    Raises HubUnavailable, HubFailed, HubForbidden (the service's own token is bad) or
    HubBadResponse when the Hub cannot answer: that is an error, and never means that a token is
    invalid.
    """

    def __init__(self, settings: OAuthSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._hub = HubTokenAPI(settings)
        self._owners = OwnerCache(clock, settings.cache_seconds)
        self._revoked = RevokedTokens()
        self._asking: dict[OwnerKey, asyncio.Task[Identity | None]] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Allow requests to the Hub while the context is open."""
        settings = self._settings
        async with client_session(settings.api_url, tls=settings.tls) as session:
            self._hub.session = session
            yield
            for task in list(self._asking.values()):
                task.cancel()

    async def owner(self, session_id: str, token: str, *, fresh: bool) -> Identity | None:
        """The owner of a token; None if the Hub does not know it. ``fresh`` skips the cache."""
        if not _TOKEN.fullmatch(token):
            return None
        key = OwnerKey(session_id, _hash(token))
        if key.token_hash in self._revoked:
            return None
        owner = None if fresh else self._owners.get(key)
        if owner is None:
            owner = await (self._ask(key, token) if fresh else self._ask_once(key, token))
        # The user may have signed out in the meantime.
        return None if key.token_hash in self._revoked else owner

    async def redeem(self, session_id: str, code: str, verifier: str) -> tuple[str, Identity]:
        """The token for an OAuth code, and its owner.

        Raises HubRejected for a code that is invalid, used or expired.
        """
        token = await self._hub.exchange(code, verifier)
        owner = await self.owner(session_id, token, fresh=True)
        if owner is None:
            raise HubBadResponse("issued a token that it does not know")
        return token, owner

    def revoke(self, token: str) -> None:
        """Refuse this token from now on, whatever session sends it."""
        self._revoked.add(_hash(token))
        self._owners.forget(_hash(token))

    async def _ask_once(self, key: OwnerKey, token: str) -> Identity | None:
        """Ask the Hub once for all requests that need the same owner at the same time."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, token))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: OwnerKey, task: "asyncio.Task[Identity | None]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # its requests have it; if all are gone, asyncio must not warn

    async def _ask(self, key: OwnerKey, token: str) -> Identity | None:
        asked_at = self._clock.monotonic()
        model = await self._hub.owner_model(token)
        owner = None if model is None else Identity.of(model)
        self._owners.put(key, owner, asked_at=asked_at)
        return owner


class OwnerCache:
    """The owners of tokens, each for a limited time after the Hub was asked."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._owners: OrderedDict[OwnerKey, tuple[float, Identity]] = OrderedDict()

    def get(self, key: OwnerKey) -> Identity | None:
        """The owner, unless it is unknown or too old."""
        found = self._owners.get(key)
        if found is None or self._clock.monotonic() - found[0] >= self._seconds:
            return None
        return found[1]

    def put(self, key: OwnerKey, owner: Identity | None, *, asked_at: float) -> None:
        """Store the Hub's reply to a request sent at ``asked_at``; a newer request's one stays."""
        found = self._owners.get(key)
        if found is not None and found[0] > asked_at:
            return
        self._owners.pop(key, None)
        if owner is not None:
            self._owners[key] = (asked_at, owner)
        while len(self._owners) > MAX_OWNERS:
            self._owners.popitem(last=False)

    def forget(self, token_hash: str) -> None:
        """Remove a token's owner in every session."""
        for key in [key for key in self._owners if key.token_hash == token_hash]:
            del self._owners[key]


class RevokedTokens:
    """Hashes of tokens whose owners have signed out, so that a stolen cookie is worthless."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[str, None] = OrderedDict()

    def add(self, token_hash: str) -> None:
        """Refuse this token from now on."""
        self._hashes[token_hash] = None
        while len(self._hashes) > MAX_REVOKED:
            self._hashes.popitem(last=False)

    def __contains__(self, token_hash: str) -> bool:
        return token_hash in self._hashes


@lru_cache(maxsize=1024)  # a browser sends the same token with every request
def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _strings(value: object) -> frozenset[str]:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return frozenset()
    return frozenset(one for one in value if isinstance(one, str))
