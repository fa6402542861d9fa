"""One strict reading of a request's target: what we judge is what the upstream sees.

A path that two programs could read in two ways is refused, never repaired. What is
accepted is forwarded byte for byte, so the decoded segments here are the segments
that Tornado (one round of percent-decoding, no dot-segment removal) gives nbgrader.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, unquote_to_bytes


class PathFault(StrEnum):
    """Why a target is refused; a closed set, used as a metric label."""

    NOT_A_PATH = "not_a_path"
    CHARACTER = "character"
    PERCENT = "percent"
    ENCODED_SEPARATOR = "encoded_separator"
    DOT_SEGMENT = "dot_segment"
    EMPTY_SEGMENT = "empty_segment"
    QUERY = "query"
    PATH_QUERY = "path_query"
    TOO_LONG = "too_long"


class PathRefused(ValueError):
    """The target is ambiguous or forbidden; ``fault`` says which."""

    def __init__(self, fault: PathFault) -> None:
        self.fault = fault
        super().__init__(f"the address is not acceptable: {fault.value.replace('_', ' ')}")


@dataclass(frozen=True)
class Target:
    """An accepted request target.

    ``raw`` is the path as it came and as it goes on, ``segments`` its decoded parts
    without the leading slash (a trailing slash gives an empty last segment), and
    ``query`` the raw query without the question mark.
    """

    raw: str
    segments: tuple[str, ...]
    query: str = ""

    @property
    def raw_target(self) -> str:
        """Path and query as they go on the request line."""
        return f"{self.raw}?{self.query}" if self.query else self.raw


MAX_LENGTH = 8192
#: The characters RFC 3986 allows in a path, the percent sign, and those that browsers send
#: as they are. `;` is left out: some programs cut a segment there.
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,=:@/%\[\]|]*")
_QUERY = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,=:@/%?\[\]{}|^`\"<>]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Rounds of decoding looked through for a hidden separator; more is a refusal in itself.
_ROUNDS = 4


def read_target(raw_target: str) -> Target:
    """The request line's target, judged.

    :raises PathRefused: for anything that is not plainly one path
    """
    if len(raw_target) > MAX_LENGTH:
        raise PathRefused(PathFault.TOO_LONG)
    return _read_kept(raw_target) if len(raw_target) <= _KEPT_LENGTH else _read(raw_target)


def _read(raw_target: str) -> Target:
    raw, _, query = raw_target.partition("?")
    if not raw.startswith("/"):
        raise PathRefused(PathFault.NOT_A_PATH)
    if not _PATH.fullmatch(raw):
        raise PathRefused(PathFault.CHARACTER)
    _refuse_bad_query(query)
    return Target(raw, tuple(_segments(raw)), query)


#: A page asks for the same targets again and again: up to this length they are judged once.
_KEPT_LENGTH = 512
_read_kept = lru_cache(maxsize=2048)(_read)  # keeps what was accepted, not what was refused


def _segments(raw: str) -> Sequence[str]:
    if _ESCAPE.search(raw):
        raise PathRefused(PathFault.PERCENT)
    parts = raw[1:].split("/")
    if "" in parts[:-1]:
        raise PathRefused(PathFault.EMPTY_SEGMENT)
    return [_segment(part) for part in parts]


def _segment(part: str) -> str:
    """One decoded segment that stays one harmless segment however often it is decoded."""
    try:
        decoded = unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError:
        raise PathRefused(PathFault.PERCENT) from None
    seen = decoded
    for _ in range(_ROUNDS):
        if seen in {".", ".."}:
            raise PathRefused(PathFault.DOT_SEGMENT)
        if "/" in seen or "\\" in seen:
            raise PathRefused(PathFault.ENCODED_SEPARATOR)
        if _CONTROL.search(seen):
            raise PathRefused(PathFault.CHARACTER)
        further = unquote(seen)
        if further == seen:
            return decoded
        seen = further
    raise PathRefused(PathFault.PERCENT)


def _refuse_bad_query(query: str) -> None:
    """Refuse what is no query, and any argument named ``path``.

    ``GET /formgrader?path=DIR`` makes nbgrader 0.9 execute DIR/nbgrader_config.py and
    change the settings of the whole server; Tornado takes the name in any encoding.
    """
    if not _QUERY.fullmatch(query):
        raise PathRefused(PathFault.QUERY)
    if _ESCAPE.search(query):
        raise PathRefused(PathFault.QUERY)
    for key, _ in parse_qsl(query, keep_blank_values=True):
        bare = key
        for _ in range(_ROUNDS):
            bare = unquote(bare)
        if _CONTROL.search(bare):
            raise PathRefused(PathFault.QUERY)
        if bare.strip().lower() == "path":
            raise PathRefused(PathFault.PATH_QUERY)
