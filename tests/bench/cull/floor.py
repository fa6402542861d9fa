"""The minimum that a Python program needs for a pass: only aiohttp and msgspec.

It lists users with running servers and, if requested, re-reads and stops the idle ones, without
retries, rules or checks. Any additional cost of services.cull is due to its own work.
"""

import argparse
import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import msgspec


class _Server(msgspec.Struct):
    last_activity: datetime | None


class _User(msgspec.Struct):
    name: str
    servers: dict[str, _Server]


class _Next(msgspec.Struct):
    url: str


class _Pagination(msgspec.Struct):
    next: _Next | None


class _Page(msgspec.Struct):
    items: list[_User]
    pagination: _Pagination = msgspec.field(name="_pagination")


async def run(url: str, options: argparse.Namespace) -> None:
    headers = {
        "Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}",
        "Accept": "application/jupyterhub-pagination+json",
    }
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        idle = iter([name async for name in _idle(session, url, options.timeout)])

        async def work() -> None:
            for name in idle:
                server = f"{url}/users/{name}/server"
                if options.reread:
                    async with session.get(server) as response:
                        json.loads(await response.read())
                if options.stop:
                    async with session.delete(server) as response:
                        await response.read()

        await asyncio.gather(*(work() for _ in range(options.concurrency)))


async def _idle(session: aiohttp.ClientSession, url: str, idle_seconds: int) -> AsyncIterator[str]:
    decoder = msgspec.json.Decoder(_Page)
    following: str | None = f"{url}/users?state=ready&limit=200"
    while following:
        async with session.get(following) as response:
            page = decoder.decode(await response.read())
        following = page.pagination.next.url if page.pagination.next else None
        now = datetime.now(UTC)
        for user in page.items:
            at = user.servers[""].last_activity
            if at and (now - at).total_seconds() >= idle_seconds:
                yield user.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("JUPYTERHUB_API_URL"))
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--reread", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    asyncio.run(run(options.url, options))


if __name__ == "__main__":
    main()
