"""What signing in remembers on the server: logins under way, who a token is, who left.

All bounded, all by the clock that is handed in.
"""

import re
import secrets
import string
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.clock import Clock

LOGIN_SECONDS = 600.0  # as JupyterHub's oauth_state_max_age
MOST_LOGINS = 10_000
MOST_OWNERS = 10_000
MOST_REVOKED = 50_000
_LONGEST_NEXT = 2000
_NOT_IN_A_PATH = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")


def local_path(target: str, prefix: str) -> str:
    """``target`` if it is a path below ``prefix`` and nothing else, otherwise ``prefix``.

    What browsers could take for another host (``//``, a backslash, a scheme, control signs)
    or for another service (``..``) is refused.
    """
    path = target.partition("?")[0]
    plain = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\")
    if (
        not path.startswith(prefix)
        or len(target) > _LONGEST_NEXT
        or _NOT_IN_A_PATH.search(target)
        or "\\" in plain
        or "//" in plain
        or any(part in (".", "..") for part in plain.split("/"))
    ):
        return prefix
    return target


@dataclass(frozen=True)
class Login:
    """A login under way: where to go after it, and its secrets."""

    state: str
    next_url: str
    cookie_name: str
    code_verifier: str
    started: float

    def __repr__(self) -> str:
        return f"Login(next_url={self.next_url!r})"


class Logins:
    """The logins under way. Each state is good once, for ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, Login] = OrderedDict()

    def begin(self, next_url: str, cookie_prefix: str, code_verifier: str) -> Login:
        """A new login. Its cookie has a name of its own, so that two tabs do not collide."""
        self._forget_old()
        suffix = "".join(secrets.choice(string.ascii_letters) for _ in range(8))
        login = Login(
            state=secrets.token_urlsafe(24),
            next_url=next_url,
            cookie_name=f"{cookie_prefix}-{suffix}",
            code_verifier=code_verifier,
            started=self._clock.monotonic(),
        )
        self._open[login.state] = login
        return login

    def take(self, state: str) -> Login | None:
        """The login of this state, which is then used up. None: unknown, used or too old."""
        self._forget_old()
        return self._open.pop(state, None)

    def _forget_old(self) -> None:
        too_old = self._clock.monotonic() - LOGIN_SECONDS
        while self._open:
            first = next(iter(self._open.values()))
            if first.started > too_old and len(self._open) < MOST_LOGINS:
                return
            self._open.popitem(last=False)


T = TypeVar("T")
OwnerKey = tuple[str, str]  # session id, hash of the token


class Owners(Generic[T]):
    """Who a token belongs to, for a short while. Only good answers are kept."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._known: OrderedDict[OwnerKey, tuple[float, T]] = OrderedDict()

    def get(self, key: OwnerKey) -> T | None:
        """The owner, if asked for within the time."""
        found = self._known.get(key)
        if found is None or self._clock.monotonic() - found[0] >= self._seconds:
            return None
        return found[1]

    def put(self, key: OwnerKey, owner: T | None, *, asked_at: float) -> None:
        """Remember what the Hub said to a question put at ``asked_at``; the newest word holds."""
        found = self._known.get(key)
        if found is not None and found[0] > asked_at:
            return
        self._known.pop(key, None)
        if owner is not None:
            self._known[key] = (asked_at, owner)
        while len(self._known) > MOST_OWNERS:
            self._known.popitem(last=False)

    def forget(self, token_hash: str) -> None:
        """Forget what is known of a token, whatever the session."""
        for key in [key for key in self._known if key[1] == token_hash]:
            del self._known[key]


class Revoked:
    """Hashes of tokens whose owners have signed out here: a stolen cookie is then worthless."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[str, None] = OrderedDict()

    def add(self, token_hash: str) -> None:
        """Accept this token no more."""
        self._hashes[token_hash] = None
        while len(self._hashes) > MOST_REVOKED:
            self._hashes.popitem(last=False)

    def __contains__(self, token_hash: str) -> bool:
        return token_hash in self._hashes
