"""Strict parsing of a request's target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.escape import url_unescape

from services.formgrader_proxy.proxy.target import PathFault, PathRefused, read_target


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ("/formgrader/gradebook", ("formgrader", "gradebook")),
        ("/formgrader/", ("formgrader", "")),
        ("/a/Problem%20Set%201", ("a", "Problem Set 1")),
        ("/a/%E5%90%8D%E5%89%8D", ("a", "名前")),
        ("/a/%2541", ("a", "%41")),
        ("/a/plot[1].png", ("a", "plot[1].png")),
        ("/a/..b", ("a", "..b")),
    ],
)
def test_paths_are_split_into_decoded_segments(raw: str, segments: tuple[str, ...]) -> None:
    """An unambiguous path is split into its segments, and kept byte for byte."""
    target = read_target(raw)
    assert (target.raw, target.segments) == (raw, segments)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("http://evil/formgrader", PathFault.NOT_A_PATH),
        ("*", PathFault.NOT_A_PATH),
        ("", PathFault.NOT_A_PATH),
        ("//evil/formgrader", PathFault.EMPTY_SEGMENT),
        ("/a//b", PathFault.EMPTY_SEGMENT),
        ("/a/../b", PathFault.DOT_SEGMENT),
        ("/a/./b", PathFault.DOT_SEGMENT),
        ("/a/..", PathFault.DOT_SEGMENT),
        ("/a/%2e%2e/b", PathFault.DOT_SEGMENT),
        ("/a/.%2E/b", PathFault.DOT_SEGMENT),
        ("/a/%252e%252e/b", PathFault.DOT_SEGMENT),
        ("/a/%25252e%25252e/b", PathFault.DOT_SEGMENT),
        ("/a/%2525252525252e", PathFault.PERCENT),
        ("/a%2fb", PathFault.ENCODED_SEPARATOR),
        ("/a%2Fb", PathFault.ENCODED_SEPARATOR),
        ("/a%252fb", PathFault.ENCODED_SEPARATOR),
        ("/a%5cb", PathFault.ENCODED_SEPARATOR),
        ("/a\\b", PathFault.CHARACTER),
        ("/a/%00", PathFault.CHARACTER),
        ("/a/%0d%0aX:y", PathFault.CHARACTER),
        ("/a/%7f", PathFault.CHARACTER),
        ("/a/b;c", PathFault.CHARACTER),
        ("/a/b#c", PathFault.CHARACTER),
        ("/a/\u540d", PathFault.CHARACTER),
        ("/a b", PathFault.CHARACTER),
        ("/a/%", PathFault.PERCENT),
        ("/a/%zz", PathFault.PERCENT),
        ("/a/%ff", PathFault.PERCENT),
        ("/a/%c0%af", PathFault.PERCENT),
        ("/a/%e0%80%ae", PathFault.PERCENT),
        ("/" + "a" * 9000, PathFault.TOO_LONG),
        ("/formgrader?path=/tmp", PathFault.PATH_QUERY),
        ("/formgrader?x=1&path=", PathFault.PATH_QUERY),
        ("/formgrader?%70ath=/tmp", PathFault.PATH_QUERY),
        ("/formgrader?%2570ath=/tmp", PathFault.PATH_QUERY),
        ("/formgrader?PATH=/tmp", PathFault.PATH_QUERY),
        ("/formgrader?+path=/tmp", PathFault.PATH_QUERY),
        ("/formgrader?path", PathFault.PATH_QUERY),
        ("/formgrader?a=%zz", PathFault.QUERY),
        ("/formgrader?pa%00th=1", PathFault.QUERY),
        ("/formgrader?a;path=/tmp", PathFault.QUERY),
    ],
)
def test_ambiguous_targets_are_refused(raw: str, fault: PathFault) -> None:
    """A target that could be interpreted in two ways is refused, with the reason."""
    with pytest.raises(PathRefused) as refused:
        read_target(raw)
    assert refused.value.fault is fault


@given(st.text(alphabet="/.%25eEfF2cC\\a;?=&#\x00\r \u540d", max_size=40))
def test_accepted_segments_are_those_of_tornado(tail: str) -> None:
    """An accepted path has exactly the segments that Tornado decodes."""
    try:
        target = read_target("/" + tail)
    except PathRefused:
        return
    seen = tuple(url_unescape(part, plus=False) for part in target.raw[1:].split("/"))
    assert target.segments == seen
    assert not {".", ".."} & set(seen)
    assert not any("/" in part or "\\" in part for part in seen)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(raw: str) -> None:
    """Any text is either parsed or refused with a reason; nothing else is raised."""
    try:
        read_target(raw)
    except PathRefused as refused:
        fault: object = refused.fault
    else:
        return
    assert isinstance(fault, PathFault)
