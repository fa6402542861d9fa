"""Brings the Hub's users and groups in line with the roster, as a service of the Hub.

``python -m classroom_hub.sync ROSTER``. Those on the roster are made known to the Hub before
they first sign in, so that an instructor sees who has never been there. A course that left
the roster keeps its groups, empty: who graded no longer does. No user is ever deleted here.
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

#: What the service's role needs.
SCOPES = ("admin:users", "admin:groups")
LOOK_SECONDS = 15.0
#: All is compared with the Hub this often though the file has not changed; seconds.
COMPARE_SECONDS = 600.0
#: Marks, among a group's properties, that the roster decides on its members.
MARK = "from_roster"
_AT_ONCE = 100


@dataclass(frozen=True)
class Changes:
    """What is to be done in the Hub; names in order, groups with whom to add and to remove."""

    new_users: tuple[str, ...] = ()
    new_groups: tuple[str, ...] = ()
    unmarked: tuple[str, ...] = ()
    add: Mapping[str, tuple[str, ...]] | None = None
    remove: Mapping[str, tuple[str, ...]] | None = None


def changes(roster: Roster, users: Iterable[str], groups: Iterable[Group]) -> Changes:
    """What brings the Hub in line. Pure."""
    there = {group.name: group for group in groups}
    marked = {name for name, group in there.items() if group.properties.get(MARK)}
    wanted = {name: frozenset[str]() for name in marked} | dict(roster.groups)
    add, remove = {}, {}
    for name, members in wanted.items():
        present = frozenset(there[name].users) if name in there else frozenset()
        if members - present:
            add[name] = tuple(sorted(members - present))
        if present - members:
            remove[name] = tuple(sorted(present - members))
    return Changes(
        new_users=tuple(sorted(roster.people - frozenset(users))),
        new_groups=tuple(sorted(set(roster.groups) - set(there))),
        unmarked=tuple(sorted(set(roster.groups) - marked)),
        add=add,
        remove=remove,
    )


class RosterSync:
    """Compares roster and Hub, and does what is to be done."""

    def __init__(
        self, session: aiohttp.ClientSession, api_url: str, token: str, roster: RosterFile
    ) -> None:
        self._url = plain_url(api_url)
        self._hub = HubClient(session, api_url, token)
        self._roster = roster
        self._told: tuple[str, ...] = ()
        self._compared: float | None = None
        self._clock = SystemClock()
        self._api = Api(session, token, HUB_ERRORS, self._clock, Retry())

    async def look(self) -> None:
        """One look at the file; where it is new, or it is time, one comparison."""
        changed = self._roster.look()
        if self._roster.problems != self._told:
            self._told = self._roster.problems
            for problem in self._told:
                log.error("roster: %s; the last good one stays in force", problem)
        now = self._clock.monotonic()
        due = self._compared is None or now - self._compared >= COMPARE_SECONDS
        if changed or due:
            self._compared = None  # again at the next look, should this one fail
            try:
                await self.compare()
            except HubError as error:
                log.warning("the Hub was not brought in line with the roster: %s", error)
            else:
                self._compared = now

    async def compare(self) -> Changes:
        """Bring the Hub in line. :raises HubError: by what happened"""
        users = [user.name async for page in self._hub.users() for user in page]
        groups = [group async for page in self._hub.groups() for group in page]
        todo = changes(self._roster.roster, users, groups)
        # Who is to lose rights comes first, then who is to get some.
        for name, members in (todo.remove or {}).items():
            for some in _portions(members):
                await self._send("DELETE", f"/groups/{_quoted(name)}/users", {"users": some})
            log.info("%s: removed %s", name, ", ".join(members))
        for some in _portions(todo.new_users):
            await self._create("/users", {"usernames": some})
        for name in todo.new_groups:
            await self._create(f"/groups/{_quoted(name)}", {})
        for name in todo.unmarked:
            kept = next((dict(each.properties) for each in groups if each.name == name), {})
            await self._send("PUT", f"/groups/{_quoted(name)}/properties", kept | {MARK: True})
        for name, members in (todo.add or {}).items():
            for some in _portions(members):
                await self._send("POST", f"/groups/{_quoted(name)}/users", {"users": some})
            log.info("%s: added %d", name, len(members))
        return todo

    async def _create(self, path: str, json: Any) -> None:
        try:
            await self._send("POST", path, json)
        except HubRejected as error:
            if error.status != 409:  # somebody else was quicker
                raise

    async def _send(self, method: str, path: str, json: Any) -> None:
        # Each of these may safely come twice.
        url = URL(self._url + path, encoded=True)
        await self._api.send(Request(method, url, json=json, repeatable=True))


def _portions(names: tuple[str, ...]) -> Iterator[list[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield list(names[start : start + _AT_ONCE])


def _quoted(name: str) -> str:
    return quote(name, safe="")


async def _run(roster: RosterFile, every_seconds: float) -> None:
    url, token = os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"]
    logs.keep_secret(token)
    async with client_session(url) as session:
        sync = RosterSync(session, url, token, roster)
        ticker = Ticker(every_seconds, sync.look)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ticker.stop)
        await ticker.run_forever()


def main() -> int:
    """Run until SIGTERM. :returns: the exit code"""
    parser = argparse.ArgumentParser(
        prog="python -m classroom_hub.sync",
        description="Bring the Hub's users and groups in line with the roster. The Hub runs this.",
    )
    parser.add_argument("roster", type=Path, help="the roster, a TOML file")
    parser.add_argument(
        "--every",
        type=float,
        default=LOOK_SECONDS,
        metavar="SECONDS",
        help="how often to look at the file (default: %(default)s)",
    )
    words = parser.parse_args()
    missing = {"JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN"} - set(os.environ)
    if missing:
        print(f"{', '.join(sorted(missing))}: not set; the Hub runs this", file=sys.stderr)
        return 1
    try:
        roster = RosterFile(words.roster)
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 1
    logs.configure()
    asyncio.run(_run(roster, words.every))
    return 0


if __name__ == "__main__":
    sys.exit(main())
