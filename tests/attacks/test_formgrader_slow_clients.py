"""Slow clients do not affect other clients of the formgrader proxy."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.formgrader_proxy.site import COURSE, GRADER, formgrader_site

SLOW = 100


async def test_slow_clients_do_not_delay_others(tmp_path: Path) -> None:
    """100 clients request endless responses and read nothing; memory stays bounded."""
    async with formgrader_site(tmp_path) as site, AsyncExitStack() as stack:
        browser = await site.browser(GRADER)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
        address = urlsplit(site.origin)
        assert address.port is not None
        head = (
            f"GET {COURSE}formgrader/submissions/abc/endless HTTP/1.1\r\nHost: hub\r\n"
            "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
            f"Cookie: {cookies}\r\n\r\n"
        ).encode()
        site.seen.clear()
        before = psutil.Process().memory_info().rss
        for _ in range(SLOW):
            slow = stack.enter_context(socket.socket())
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", address.port))
            await loop.sock_sendall(slow, head)
        async with asyncio.timeout(30):
            while len(site.seen) < SLOW:
                await asyncio.sleep(0.01)
        took = []
        for _ in range(20):
            began = time.perf_counter()
            answer = await browser.go(COURSE + "formgrader")
            took.append(time.perf_counter() - began)
            assert answer.status == 200
        assert sorted(took)[10] < 0.5
        # Both ends run in this process. Without back-pressure this would be gigabytes.
        assert psutil.Process().memory_info().rss - before < SLOW * 3 * 2**20
