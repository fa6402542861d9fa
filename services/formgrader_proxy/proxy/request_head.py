"""What a request's head says, read once for all requests that bring the same.

A browser's requests differ in little but their address, while judging twenty fields and
writing those that go on takes a tenth of a proxied request's time.
"""

from typing import NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from common.oauth.hub_oauth import speaks_https
from services.formgrader_proxy.proxy.headers import (
    HeaderFault,
    HeadersRefused,
    Outside,
    check_request_head,
    to_upstream,
)
from services.formgrader_proxy.proxy.kept import Kept

#: A head's fields as they came: names and values.
RawFields = tuple[tuple[bytes, bytes], ...]

MOST_KEPT = 512
#: Longer heads, in bytes, are read each time: anybody may send them.
KEPT_BYTES = 8 * 1024


class RequestHead:
    """A head, judged. ``fault`` is why it does not pass, ``outside`` the client's side."""

    __slots__ = ("_fields", "_passed", "_token", "fault", "outside")

    def __init__(self, method: str, raw: RawFields, client: str, scheme: str) -> None:
        """``client`` is its address, ``scheme`` that of our own connection with it."""
        # Decoded as aiohttp's server does it.
        fields = CIMultiDict(
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in raw
        )
        self._fields = CIMultiDictProxy(fields)
        self._token: str | None = None
        self._passed: CIMultiDict[str] | None = None
        self.fault: HeaderFault | None = None
        try:
            check_request_head(method, self._fields)
        except HeadersRefused as refused:
            self.fault = refused.fault
        https = speaks_https(self._fields, scheme)
        self.outside = Outside(client, "https" if https else "http", fields.get("Host", ""))

    def check(self) -> None:
        """Refuse a head that could be read in two ways. :raises HeadersRefused: naming why"""
        if self.fault is not None:
            raise HeadersRefused(self.fault)

    def to_upstream(self, token: str | None) -> CIMultiDict[str]:
        """A copy of the fields that go on, see :func:`.headers.to_upstream`."""
        if self._passed is None or token != self._token:
            self._passed = to_upstream(self._fields, token=token, outside=self.outside)
            self._token = token
        return self._passed.copy()


class _Key(NamedTuple):
    method: str
    raw: RawFields
    client: str
    scheme: str


_heads: Kept[_Key, RequestHead] = Kept(MOST_KEPT)


def read_head(method: str, raw: RawFields, client: str, scheme: str) -> RequestHead:
    """The head of a request, as :class:`RequestHead`."""
    key = _Key(method, raw, client, scheme)
    found = _heads.get(key)
    if found is not None:
        return found
    head = RequestHead(*key)
    long = sum(len(name) + len(value) for name, value in raw) > KEPT_BYTES
    return head if long else _heads.put(key, head)
