"""Which header fields are forwarded, and which heads are refused."""

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
        "X-HTTP-Method",
        "X-Method-Override",
        "Expect",
        "X-XSRFToken",
        *(name.title() for name in sorted(HOP_BY_HOP)),
    ],
)
def test_identity_and_hop_by_hop_fields_are_removed(name: str) -> None:
    """Fields that assert an identity or apply to one hop do not reach the upstream."""
    sent = to_upstream(head((name, "forged"), ("Accept", "x")), token=None, outside=OUTSIDE)
    assert "forged" not in sent.values()
    assert sent["Accept"] == "x"


def test_fields_named_in_connection_are_removed() -> None:
    """RFC 9110 section 7.6.1: fields named in Connection apply to one hop."""
    sent = to_upstream(
        head(("Connection", "close, X-Once"), ("X-Once", "1"), ("X-Ever", "1")),
        token=None,
        outside=OUTSIDE,
    )
    assert "X-Once" not in sent
    assert sent["X-Ever"] == "1"


def test_the_proxy_sets_the_token_and_the_forwarded_fields() -> None:
    """The token and X-Forwarded-* come from the proxy, whatever the client sent."""
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
        ("PUT", [("Content-Encoding", "gzip")], HeaderFault.ENCODED_BODY),
        ("PUT", [("content-encoding", "identity")], HeaderFault.ENCODED_BODY),
        ("GET", [("Content-Encoding", "")], HeaderFault.ENCODED_BODY),
    ],
)
def test_ambiguous_heads_are_refused(
    method: str, fields: list[tuple[str, str]], fault: HeaderFault
) -> None:
    """Request smuggling relies on heads that two programs interpret differently."""
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
        ("GET", [("Accept-Encoding", "gzip, br")]),
    ],
)
def test_ordinary_heads_pass(method: str, fields: list[tuple[str, str]]) -> None:
    """Heads as browsers send them are accepted."""
    check_request_head(method, head(*fields))


names = st.sampled_from(
    ["Cookie", "cookie", "COOKIE", "Connection", "TE", "X-A", "X_A", "Host", "Authorization"]
)


@given(st.lists(st.tuples(names, st.sampled_from(["forged", "x-a", "close", "Cookie"]))))
def test_no_combination_of_fields_forwards_an_identity(fields: list[tuple[str, str]]) -> None:
    """However fields are repeated and cased, no cookie, token or host is forwarded."""
    sent = to_upstream(head(*fields), token="ours", outside=OUTSIDE)
    assert not {"Cookie", "Host", "Connection", "TE", "X_A"} & set(sent)
    assert sent.getall("Authorization") == ["token ours"]
