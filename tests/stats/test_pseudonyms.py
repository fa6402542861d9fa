"""Pseudonyms in place of user names."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.hub.models import Server, User
from services.stats.pseudonyms import Pseudonyms, is_pseudonym

KEY = b"0123456789abcdef0123456789abcdef"


def test_a_name_has_one_pseudonym_for_each_key() -> None:
    """A name has one pseudonym for each key, which does not contain the name."""
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.name("ana") == Pseudonyms(KEY).name("ana")
    assert pseudonyms.name("ana") != pseudonyms.name("anb")
    assert pseudonyms.name("ana") != Pseudonyms(KEY[::-1]).name("ana")
    assert "ana" not in pseudonyms.name("ana")
    assert len(pseudonyms.name("名前")) == 26


def test_names_that_a_user_chose_are_replaced() -> None:
    """The user's own name, and those of servers, profiles and images; groups are the Hub's."""
    pseudonyms = Pseudonyms(KEY)
    options = {"profile": "for ana", "image": "ana/own:1", "password": "x"}
    servers = {
        "": Server(name="", ready=True),
        "ana-thesis": Server(name="ana-thesis", ready=True, user_options=options),
    }
    user = pseudonyms.user(User(name="ana", groups=("x",), servers=servers))
    assert (user.name, user.groups) == (pseudonyms.name("ana"), ("x",))
    assert set(user.servers) == {"", pseudonyms.name("ana-thesis")}
    assert user.servers[""] == servers[""]
    named = user.servers[pseudonyms.name("ana-thesis")]
    assert (named.name, named.profile) == (
        pseudonyms.name("ana-thesis"),
        pseudonyms.name("for ana"),
    )
    assert named.user_options == {
        "profile": pseudonyms.name("for ana"),
        "image": pseudonyms.name("ana/own:1"),
    }
    assert named.ready


def test_fingerprint_identifies_the_key() -> None:
    """Two keys have different fingerprints, and the same key always the same one."""
    assert Pseudonyms(KEY).fingerprint() == Pseudonyms(KEY).fingerprint()
    assert Pseudonyms(KEY).fingerprint() != Pseudonyms(KEY[::-1]).fingerprint()
    assert Pseudonyms(KEY).fingerprint() != Pseudonyms(KEY).name("fingerprint")


def test_key_file(tmp_path: Path) -> None:
    """The key is the content of the file without the line break."""
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    assert Pseudonyms.from_file(file).name("ana") == Pseudonyms(KEY).name("ana")


@pytest.mark.parametrize("content", [None, b"", b"short\n"])
def test_unusable_key_file(tmp_path: Path, content: bytes | None) -> None:
    """A missing or short key is rejected, with the command that creates one."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="token_hex"):
        Pseudonyms.from_file(file)


def test_pseudonyms_are_recognised() -> None:
    """What looks like a pseudonym can be told from a name."""
    assert is_pseudonym(Pseudonyms(KEY).name("ana"))
    assert not is_pseudonym("p-ana")
    assert not is_pseudonym("ana")
