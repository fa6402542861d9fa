"""A browser's side of a hub behind caddy: its name leads to us, and its authority is believed."""

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
    """Leads every name to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The address."""
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
        """Nothing to close."""


@asynccontextmanager
async def browser(address: str, authority: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that finds every name at the address and believes the authority alone."""
    context = ssl.create_default_context(cafile=str(authority))
    connector = aiohttp.TCPConnector(resolver=_Here(address), ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=BROWSER) as session:
        yield session


def insecure_cookies(session: aiohttp.ClientSession) -> list[str]:
    """The names of the cookies that a browser would send without TLS as well."""
    cookies: list[Any] = list(session.cookie_jar)
    assert cookies, "there is no cookie at all"
    return [cookie.key for cookie in cookies if not cookie["secure"]]
