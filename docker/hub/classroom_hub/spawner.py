"""Runs students' servers as containers on one machine, with each user's uid and home."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dockerspawner import DockerSpawner
from traitlets import Any as AnyTrait
from traitlets import Unicode

from classroom_hub.entrypoint import capabilities, environment
from classroom_hub.homes import folder_name, make_home

#: Process limit of a server, so that a fork bomb does not affect the machine.
MAX_PROCESSES = 1000
#: Seconds during which a new container is checked for an early exit.
WATCH_SECONDS = 10
#: Maximum length, in characters, of the container's last log line shown to the user.
MAX_SHOWN = 300


class ClassroomDockerSpawner(DockerSpawner):  # type: ignore[misc]  # dockerspawner has no types
    """A container with its user's uid, and the home as a volume or a folder on the machine."""

    uid_of = AnyTrait(help="Function from user name to uid, such as Uids.of").tag(config=True)
    homes = Unicode(
        "", help="The machine's folder of home directories; empty: a volume per user"
    ).tag(config=True)
    skeleton = Unicode("", help="The folder that is copied to new homes").tag(config=True)
    exchange = Unicode("", help="The volume or folder of the nbgrader exchange").tag(config=True)
    courses = Unicode("", help="The volume or folder with course material (read-only)").tag(
        config=True
    )
    may_reach = Unicode(
        "", help="Host names that a server may reach in its network; empty: all"
    ).tag(config=True)

    @property
    def home(self) -> str:
        """The home directory inside the container."""
        return f"/home/{folder_name(self.user.name)}"

    def get_env(self) -> dict[str, Any]:
        """Add the user's name, uid and home, which the image's entry point uses."""
        identity = environment(self.user.name, self._uid(), self.home, self.may_reach)
        return {**super().get_env(), **identity}

    async def start(self) -> Any:
        """Start the container; if it exits at once, report its last log line.

        :raises RuntimeError: the container exited, for example because the home has another owner
        """
        address = await super().start()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WATCH_SECONDS
        while not await self._listens(address):
            if await self.poll() is not None:
                raise await self._exit_error()
            if loop.time() >= deadline:
                break
            await asyncio.sleep(0.3)
        return address

    async def _listens(self, address: Any) -> bool:
        """Whether the server accepts connections; ``address`` is a URL or a host and port."""
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

    async def _exit_error(self) -> RuntimeError:
        """Build the error for a container that exited, and log its last lines."""
        output = await self.docker("logs", self.container_name, tail=20)
        lines = output.decode(errors="replace").strip().splitlines()
        for line in lines:
            self.log.error("Server of %s: %s", self._log_name, line)
        last = lines[-1].strip()[:MAX_SHOWN] if lines else "It logged nothing."
        error = RuntimeError(f"The server of {self._log_name} exited immediately: {last}")
        message = f"Your server stopped immediately after it started. {last}"
        error.jupyterhub_message = message  # type: ignore[attr-defined]  # JupyterHub shows it
        return error

    async def create_object(self) -> Any:
        """Create the home if it does not exist, and the container."""
        folder = folder_name(self.user.name)
        if self.homes:
            await self._create_home()
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
            # Keep a container that exits until the next start, so that its log can be read.
            "auto_remove": False,
            "cap_add": capabilities(self.may_reach),
            "cap_drop": ["ALL"],
            "init": True,
            "pids_limit": MAX_PROCESSES,
            "security_opt": ["no-new-privileges"],
        }
        return await super().create_object()

    async def _create_home(self) -> None:
        uid = await asyncio.to_thread(self._uid)
        skeleton = Path(self.skeleton) if self.skeleton else None
        try:
            await asyncio.to_thread(make_home, Path(self.homes), self.user.name, uid, skeleton)
        except OSError as error:
            raise RuntimeError(
                f"Cannot create the home of {self.user.name} in {self.homes}: {error.strerror}."
                " Check that the folder exists both on the machine and in the hub's container."
            ) from None

    def _uid(self) -> int:
        uid_of: Callable[[str], int] = self.uid_of
        return uid_of(self.user.name)
