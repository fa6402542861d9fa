"""A Hub service that synchronizes the Hub's users and groups with the roster.

``python -m classroom_hub.sync ROSTER``. Users on the roster are created before they first sign in,
so that instructors can see who has never signed in. The groups of a course that is removed from the
roster are kept but emptied, so its graders lose access. Users are never deleted.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from classroom_hub.roster import Roster, RosterFile
from common import logs
from common.clock import SystemClock
from common.errors import ConfigError, HubError, HubRejected
from common.hub.client import HubClient
from common.hub.connection import client_session, plain_url
from common.hub.http import HUB_ERRORS, Api, Request
from common.hub.models import Group
from common.hub.retry import Retry
from common.ticker import Ticker

log = logging.getLogger("roster")

#: The scopes of the service's role.
SCOPES = ("admin:users", "admin:groups")
#: Seconds between two checks of the file.
CHECK_SECONDS = 15.0
#: Seconds between two synchronizations if the file does not change.
SYNC_SECONDS = 600.0
#: The group property that marks groups whose members the roster defines.
MARK = "from_roster"
_BATCH_SIZE = 100


@dataclass(frozen=True)
class Changes:
    """The changes to make in the Hub; names are sorted, and members are listed by group."""

    new_users: tuple[str, ...] = ()
    new_groups: tuple[str, ...] = ()
    unmarked: tuple[str, ...] = ()
    add: Mapping[str, tuple[str, ...]] | None = None
    remove: Mapping[str, tuple[str, ...]] | None = None


def changes(roster: Roster, users: Iterable[str], groups: Iterable[Group]) -> Changes:
    """Return the changes that synchronize the Hub with the roster. Pure."""
    existing = {group.name: group for group in groups}
    marked = {name for name, group in existing.items() if group.properties.get(MARK)}
    wanted = {name: frozenset[str]() for name in marked} | dict(roster.groups)
    add, remove = {}, {}
    for name, members in wanted.items():
        present = frozenset(existing[name].users) if name in existing else frozenset()
        if members - present:
            add[name] = tuple(sorted(members - present))
        if present - members:
            remove[name] = tuple(sorted(present - members))
    return Changes(
        new_users=tuple(sorted(roster.people - frozenset(users))),
        new_groups=tuple(sorted(set(roster.groups) - set(existing))),
        unmarked=tuple(sorted(set(roster.groups) - marked)),
        add=add,
        remove=remove,
    )


class RosterSync:
    """Compares the roster with the Hub and applies the changes."""

    def __init__(
        self, session: aiohttp.ClientSession, api_url: str, token: str, roster: RosterFile
    ) -> None:
        self._url = plain_url(api_url)
        self._hub = HubClient(session, api_url, token)
        self._roster = roster
        self._logged: tuple[str, ...] = ()
        self._synced: float | None = None
        self._clock = SystemClock()
        self._api = Api(session, token, HUB_ERRORS, self._clock, Retry())

    async def check(self) -> None:
        """Reload the roster; synchronize if it has changed or a synchronization is due."""
        changed = self._roster.reload()
        if self._roster.problems != self._logged:
            self._logged = self._roster.problems
            for problem in self._logged:
                log.error("roster: %s; the last valid roster stays in effect", problem)
        now = self._clock.monotonic()
        due = self._synced is None or now - self._synced >= SYNC_SECONDS
        if changed or due:
            self._synced = None  # retry at the next check if this one fails
            try:
                await self.synchronize()
            except HubError as error:
                log.warning("Cannot synchronize the Hub with the roster: %s", error)
            else:
                self._synced = now

    async def synchronize(self) -> Changes:
        """Synchronize the Hub. :raises HubError: a request failed"""
        users = [user.name async for page in self._hub.users() for user in page]
        groups = [group async for page in self._hub.groups() for group in page]
        planned = changes(self._roster.roster, users, groups)
        # Revoke rights before granting any.
        for name, members in (planned.remove or {}).items():
            for batch in _batches(members):
                await self._send("DELETE", f"/groups/{_quoted(name)}/users", {"users": batch})
            log.info("%s: removed %s", name, ", ".join(members))
        for batch in _batches(planned.new_users):
            await self._create("/users", {"usernames": batch})
        for name in planned.new_groups:
            await self._create(f"/groups/{_quoted(name)}", {})
        for name in planned.unmarked:
            properties = next((dict(each.properties) for each in groups if each.name == name), {})
            await self._send(
                "PUT", f"/groups/{_quoted(name)}/properties", properties | {MARK: True}
            )
        for name, members in (planned.add or {}).items():
            for batch in _batches(members):
                await self._send("POST", f"/groups/{_quoted(name)}/users", {"users": batch})
            log.info("%s: added %d", name, len(members))
        return planned

    async def _create(self, path: str, json: Any) -> None:
        try:
            await self._send("POST", path, json)
        except HubRejected as error:
            if error.status != 409:  # created in the meantime
                raise

    async def _send(self, method: str, path: str, json: Any) -> None:
        # All of these requests are idempotent.
        url = URL(self._url + path, encoded=True)
        await self._api.send(Request(method, url, json=json, repeatable=True))


def _batches(names: tuple[str, ...]) -> Iterator[list[str]]:
    for start in range(0, len(names), _BATCH_SIZE):
        yield list(names[start : start + _BATCH_SIZE])


def _quoted(name: str) -> str:
    return quote(name, safe="")


async def _run(roster: RosterFile, interval_seconds: float) -> None:
    url, token = os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"]
    logs.keep_secret(token)
    async with client_session(url) as session:
        sync = RosterSync(session, url, token, roster)
        ticker = Ticker(interval_seconds, sync.check)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ticker.stop)
        await ticker.run_forever()


def main() -> int:
    """Run until SIGTERM. :returns: the exit status"""
    parser = argparse.ArgumentParser(
        prog="python -m classroom_hub.sync",
        description="Synchronize the Hub's users and groups with the roster. The Hub runs this.",
    )
    parser.add_argument("roster", type=Path, help="the roster file (TOML)")
    parser.add_argument(
        "--every",
        type=float,
        default=CHECK_SECONDS,
        metavar="SECONDS",
        help="how often to check the file (default: %(default)s)",
    )
    args = parser.parse_args()
    missing = {"JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN"} - set(os.environ)
    if missing:
        print(f"Not set: {', '.join(sorted(missing))}. The Hub runs this command.", file=sys.stderr)
        return 1
    try:
        roster = RosterFile(args.roster)
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 1
    logs.configure()
    asyncio.run(_run(roster, args.every))
    return 0


if __name__ == "__main__":
    sys.exit(main())
