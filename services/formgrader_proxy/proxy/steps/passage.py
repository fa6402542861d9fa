"""A request that may pass, and the end of one that may not."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from common.oauth.sign_in import Identity
from services.formgrader_proxy.access import Role
from services.formgrader_proxy.allow_list import Rule
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.proxy.request_head import RequestHead
from services.formgrader_proxy.proxy.target import Target
from services.formgrader_proxy.upstream.formgrader import Formgrader


class Passage(NamedTuple):
    """A request that may pass, with everything that was found out about it."""

    request: web.Request
    target: Target
    head: RequestHead
    segments: tuple[str, ...]
    course: Course
    rule: Rule
    identity: Identity
    role: Role
    formgrader: Formgrader


#: Permits a request again: its user or the course may have changed meanwhile.
Permit = Callable[[], Awaitable[Passage]]


class Refused(Exception):
    """A request ends with this response."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response
