"""Keyed hashes in place of names: the same person, told apart, and not named.

Without the key nobody can tell whose hash it is, or try names until one fits. With it anybody
can, so it must not lie beside the database. Times at which accounts were made are kept (they
tell one account of a name from the next), so whoever can list the Hub's users can still
match them: this protects a database that gets into other hands, not from the Hub's admins.
"""

import base64
import hashlib
import hmac
import re
from pathlib import Path

import msgspec

from common.errors import ConfigError
from common.hub.models import User

SHORTEST_KEY = 16
"""Bytes."""


class Pseudonyms:
    """Gives names their hashes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: str | Path) -> "Pseudonyms":
        """With the key in the file, surrounding white space left out. Raises ConfigError."""
        hint = f"write one with: python -c 'import secrets; print(secrets.token_hex(32))' > {path}"
        try:
            key = Path(path).read_bytes().strip()
        except OSError as exc:
            raise ConfigError(
                [f"--pseudonym-key-file: {path} cannot be read ({exc.strerror}); {hint}"]
            ) from exc
        if len(key) < SHORTEST_KEY:
            raise ConfigError([f"the key in {path} is shorter than {SHORTEST_KEY} bytes; {hint}"])
        return cls(key)

    def name(self, name: str) -> str:
        """``p-`` and 24 characters, always the same for a name and key."""
        digest = hmac.digest(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return "p-" + base64.b32encode(digest[:15]).decode().lower()

    def user(self, user: User) -> User:
        """The user under the hash of their name."""
        return msgspec.structs.replace(user, name=self.name(user.name))

    def fingerprint(self) -> str:
        """Tells one key from another, and nothing about it."""
        return hmac.digest(self._key, b"fingerprint", hashlib.sha256).hex()[:16]


def is_pseudonym(name: str) -> bool:
    """Whether it looks like one."""
    return re.fullmatch(r"p-[a-z2-7]{24}", name) is not None


PLAIN = "plain"
"""The fingerprint of names as they are."""
