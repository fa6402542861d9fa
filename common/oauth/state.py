"""Logins in progress (the ``state`` of OAuth), and where a browser may go after one.

The server keeps nothing about a login in progress: the path to open afterwards is in a signed
cookie, and the PKCE verifier follows from the state and a secret. So anonymous requests, however
many, cannot evict a login.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass

from common.clock import Clock

LOGIN_SECONDS = 600.0  # as JupyterHub's oauth_state_max_age
MAX_USED = 10_000
_MAX_PATH_LENGTH = 2000
_NOT_IN_A_PATH = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")


def local_path(target: str, prefix: str) -> str:
    """``target`` if it is a plain path below ``prefix``, otherwise ``prefix``.

    Rejects everything that a browser could read as another host (``//``, a backslash, a scheme,
    control characters) or as another service (``..``), however it is encoded.
    """
    path = target.partition("?")[0]
    plain = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\")
    if (
        not path.startswith(prefix)
        or len(target) > _MAX_PATH_LENGTH
        or _NOT_IN_A_PATH.search(target)
        or "\\" in plain
        or "//" in plain
        or any(part in (".", "..") for part in plain.split("/"))
    ):
        return prefix
    return target


@dataclass(frozen=True)
class Login:
    """A login in progress: the path to open after it, and its secrets."""

    state: str
    next_url: str
    code_verifier: str

    @property
    def cookie_suffix(self) -> str:
        """What tells this login's cookie from those of logins in other tabs."""
        return hashlib.sha256(self.state.encode("utf-8", "replace")).hexdigest()[:8]

    @property
    def code_challenge(self) -> str:
        """The PKCE challenge of the verifier, by the method S256 (RFC 7636 4.2)."""
        return _base64(hashlib.sha256(self.code_verifier.encode()).digest())

    def __repr__(self) -> str:
        return f"Login(next_url={self.next_url!r})"


class Logins:
    """Starts logins, and lets each finish once."""

    def __init__(self, clock: Clock, secret: bytes) -> None:
        self._clock = clock
        self._secret = secret
        self._used: OrderedDict[str, float] = OrderedDict()  # states, and when they were used

    def begin(self, next_url: str) -> Login:
        """Start a login that leads to ``next_url``."""
        return self.resume(secrets.token_urlsafe(24), next_url)

    def resume(self, state: str, next_url: str = "") -> Login:
        """The login of a state, with the verifier that the Hub expects."""
        message = b"pkce" + state.encode("utf-8", "replace")
        return Login(state, next_url, _base64(hmac.digest(self._secret, message, "sha256")))

    def use(self, login: Login) -> bool:
        """Whether the login was not used before. The caller has checked its cookie and its age.

        At most 10,000 used states are kept: a state that is forgotten early is of no use, because
        the Hub accepts each code only once.
        """
        now = self._clock.monotonic()
        while self._used and next(iter(self._used.values())) <= now - LOGIN_SECONDS:
            self._used.popitem(last=False)
        if login.state in self._used:
            return False
        self._used[login.state] = now
        if len(self._used) > MAX_USED:
            self._used.popitem(last=False)
        return True


def _base64(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")
