"""The headers that every response carries."""

import re

import pytest
from aiohttp import web

from tests.common.web.service import BROWSER, PREFIX, PROGRAM, raising, running


@pytest.mark.parametrize("path", ["health", "nothing", "static/style.css", "metrics", "boom", ""])
async def test_security_headers_everywhere(path: str) -> None:
    """Every response carries the security headers, including errors and static files."""
    async with running({"boom": raising(ValueError())}) as service:
        for client in (BROWSER, PROGRAM):
            _, _, headers = await service.get(PREFIX + path, client)
            policy = headers["Content-Security-Policy"]
            for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
                assert rule in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "aiohttp" not in headers["Server"].lower()


async def test_pages_are_not_cached() -> None:
    """Pages and JSON are not cached."""
    async with running() as service:
        assert (await service.get(PREFIX + "health"))[2]["Cache-Control"] == "no-store"


async def test_header_of_a_handler_is_kept() -> None:
    """A header that the handler has set is not replaced."""

    async def own(_request: web.Request) -> web.Response:
        return web.Response(headers={"Content-Security-Policy": "sandbox"})

    async with running({"x": own}) as service:
        _, _, headers = await service.get(PREFIX + "x")
        assert headers.getall("Content-Security-Policy") == ["sandbox"]


async def test_only_the_templates_scripts_and_styles_are_loaded() -> None:
    """A page's policy admits no address, and its elements carry the nonce of this response."""
    nonces = set()
    async with running() as service:
        for _ in range(2):
            status, text, headers = await service.get(PREFIX + "nothing", BROWSER)
            assert status == 404
            policy = headers["Content-Security-Policy"]
            found = re.search(r"script-src 'nonce-([\w-]{22})'; style-src 'nonce-\1';", policy)
            assert found
            nonces.add(found[1])
            assert f'<link rel="stylesheet" nonce="{found[1]}"' in text
    assert len(nonces) == 2
