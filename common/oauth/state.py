"""Logins in progress (the ``state`` of OAuth), and where a browser may go after one."""

import hashlib
import re
import secrets
import string
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass

from common.clock import Clock

LOGIN_SECONDS = 600.0  # as JupyterHub's oauth_state_max_age
MAX_LOGINS = 10_000
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
    cookie_name: str
    code_verifier: str
    started: float

    @property
    def code_challenge(self) -> str:
        """The PKCE challenge of the verifier, by the method S256 (RFC 7636 4.2)."""
        digest = hashlib.sha256(self.code_verifier.encode()).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def __repr__(self) -> str:
        return f"Login(next_url={self.next_url!r})"


class Logins:
    """The logins in progress. Each state is valid once and for ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: OrderedDict[str, Login] = OrderedDict()

    def begin(self, next_url: str, cookie_prefix: str) -> Login:
        """Start a login. Its cookie has a unique name, so logins in two tabs do not collide."""
        self._drop_expired()
        suffix = "".join(secrets.choice(string.ascii_letters) for _ in range(8))
        login = Login(
            state=secrets.token_urlsafe(24),
            next_url=next_url,
            cookie_name=f"{cookie_prefix}-{suffix}",
            code_verifier=secrets.token_urlsafe(48),
            started=self._clock.monotonic(),
        )
        self._pending[login.state] = login
        return login

    def take(self, state: str) -> Login | None:
        """Remove and return the login of a state; None if it is unknown, used or expired."""
        self._drop_expired()
        return self._pending.pop(state, None)

    def _drop_expired(self) -> None:
        expired = self._clock.monotonic() - LOGIN_SECONDS
        while self._pending:
            oldest = next(iter(self._pending.values()))
            if oldest.started > expired and len(self._pending) < MAX_LOGINS:
                return
            self._pending.popitem(last=False)
