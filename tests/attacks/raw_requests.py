"""Requests as bytes on a socket, for what no client library would send."""

import asyncio
import re
from urllib.parse import urlsplit

from tests.formgrader_proxy.site import GRADER, Site

#: What a browser says when a user opens a page. Reads without it need the XSRF token.
IN_A_TAB = "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n"


async def raw(
    site: Site, head: str, body: bytes = b"", *, until_closed: bool = True
) -> tuple[int, bytes]:
    """Send exactly these bytes; returns the status and everything that is received.

    If a body is incomplete, the server waits for the rest of it before it closes the connection.
    Without ``until_closed`` only the response with its announced length is read.
    """
    address = urlsplit(site.origin)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
        async with asyncio.timeout(30):
            if until_closed:
                answer = await reader.read()
            else:
                answer = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", answer)
                answer += await reader.readexactly(int(length[1]) if length else 0)
    finally:
        writer.transport.abort()
    return status_of(answer), answer


def status_of(answer: bytes) -> int:
    """The status of a response; 0 if there is none."""
    found = re.match(rb"(?:HTTP/1\.1 100 Continue\r\n\r\n)?HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


async def grader_cookie(site: Site, user: str = GRADER) -> tuple[str, str]:
    """The Cookie header of a signed-in grader, and the XSRF token of their page."""
    browser = await site.browser(user)
    assert site.seen, "the grader could not sign in"
    site.seen.clear()
    cookies = browser.cookies()
    return "; ".join(f"{name}={value}" for name, value in cookies.items()), browser.xsrf
