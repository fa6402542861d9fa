"""Strict parsing of a request's target: what is checked is what the upstream sees.

A path that two programs could interpret in different ways is refused, never repaired. An
accepted target is forwarded byte for byte, so the decoded segments here are those that Tornado
(one round of percent-decoding, no dot-segment removal) passes to nbgrader.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, unquote_to_bytes


class PathFault(StrEnum):
    """Why a target is refused. A closed set, used as a metric label."""

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
    """The target is ambiguous or forbidden. ``fault`` is the reason."""

    def __init__(self, fault: PathFault) -> None:
        self.fault = fault
        super().__init__(f"invalid address: {fault.value.replace('_', ' ')}")


@dataclass(frozen=True)
class Target:
    """An accepted request target.

    ``raw`` is the path as received and forwarded, ``segments`` are its decoded parts without the
    leading slash (a trailing slash gives an empty last segment), and ``query`` is the raw query
    without the question mark.
    """

    raw: str
    segments: tuple[str, ...]
    query: str = ""

    @property
    def raw_target(self) -> str:
        """Path and query as in the request line."""
        return f"{self.raw}?{self.query}" if self.query else self.raw


MAX_LENGTH = 8192
#: The characters that RFC 3986 allows in a path, the percent sign, and those that browsers do not
#: encode. `;` is missing because some programs end a segment there.
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,=:@/%\[\]|]*")
_QUERY = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,=:@/%?\[\]{}|^`\"<>]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Rounds of decoding searched for a hidden separator. A path with more rounds is refused.
_ROUNDS = 4


def read_target(raw_target: str) -> Target:
    """Parse the target of a request line.

    :raises PathRefused: it is anything but one unambiguous path with an optional query
    """
    if len(raw_target) > MAX_LENGTH:
        raise PathRefused(PathFault.TOO_LONG)
    return _read_cached(raw_target) if len(raw_target) <= _CACHED_LENGTH else _read(raw_target)


def _read(raw_target: str) -> Target:
    raw, _, query = raw_target.partition("?")
    if not raw.startswith("/"):
        raise PathRefused(PathFault.NOT_A_PATH)
    if not _PATH.fullmatch(raw):
        raise PathRefused(PathFault.CHARACTER)
    _refuse_bad_query(query)
    return Target(raw, tuple(_segments(raw)), query)


#: Pages request the same targets repeatedly, so results up to this length are cached.
_CACHED_LENGTH = 512
_read_cached = lru_cache(maxsize=2048)(_read)  # refusals are exceptions, which are not cached


def _segments(raw: str) -> Sequence[str]:
    if _ESCAPE.search(raw):
        raise PathRefused(PathFault.PERCENT)
    parts = raw[1:].split("/")
    if "" in parts[:-1]:
        raise PathRefused(PathFault.EMPTY_SEGMENT)
    return [_segment(part) for part in parts]


def _segment(part: str) -> str:
    """The decoded segment, if it stays one harmless segment however often it is decoded."""
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
    """Refuse a malformed query, and any argument named ``path``.

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
