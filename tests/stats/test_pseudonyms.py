"""Keyed hashes in place of names."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.hub.models import User
from services.stats.pseudonyms import Pseudonyms

KEY = b"0123456789abcdef0123456789abcdef"


def test_same_name_same_hash() -> None:
    """A name has one hash under a key and another under another; none tells the name."""
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.name("ana") == Pseudonyms(KEY).name("ana")
    assert pseudonyms.name("ana") != pseudonyms.name("anb")
    assert pseudonyms.name("ana") != Pseudonyms(KEY[::-1]).name("ana")
    assert "ana" not in pseudonyms.name("ana")
    assert len(pseudonyms.name("名前")) == 26


def test_user_keeps_all_but_the_name() -> None:
    """A user's groups and the rest stay."""
    user = Pseudonyms(KEY).user(User(name="ana", groups=("x",)))
    assert user.name == Pseudonyms(KEY).name("ana")
    assert user.groups == ("x",)


def test_fingerprint_tells_keys_apart() -> None:
    """Two keys have two fingerprints, and a fingerprint is no hash of a name."""
    assert Pseudonyms(KEY).fingerprint() != Pseudonyms(KEY[::-1]).fingerprint()


def test_key_file(tmp_path: Path) -> None:
    """The key is what is in the file, without the line's end."""
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    assert Pseudonyms.from_file(file).name("ana") == Pseudonyms(KEY).name("ana")


@pytest.mark.parametrize("content", [None, b"", b"short\n"])
def test_unusable_key_file(tmp_path: Path, content: bytes | None) -> None:
    """A missing or short key is refused with the command that makes one."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="token_hex"):
        Pseudonyms.from_file(file)
