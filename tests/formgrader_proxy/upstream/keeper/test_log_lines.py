"""The lines of a log: how long they are, how many, and what they contain."""

import pytest

from services.formgrader_proxy.upstream.keeper.log_lines import LINE_BYTES, LogLines, printable


def test_lines_are_put_together() -> None:
    """However they arrive; the last one may lack its line break."""
    lines = LogLines()
    assert lines.add(b"on", 0) == []
    assert lines.add(b"e\ntwo\r\nth", 0) == [b"one", b"two"]
    assert lines.rest() == [b"th"]
    assert lines.rest() == []


def test_a_long_line_is_cut() -> None:
    """What follows it is a line of its own."""
    lines = LogLines()
    found = lines.add(b"a" * 100_000, 0) + lines.add(b"a" * 100_000 + b"\nb\n", 0)
    assert found == [b"a" * LINE_BYTES + b" ... (cut)", b"b"]


def test_a_line_of_exactly_the_limit_is_complete() -> None:
    """Equal is not too long."""
    assert LogLines().add(b"a" * LINE_BYTES + b"\n", 0) == [b"a" * LINE_BYTES]


def test_too_many_lines_are_counted() -> None:
    """A burst is kept, the rest is omitted, and more is kept after a while."""
    lines = LogLines(burst=3, rate=1)
    assert lines.add(b"x\n" * 10, 0) == [b"x"] * 3
    assert lines.add(b"y\n" * 10, 0.5) == []
    assert lines.add(b"z\n" * 2, 2.0) == [b"(17 lines omitted: too many at once)", b"z", b"z"]


def test_the_number_of_omitted_lines_is_reported_at_the_end() -> None:
    """Even if no line follows."""
    lines = LogLines(burst=1, rate=0)
    assert lines.add(b"x\ny\n", 0) == [b"x"]
    assert lines.rest() == [b"(1 lines omitted: too many at once)"]


def test_memory_is_limited() -> None:
    """However much is printed."""
    lines = LogLines()
    kept = [line for _ in range(1000) for line in lines.add(b"x" * 300 + b"\n" + b"y" * 99_699, 0)]
    assert sum(map(len, kept)) < 3_000_000
    assert len(lines._partial) <= LINE_BYTES


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"plain \xc3\xa4\ttext", "plain \u00e4\ttext"),
        (b"\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        (b"one\rtwo", r"one\rtwo"),
        (b"one\xc2\x85two\xe2\x80\xa8three", r"one\x85two\u2028three"),
        ("\u202egnp.exe".encode(), r"\u202egnp.exe"),
        (b"\xff\x00", r"\xff\x00"),
    ],
    ids=["plain", "terminal", "carriage return", "line breaks", "right to left", "not UTF-8"],
)
def test_control_characters_are_escaped(line: bytes, shown: str) -> None:
    """So that they do nothing to the terminal, log or page that shows them."""
    assert printable(line) == shown
