"""Servers of students as containers of one machine, each its user's, with the home of its user."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dockerspawner import DockerSpawner
from traitlets import Any as AnyTrait
from traitlets import Unicode

from classroom_hub.entry import capabilities, environment
from classroom_hub.homes import folder_name, make_home

#: A student's loop of forks ends at this many processes and not with the machine.
MOST_PROCESSES = 1000
#: For how long a new container is watched, seconds: an entry point that refuses does so at once.
WATCHED_SECONDS = 10
#: How much of what it said last is told to whom it was for; characters.
MOST_TOLD = 300


class ClassroomDockerSpawner(DockerSpawner):  # type: ignore[misc]  # dockerspawner has no types
    """A container with the uid of its user, and the home as a volume or a folder of the machine."""

    uid_of = AnyTrait(help="Tells a user's uid, as Uids.of does").tag(config=True)
    homes = Unicode("", help="The folder of homes on the machine; empty: a volume a user").tag(
        config=True
    )
    skeleton = Unicode("", help="The folder that a new home is a copy of").tag(config=True)
    exchange = Unicode("", help="The volume or folder of nbgrader's exchange").tag(config=True)
    courses = Unicode("", help="The volume or folder of course material, read-only").tag(
        config=True
    )
    may_reach = Unicode(
        "", help="The names of whom a server may reach in its network; empty: all"
    ).tag(config=True)

    @property
    def home(self) -> str:
        """The home inside the container."""
        return f"/home/{folder_name(self.user.name)}"

    def get_env(self) -> dict[str, Any]:
        """The user's name, uid and home, for the image's entry point to become the user."""
        who = environment(self.user.name, self._uid(), self.home, self.may_reach)
        return {**super().get_env(), **who}

    async def start(self) -> Any:
        """Start the container; where it ends at once, say what it said last.

        :raises RuntimeError: it ended, such as for a home that belongs to somebody else
        """
        address = await super().start()
        loop = asyncio.get_running_loop()
        end = loop.time() + WATCHED_SECONDS
        while not await self._listens(address):
            if await self.poll() is not None:
                raise await self._ended()
            if loop.time() >= end:
                break
            await asyncio.sleep(0.3)
        return address

    async def _listens(self, address: Any) -> bool:
        """Whether the server at an address, a URL or host and port, takes connections."""
        if isinstance(address, str):
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        else:
            host, port = address
        try:
            async with asyncio.timeout(1):
                _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        return True

    async def _ended(self) -> RuntimeError:
        """The error of a container that ended; its last lines go to the Hub's log."""
        said = await self.docker("logs", self.container_name, tail=20)
        lines = said.decode(errors="replace").strip().splitlines()
        for line in lines:
            self.log.error("server of %s: %s", self._log_name, line)
        last = lines[-1].strip()[:MOST_TOLD] if lines else "It said nothing."
        error = RuntimeError(f"the server of {self._log_name} ended at once: {last}")
        message = f"Your server ended as soon as it was started. {last}"
        error.jupyterhub_message = message  # type: ignore[attr-defined]  # JupyterHub asks for it
        return error

    async def create_object(self) -> Any:
        """Make the home if it is the first time, and the container."""
        folder = folder_name(self.user.name)
        if self.homes:
            await self._make_home()
            source = f"{self.homes}/{folder}"
        else:
            source = f"{self.prefix}-home-{self.escaped_name}"
        self.volumes = {source: self.home}
        if self.exchange:
            self.volumes[self.exchange] = "/srv/nbgrader/exchange"
        if self.courses:
            self.read_only_volumes = {self.courses: "/srv/courses"}
        self.extra_host_config: dict[str, Any] = {
            **self.trait_values()["extra_host_config"],
            # Kept when it ends by itself, until the next start: what it said last is asked for.
            "auto_remove": False,
            "cap_add": capabilities(self.may_reach),
            "cap_drop": ["ALL"],
            "init": True,
            "pids_limit": MOST_PROCESSES,
            "security_opt": ["no-new-privileges"],
        }
        return await super().create_object()

    async def _make_home(self) -> None:
        uid = await asyncio.to_thread(self._uid)
        skeleton = Path(self.skeleton) if self.skeleton else None
        try:
            await asyncio.to_thread(make_home, Path(self.homes), self.user.name, uid, skeleton)
        except OSError as error:
            raise RuntimeError(
                f"The home of {self.user.name} cannot be made in {self.homes}: {error.strerror}."
                " Is the folder there, on the machine and in the hub's container alike?"
            ) from None

    def _uid(self) -> int:
        uid_of: Callable[[str], int] = self.uid_of
        return uid_of(self.user.name)
