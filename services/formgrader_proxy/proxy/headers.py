"""Which header fields of a request are forwarded to the upstream, and which heads are refused.

Hop-by-hop fields are removed (RFC 9110 section 7.6.1): a fixed set, and those named in
``Connection``. Identities never pass: the browser's cookies and tokens are not sent to the
upstream. A client's ``X-Forwarded-*`` fields cannot be trusted, so they are replaced.
:mod:`.response_headers` is about the way back.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Fields with which a client could pose as another user, or change what was checked. ``Expect``
#: applies to this service, which has the body before it forwards a request.
_CLIENT_IDENTITY = frozenset(
    {
        "authorization",
        "cookie",
        "cookie2",
        "expect",
        "forwarded",
        "host",
        "x-csrftoken",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
        "x-scheme",
        "x-xsrftoken",
    }
)
#: Fields that are ambiguous if they occur twice.
_SINGLE = frozenset(
    {
        "authorization",
        "content-length",
        "content-type",
        "host",
        "origin",
        "referer",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "transfer-encoding",
        "x-xsrftoken",
        "x-csrftoken",
    }
)
#: Fields that frame or route the message. Naming one in ``Connection`` is an attack.
_NEVER_NAMED = frozenset(
    {"authorization", "content-length", "content-type", "cookie", "host", "origin"}
)


class HeaderFault(StrEnum):
    """Why a head is refused. A closed set, used as a metric label."""

    DOUBLED = "doubled_header"
    CONNECTION = "connection_names_header"
    FRAMING = "framing"
    BODY_ON_READ = "body_on_read"
    ENCODED_BODY = "encoded_body"


class HeadersRefused(ValueError):
    """The head could be interpreted in two ways. ``fault`` is why, ``status`` the response's."""

    def __init__(self, fault: HeaderFault) -> None:
        self.fault = fault
        self.status = 415 if fault is HeaderFault.ENCODED_BODY else 400
        text = f"invalid request headers: {fault.value.replace('_', ' ')}"
        if fault is HeaderFault.ENCODED_BODY:
            text += ". Send the body without Content-Encoding, that is, not compressed"
        super().__init__(text)


class Outside(NamedTuple):
    """The client's side of the connection, for ``X-Forwarded-*``."""

    client: str
    scheme: str
    host: str


def check_request_head(method: str, headers: CIMultiDictProxy[str]) -> None:
    """Refuse a head that two programs could interpret in different ways.

    A body on a GET is refused, too: Tornado reads its form fields as arguments, so it could
    contain the forbidden ``path`` argument, which is only looked for in the query. So is a
    compressed body: what the audit log reads and what the upstream reads would be different bytes.

    :raises HeadersRefused: with the reason
    """
    # items(), because plain iteration yields a repeated field only once
    single = [field.lower for name, _ in headers.items() if (field := _field(name)).single]
    if len(set(single)) < len(single):
        raise HeadersRefused(HeaderFault.DOUBLED)
    if named_in_connection(headers) & _NEVER_NAMED:
        raise HeadersRefused(HeaderFault.CONNECTION)
    encoding = headers.get("Transfer-Encoding")
    length = headers.get("Content-Length")
    if encoding is not None and (length is not None or encoding.strip().lower() != "chunked"):
        raise HeadersRefused(HeaderFault.FRAMING)
    if length is not None and not (length.isascii() and length.isdigit()):
        raise HeadersRefused(HeaderFault.FRAMING)
    if "Content-Encoding" in headers:
        raise HeadersRefused(HeaderFault.ENCODED_BODY)
    if method in {"GET", "HEAD"} and (encoding is not None or (length or "0").strip("0")):
        raise HeadersRefused(HeaderFault.BODY_ON_READ)


def named_in_connection(headers: CIMultiDictProxy[str] | CIMultiDict[str]) -> frozenset[str]:
    """The field names that ``Connection`` declares hop-by-hop, in lower case."""
    values = headers.getall("Connection", ())
    return _named(tuple(values)) if values else frozenset()


@lru_cache(maxsize=64)
def _named(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        name.strip().lower() for value in values for name in value.split(",") if name.strip()
    )


def to_upstream(
    headers: CIMultiDictProxy[str], *, token: str | None, outside: Outside
) -> CIMultiDict[str]:
    """The head of the request that goes on.

    ``token`` is the upstream's own; with it Jupyter Server skips its XSRF and Origin
    checks, which are made here instead.
    """
    named = named_in_connection(headers)
    passed = CIMultiDict(
        [
            (name, value)
            for name, value in headers.items()
            if (field := _field(name)).to_upstream and field.lower not in named
        ]
    )
    if token is not None:
        passed["Authorization"] = f"token {token}"
    passed["X-Forwarded-For"] = outside.client
    passed["X-Forwarded-Proto"] = outside.scheme
    passed["X-Forwarded-Host"] = outside.host
    return passed


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is treated, by its name."""

    lower: str
    single: bool
    to_upstream: bool


@lru_cache(maxsize=1024)  # browsers send the same few dozen names in every request
def _field(name: str) -> _Field:
    lower = name.lower()
    return _Field(
        lower,
        single=lower in _SINGLE,
        to_upstream=lower not in HOP_BY_HOP | _CLIENT_IDENTITY and not _asserts_identity(name),
    )


def _asserts_identity(name: str) -> bool:
    """Whether a field claims to come from a proxy or an authenticating front end.

    Names with underscores are included, because CGI-like servers treat them like dashes.
    """
    return "_" in name or name.lower().startswith(
        ("x-forwarded-", "x-auth-", "x-remote-", "remote-", "x-jupyterhub-")
    )
