"""Pseudonyms: keyed hashes (HMAC-SHA-256) in place of the names of users and what they chose.

Without the key, a hash cannot be traced to a name, not even by trying names. With the key it
can, so keep the key away from the database. The creation times of accounts are stored as they
are (they distinguish successive accounts of one name), so anyone who can list the Hub's users
can still match them. Pseudonyms therefore protect a database that is leaked or shared, but not
against the Hub's administrators.
"""

import base64
import hashlib
import hmac
import re
from pathlib import Path

import msgspec

from common.errors import ConfigError
from common.hub.models import Server, User

MIN_KEY_BYTES = 16

PLAIN = "plain"
"""The fingerprint of a database that stores names as they are."""


class Pseudonyms:
    """Replaces names by their hashes under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: str | Path) -> "Pseudonyms":
        """Read the key from a file, without surrounding white space.

        Raises ConfigError if the file cannot be read or the key is too short.
        """
        hint = f"create one with: python -c 'import secrets; print(secrets.token_hex(32))' > {path}"
        try:
            key = Path(path).read_bytes().strip()
        except OSError as exc:
            raise ConfigError(
                [f"--pseudonym-key-file: {path} cannot be read ({exc.strerror}); {hint}"]
            ) from exc
        if len(key) < MIN_KEY_BYTES:
            raise ConfigError(
                [
                    f"--pseudonym-key-file: the key in {path} is shorter than"
                    f" {MIN_KEY_BYTES} bytes; {hint}"
                ]
            )
        return cls(key)

    def name(self, name: str) -> str:
        """The pseudonym: ``p-`` and 24 characters, always the same for the same name and key."""
        digest = hmac.digest(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return "p-" + base64.b32encode(digest[:15]).decode().lower()

    def user(self, user: User) -> User:
        """The same user under their pseudonym, and so their servers, profiles and images.

        Users choose the names of their servers, and may send any text as a profile or image.
        """
        servers = {server.name: server for server in map(self._server, user.servers.values())}
        return msgspec.structs.replace(user, name=self.name(user.name), servers=servers)

    def _server(self, server: Server) -> Server:
        name = self.name(server.name) if server.name else ""
        chosen = {"profile": server.profile, "image": server.image}
        options = {option: self.name(text) for option, text in chosen.items() if text}
        return msgspec.structs.replace(server, name=name, user_options=options or None)

    def fingerprint(self) -> str:
        """Identifies the key without revealing anything about it."""
        return hmac.digest(self._key, b"fingerprint", hashlib.sha256).hex()[:16]


def is_pseudonym(name: str) -> bool:
    """Whether the name has the form of a pseudonym."""
    return re.fullmatch(r"p-[a-z2-7]{24}", name) is not None
