"""Reading nbgrader's responses."""

import json

import pytest

from services.formgrader_proxy.jobs.result import CHARACTERS, LINES, read_result


def failed(**fields: object) -> tuple[str, ...]:
    result = read_result(200, json.dumps({"success": False, **fields}).encode())
    assert (result.succeeded, result.reported) == (False, False)
    return result.lines


def test_success() -> None:
    """Its log is not kept."""
    result = read_result(200, b'{"success": true, "log": "[INFO] done"}')
    assert result == (True, (), True)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"", "status 500"),
        (302, b"", "status 302"),
        (200, b"", "unexpected response"),
        (200, b"<html>", "unexpected response"),
        (200, b'{"success": 1}', "unexpected response"),
        (200, b"[" * 100_000, "unexpected response"),
        (200, b"[]", "unexpected response"),
    ],
)
def test_anything_else_is_a_failure(status: int, body: bytes, words: str) -> None:
    """It is never taken for a success, and nbgrader reported nothing."""
    result = read_result(status, body)
    assert (result.succeeded, result.reported) == (False, None)
    assert words in result.lines[0]


def test_a_failure_keeps_the_last_lines_of_log_and_error() -> None:
    """The log first, then the error."""
    log = "\n".join(f"[INFO] {number}" for number in range(100))
    error = "\n".join(f"trace {number}" for number in range(100))
    lines = failed(log=log, error=error)
    assert len(lines) == LINES
    assert lines[-9:] == ("[INFO] 99", *(f"trace {number}" for number in range(92, 100)))


def test_the_size_is_bounded() -> None:
    """Long lines are cut, and the last ones win."""
    lines = failed(log="\n".join("x" * 100_000 for _ in range(100)), error="the end")
    assert sum(map(len, lines)) <= CHARACTERS
    assert lines[-1] == "the end"
    assert max(map(len, lines)) == 500


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("null\0 and bell\a", "null and bell"),
        ("tab\there", "tab here"),
        ("left\u202eright", "leftright"),
        ("half \ud800 character", "half  character"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("名前 é", "名前 é"),
        ("carriage\rreturn", "return"),
    ],
)
def test_control_characters_are_removed(text: str, line: str) -> None:
    """Markup stays as it is: the pages show it as text."""
    assert failed(log=text)[-1] == line


def test_a_failure_without_a_reason() -> None:
    """Says so, whatever the types of the fields are."""
    assert failed() == ("nbgrader gave no reason.",)
    assert failed(log=5, error=["x"]) == ("nbgrader gave no reason.",)
    assert failed(log=" \n\t\n\x00") == ("nbgrader gave no reason.",)
