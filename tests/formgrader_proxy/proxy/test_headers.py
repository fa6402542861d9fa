"""What of a message's head passes through the proxy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from services.formgrader_proxy.proxy.headers import (
    HOP_BY_HOP,
    HeaderFault,
    HeadersRefused,
    Outside,
    check_request_head,
    to_client,
    to_upstream,
)

OUTSIDE = Outside(client="10.0.0.9", scheme="https", host="hub.example")


def head(*fields: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(fields))


@pytest.mark.parametrize(
    "name",
    [
        "Cookie",
        "Authorization",
        "Host",
        "X-Forwarded-For",
        "X-Forwarded-User",
        "X-Real-IP",
        "Forwarded",
        "X-Remote-User",
        "Remote-User",
        "X_Forwarded_For",
        "X-HTTP-Method-Override",
        "X-XSRFToken",
        *(name.title() for name in sorted(HOP_BY_HOP)),
    ],
)
def test_the_clients_identity_and_hop_by_hop_fields_stay_here(name: str) -> None:
    """A field that speaks for somebody or for one hop does not reach the upstream."""
    sent = to_upstream(head((name, "forged"), ("Accept", "x")), token=None, outside=OUTSIDE)
    assert "forged" not in sent.values()
    assert sent["Accept"] == "x"


def test_fields_named_in_connection_stay_here() -> None:
    """RFC 9110 7.6.1: what Connection names is for one hop."""
    sent = to_upstream(
        head(("Connection", "close, X-Once"), ("X-Once", "1"), ("X-Ever", "1")),
        token=None,
        outside=OUTSIDE,
    )
    assert "X-Once" not in sent
    assert sent["X-Ever"] == "1"


def test_the_upstream_gets_its_own_token_and_our_word_on_the_client() -> None:
    """Token and X-Forwarded-* are ours, whatever the client sent."""
    sent = to_upstream(
        head(("Authorization", "token stolen"), ("X-Forwarded-For", "1.2.3.4")),
        token="secret",
        outside=OUTSIDE,
    )
    assert sent.getall("Authorization") == ["token secret"]
    assert sent.getall("X-Forwarded-For") == ["10.0.0.9"]
    assert sent["X-Forwarded-Proto"] == "https"
    assert sent["X-Forwarded-Host"] == "hub.example"


@pytest.mark.parametrize(
    ("method", "fields", "fault"),
    [
        ("PUT", [("Content-Length", "3"), ("Content-Length", "3")], HeaderFault.DOUBLED),
        ("GET", [("Host", "a"), ("Host", "b")], HeaderFault.DOUBLED),
        ("POST", [("Origin", "a"), ("Origin", "b")], HeaderFault.DOUBLED),
        ("POST", [("Content-Length", "3"), ("Transfer-Encoding", "chunked")], HeaderFault.FRAMING),
        ("POST", [("Transfer-Encoding", "gzip, chunked")], HeaderFault.FRAMING),
        ("POST", [("Transfer-Encoding", "xchunked")], HeaderFault.FRAMING),
        ("POST", [("Content-Length", "+3")], HeaderFault.FRAMING),
        ("POST", [("Content-Length", "-1")], HeaderFault.FRAMING),
        ("POST", [("Content-Length", "٣")], HeaderFault.FRAMING),
        ("POST", [("Connection", "close, Content-Length")], HeaderFault.CONNECTION),
        ("POST", [("Connection", "cookie")], HeaderFault.CONNECTION),
        ("GET", [("Content-Length", "9")], HeaderFault.BODY_ON_READ),
        ("GET", [("Transfer-Encoding", "chunked")], HeaderFault.BODY_ON_READ),
    ],
)
def test_heads_with_two_readings_are_refused(
    method: str, fields: list[tuple[str, str]], fault: HeaderFault
) -> None:
    """Smuggling starts with a head that two programs read differently."""
    with pytest.raises(HeadersRefused) as refused:
        check_request_head(method, head(*fields))
    assert refused.value.fault is fault


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GET", []),
        ("GET", [("Content-Length", "0")]),
        ("PUT", [("Content-Length", "12"), ("Content-Type", "application/json")]),
        ("POST", [("Transfer-Encoding", "Chunked"), ("Connection", "keep-alive")]),
    ],
)
def test_ordinary_heads_pass(method: str, fields: list[tuple[str, str]]) -> None:
    """What browsers send is not refused."""
    check_request_head(method, head(*fields))


def test_the_upstreams_cookies_never_reach_the_browser() -> None:
    """Set-Cookie and Server stay here; our security headers replace the upstream's."""
    answer = to_client(
        head(
            ("Set-Cookie", "_xsrf=1"),
            ("Server", "Tornado"),
            ("Content-Type", "text/html"),
            ("Content-Security-Policy", "frame-ancestors *"),
        ),
        added=(("Content-Security-Policy", "sandbox"),),
    )
    assert dict(answer) == {"Content-Type": "text/html", "Content-Security-Policy": "sandbox"}


names = st.sampled_from(
    ["Cookie", "cookie", "COOKIE", "Connection", "TE", "X-A", "X_A", "Host", "Authorization"]
)


@given(st.lists(st.tuples(names, st.sampled_from(["forged", "x-a", "close", "Cookie"]))))
def test_no_mixture_of_fields_lets_an_identity_through(fields: list[tuple[str, str]]) -> None:
    """However fields are doubled and cased, no client cookie, token or host goes on."""
    sent = to_upstream(head(*fields), token="ours", outside=OUTSIDE)
    assert not {"Cookie", "Host", "Connection", "TE", "X_A"} & set(sent)
    assert sent.getall("Authorization") == ["token ours"]
