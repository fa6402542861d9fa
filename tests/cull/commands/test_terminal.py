"""Tables and names on a terminal."""

import pytest

from services.cull.commands.terminal import printable, table


def test_columns_stay_aligned_with_wide_characters() -> None:
    """A Chinese character takes two columns."""
    lines = table(["user", "why"], [["名前", "idle"], ["ana", "idle"]])
    assert lines == ["user  why", "名前  idle", "ana   idle"]


def test_control_characters_in_a_table_are_escaped() -> None:
    """A user name cannot control an administrator's terminal."""
    lines = table(["user", "why"], [["evil\x1b[31m\n", "idle"], ["名前", "idle"]])
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)
    assert "\\x1b" in lines[1]


def test_columns_stay_aligned_with_combining_characters() -> None:
    """An accent that is a character of its own takes no column."""
    lines = table(["user", "why"], [["zoe\u0308", "idle"], ["ana", "idle"]])
    assert lines == ["user  why", "zoe\u0308   idle", "ana   idle"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ana", "ana"), ("名前", "名前"), ("a\tb", "a\\tb"), ("\x1b[2J", "\\x1b[2J")],
)
def test_only_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    """Names in any script stay readable."""
    assert printable(text) == shown
