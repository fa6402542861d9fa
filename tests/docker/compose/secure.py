"""A browser for a hub behind Caddy, with its own name resolution and trusted CA."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.integration.realhub import BROWSER

HOST = "hub.test"


class _Here(AbstractResolver):
    """Resolves every name to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the address."""
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Do nothing; there are no resources to release."""


@asynccontextmanager
async def browser(address: str, authority: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that resolves every name to the address and trusts only the given CA."""
    context = ssl.create_default_context(cafile=str(authority))
    connector = aiohttp.TCPConnector(resolver=_Here(address), ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=BROWSER) as session:
        yield session


def insecure_cookies(session: aiohttp.ClientSession) -> list[str]:
    """Return the names of cookies that lack the Secure attribute."""
    cookies: list[Any] = list(session.cookie_jar)
    assert cookies, "there is no cookie at all"
    return [cookie.key for cookie in cookies if not cookie["secure"]]
