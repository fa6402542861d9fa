"""Heads are read once, and reading one anew gives the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from services.formgrader_proxy.proxy import request_head
from services.formgrader_proxy.proxy.headers import (
    HeaderFault,
    HeadersRefused,
    Outside,
    to_upstream,
)
from services.formgrader_proxy.proxy.request_head import KEPT_BYTES, RequestHead, read_head

PLAIN = ((b"Host", b"hub.example"), (b"Accept", b"text/html"), (b"Cookie", b"secret=1"))


def read(*fields: tuple[bytes, bytes], method: str = "GET", scheme: str = "http") -> RequestHead:
    return read_head(method, fields, "10.0.0.9", scheme)


def test_the_same_head_is_read_once() -> None:
    """Its fields are equal, though they came with another request."""
    again = tuple((bytes(bytearray(name)), bytes(bytearray(value))) for name, value in PLAIN)
    assert read(*PLAIN) is read(*again)


@pytest.mark.parametrize(
    "other",
    [
        ("POST", PLAIN, "10.0.0.9", "http"),
        ("GET", (*PLAIN, (b"X-Own", b"1")), "10.0.0.9", "http"),
        ("GET", tuple(reversed(PLAIN)), "10.0.0.9", "http"),
        ("GET", PLAIN, "10.0.0.8", "http"),
        ("GET", PLAIN, "10.0.0.9", "https"),
    ],
)
def test_no_head_is_taken_for_another(
    other: tuple[str, tuple[tuple[bytes, bytes], ...], str, str],
) -> None:
    """All that decides about a head tells it from others."""
    assert read_head(*other) is not read(*PLAIN)


def test_a_bad_head_is_bad_each_time() -> None:
    """Also when it is not read anew."""
    twice = ((b"Host", b"a"), (b"Host", b"b"))
    for _ in range(2):
        with pytest.raises(HeadersRefused) as refused:
            read(*twice).check()
        assert refused.value.fault is HeaderFault.DOUBLED
    body = (*PLAIN, (b"Content-Length", b"3"))
    assert read(*body).fault is HeaderFault.BODY_ON_READ
    assert read(*body, method="PUT").fault is None


@pytest.mark.parametrize(
    ("field", "scheme", "seen"),
    [
        ((b"X-Forwarded-Proto", b"https,http"), "http", "https"),
        ((b"X-Forwarded-Proto", b"http"), "https", "http"),
        ((b"X-Own", b""), "https", "https"),
    ],
)
def test_the_clients_side(field: tuple[bytes, bytes], scheme: str, seen: str) -> None:
    """The outermost proxy's word counts, else our own connection."""
    found = read(*PLAIN, field, scheme=scheme).outside
    assert found == Outside("10.0.0.9", seen, "hub.example")


def test_each_upstream_gets_its_own_token() -> None:
    """Two courses that one browser asks have two."""
    head = read(*PLAIN)
    for token in ("one", "two", "one"):
        assert head.to_upstream(token)["Authorization"] == f"token {token}"
    assert "Authorization" not in head.to_upstream(None)
    assert "Cookie" not in head.to_upstream("one")


def test_what_goes_on_may_be_changed() -> None:
    """It is a copy: the next request is not changed with it."""
    head = read(*PLAIN)
    head.to_upstream("one").clear()
    assert head.to_upstream("one")["Accept"] == "text/html"


def test_long_heads_are_not_kept() -> None:
    """Anybody may send them, and they would fill the memory."""
    long = (*PLAIN, (b"X-Long", b"a" * KEPT_BYTES))
    assert read(*long) is not read(*long)


def test_many_heads_are_not_all_kept() -> None:
    """Whoever makes up heads takes no more memory than others."""
    for number in range(request_head.MOST_KEPT + 10):
        read(*PLAIN, (b"X-Number", str(number).encode()))
    assert len(request_head._heads) == request_head.MOST_KEPT


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z_-]{1,12}", fullmatch=True), st.binary())))
def test_any_head_goes_on_as_by_its_fields(fields: list[tuple[str, bytes]]) -> None:
    """Keeping changes nothing: it is as if each were read by itself."""
    raw = tuple((name.encode(), value) for name, value in fields)
    plain = CIMultiDict((name, value.decode("utf-8", "surrogateescape")) for name, value in fields)
    for _ in range(2):
        head = read(*raw)
        passed = to_upstream(CIMultiDictProxy(plain), token="t", outside=head.outside)
        assert list(head.to_upstream("t").items()) == list(passed.items())
