"""The head of a request: parsed, rewritten for the upstream, and cached for a short time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from services.formgrader_proxy.proxy.headers import (
    HeaderFault,
    HeadersRefused,
    Outside,
    to_upstream,
)
from services.formgrader_proxy.proxy.request_head import (
    CACHE_SECONDS,
    MAX_CACHED,
    MAX_CACHED_BYTES,
    HeadCache,
    RequestHead,
)
from tests.fakes.clock import FakeClock

PLAIN = ((b"Host", b"hub.example"), (b"Accept", b"text/html"), (b"Cookie", b"secret=1"))
CLIENT = "10.0.0.9"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def heads(clock: FakeClock) -> HeadCache:
    return HeadCache(clock)


def head(*fields: tuple[bytes, bytes], method: str = "GET", scheme: str = "http") -> RequestHead:
    return RequestHead(method, fields, CLIENT, scheme)


def read(heads: HeadCache, *fields: tuple[bytes, bytes]) -> RequestHead:
    return heads.read("GET", fields, CLIENT, "http")


def test_equal_heads_are_parsed_once(heads: HeadCache) -> None:
    """Even though their fields are different objects."""
    again = tuple((bytes(bytearray(name)), bytes(bytearray(value))) for name, value in PLAIN)
    assert read(heads, *PLAIN) is read(heads, *again)


def test_a_head_is_parsed_again_when_it_expires(heads: HeadCache, clock: FakeClock) -> None:
    """The time counts from when it was parsed, however often it is used."""
    first = read(heads, *PLAIN)
    clock.advance(CACHE_SECONDS - 1)
    assert read(heads, *PLAIN) is first
    clock.advance(1)
    second = read(heads, *PLAIN)
    assert second is not first
    assert len(heads) == 1
    clock.advance(CACHE_SECONDS - 1)
    assert read(heads, *PLAIN) is second


def test_expired_heads_are_forgotten_without_a_request(heads: HeadCache, clock: FakeClock) -> None:
    """Cookies do not stay in memory because a browser stops sending requests."""
    read(heads, *PLAIN)
    clock.advance(CACHE_SECONDS / 2)
    read(heads, *PLAIN, (b"X-Newer", b"1"))
    clock.advance(CACHE_SECONDS / 2)
    heads.forget_expired()
    assert len(heads) == 1
    clock.advance(CACHE_SECONDS / 2)
    heads.forget_expired()
    assert len(heads) == 0


def test_gateways_share_no_heads(clock: FakeClock) -> None:
    """A cache belongs to its gateway, not to the module."""
    assert read(HeadCache(clock), *PLAIN) is not read(HeadCache(clock), *PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        ("POST", PLAIN, "10.0.0.9", "http"),
        ("GET", (*PLAIN, (b"X-Own", b"1")), "10.0.0.9", "http"),
        ("GET", tuple(reversed(PLAIN)), "10.0.0.9", "http"),
        ("GET", PLAIN, "10.0.0.8", "http"),
        ("GET", PLAIN, "10.0.0.9", "https"),
    ],
    ids=["method", "fields", "order", "client", "scheme"],
)
def test_different_heads_are_not_confused(
    heads: HeadCache, other: tuple[str, tuple[tuple[bytes, bytes], ...], str, str]
) -> None:
    """Everything that affects the result is part of the key."""
    assert heads.read(*other) is not read(heads, *PLAIN)


def test_an_ambiguous_head_is_refused_each_time(heads: HeadCache) -> None:
    """Cached or not."""
    twice = ((b"Host", b"a"), (b"Host", b"b"))
    for _ in range(2):
        with pytest.raises(HeadersRefused) as refused:
            read(heads, *twice)
        assert refused.value.fault is HeaderFault.DOUBLED


def test_a_body_is_refused_by_method() -> None:
    """GET has none, PUT may."""
    body = (*PLAIN, (b"Content-Length", b"3"))
    assert head(*body).fault is HeaderFault.BODY_ON_READ
    assert head(*body, method="PUT").fault is None


@pytest.mark.parametrize(
    ("field", "scheme", "seen"),
    [
        ((b"X-Forwarded-Proto", b"https,http"), "http", "https"),
        ((b"X-Forwarded-Proto", b"http"), "https", "http"),
        ((b"X-Own", b""), "https", "https"),
    ],
)
def test_the_clients_side(field: tuple[bytes, bytes], scheme: str, seen: str) -> None:
    """The scheme is that of the outermost proxy, or else of the connection itself."""
    found = head(*PLAIN, field, scheme=scheme).outside
    assert found == Outside(CLIENT, seen, "hub.example")


def test_each_upstream_gets_its_own_token() -> None:
    """One browser may use two courses."""
    found = head(*PLAIN)
    for token in ("one", "two", "one"):
        assert found.to_upstream(token).headers["Authorization"] == f"token {token}"
    assert "Authorization" not in found.to_upstream(None).headers
    assert "Cookie" not in found.to_upstream("one").headers


def test_fields_are_rewritten_and_encoded_once() -> None:
    """Requests with the same head and upstream share the result, which cannot be modified."""
    found = head(*PLAIN)
    fields = found.to_upstream("one")
    assert found.to_upstream("one") is fields
    assert fields.encoded is fields.encoded
    assert "Accept" not in fields.without(["accept"]).headers
    assert fields.headers["Accept"] == "text/html"


def test_long_heads_are_not_cached(heads: HeadCache) -> None:
    """Any client may send them, and they would fill the memory."""
    long = (*PLAIN, (b"X-Long", b"a" * MAX_CACHED_BYTES))
    assert read(heads, *long) is not read(heads, *long)
    assert len(heads) == 0


def test_the_number_of_cached_heads_is_limited(heads: HeadCache) -> None:
    """The oldest are dropped first."""
    for number in range(MAX_CACHED + 10):
        newest = read(heads, *PLAIN, (b"X-Number", str(number).encode()))
    assert len(heads) == MAX_CACHED
    assert read(heads, *PLAIN, (b"X-Number", str(MAX_CACHED + 9).encode())) is newest


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z_-]{1,12}", fullmatch=True), st.binary())))
def test_caching_does_not_change_the_result(fields: list[tuple[str, bytes]]) -> None:
    """Any head is rewritten as if it was parsed on its own, the second time, too."""
    heads = HeadCache(FakeClock())
    raw = tuple((name.encode(), value) for name, value in fields)
    plain = CIMultiDict((name, value.decode("utf-8", "surrogateescape")) for name, value in fields)
    for _ in range(2):
        try:
            found = heads.read("PUT", raw, CLIENT, "http")
        except HeadersRefused:
            assert head(*raw, method="PUT").fault is not None
            continue
        expected = to_upstream(CIMultiDictProxy(plain), token="t", outside=found.outside)
        assert list(found.to_upstream("t").headers.items()) == list(expected.items())
