"""The messages that the slow tests of docker/ wait for exist in the sources.

A message that has been reworded would be noticed only where an engine runs those tests.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.paths import ROOT

#: Messages of the kernel, Python, Docker, libnfs and restic.
FOREIGN = (
    *("PermissionError", "Read-only file system", "Operation not permitted", "not found"),
    *("NFS4ERR_ACCESS", "NFS4ERR_ROFS|Failed to open", "Failed to mount", "wrong password"),
)
SUFFIXES = {"", ".py", ".yml", ".yaml", ".j2"}


def quoted() -> Iterator[tuple[str, str]]:
    """The place and the text of each message expected in a log or as the reason of a failure."""
    for path in sorted((ROOT / "tests/docker").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            text: ast.expr | None = None
            if isinstance(node, ast.keyword) and node.arg == "match":
                text = node.value
            elif isinstance(node, ast.Compare) and "logs" in ast.unparse(node.comparators[0]):
                text = node.left
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield f"{path.name}:{text.lineno}", text.value


def sources() -> str:
    """The text of all sources, with literals joined that continue on the next line."""
    texts = [
        path.read_text("utf-8")
        for folder in ("common", "services", "docker")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    ]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))


def appears(message: str, text: str) -> bool:
    """Whether a text contains a message, in which any word may be inserted by the program."""
    words = message.replace("\\", "").split()
    for first in range(len(words)):
        for last in range(len(words), first, -1):
            part = " ".join(words[first:last])
            # The rest is at most two words, such as a name and a number.
            if len(words) - (last - first) <= 2 and len(part) >= 10 and part in text:
                return True
    return False


MESSAGES = [each for each in quoted() if not any(words in each[1] for words in FOREIGN)]


@pytest.mark.parametrize(("place", "message"), MESSAGES, ids=[place for place, _ in MESSAGES])
def test_a_quoted_message_exists(place: str, message: str) -> None:
    """If this fails, adapt the message in the test at this place to the source."""
    assert appears(message, sources()), f"{place} expects {message!r}"


def test_a_reworded_message_is_noticed() -> None:
    """As when "this is not TOML" became "not a valid TOML file"."""
    assert len(MESSAGES) >= 6
    text = sources()
    assert appears("not a valid TOML file", text)
    assert not appears("this is not TOML at all", text)
