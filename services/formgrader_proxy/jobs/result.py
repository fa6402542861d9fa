"""What nbgrader's response to a request of a job says. Pure."""

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

#: What is kept of the log of a failed request.
LINES, CHARACTERS = 40, 8000
#: Of these, the lines of the error itself, which follows nbgrader's log of it.
_ERROR_LINES = 8
_LINE = 500
#: Terminal colours and the like: CSI and OSC sequences, and other escapes.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_JOINERS = "\u200c\u200d"


class Result(NamedTuple):
    """Whether a request succeeded. ``lines`` say why not, without control characters.

    ``reported`` is nbgrader's own word, None if it did not report anything.
    """

    succeeded: bool
    lines: tuple[str, ...] = ()
    reported: bool | None = None


def read_result(status: int, body: bytes) -> Result:
    """The result in a response, which is ``{"success": ..., "log": ..., "error": ...}``."""
    if status != 200:
        return Result(False, (f"The formgrader responded with status {status}.",))
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    success = found.get("success") if isinstance(found, dict) else None
    if not isinstance(success, bool):
        return Result(False, ("The formgrader sent an unexpected response.",))
    if success:
        return Result(True, reported=True)
    error = last_lines(found.get("error"), _ERROR_LINES)
    log = last_lines(found.get("log"), LINES - len(error))
    return Result(False, _bounded([*log, *error]) or ("nbgrader gave no reason.",), False)


def last_lines(text: object, count: int) -> list[str]:
    """The last lines of a text that are not blank, as plain text."""
    if not isinstance(text, str) or count <= 0:
        return []
    # A line has at most 500 characters here, so this much contains the last lines.
    lines = _ESCAPES.sub("", text[-200_000:]).splitlines()
    shown = [plain(line) for line in lines if line.strip()]
    return [line for line in shown if line][-count:]


def plain(line: str) -> str:
    """One line without characters that control a terminal, a page's direction or a database."""
    kept = "".join(
        one
        if one in _JOINERS or unicodedata.category(one)[0] != "C"
        else " "
        if one == "\t"
        else ""
        for one in line[: 4 * _LINE]
    ).rstrip()
    return kept if len(kept) <= _LINE else kept[: _LINE - 1] + "\u2026"


def _bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """As many of the last lines as fit."""
    kept: list[str] = []
    size = 0
    for line in reversed(lines):
        size += len(line) + 1
        if size > CHARACTERS:
            break
        kept.append(line)
    return tuple(reversed(kept))
