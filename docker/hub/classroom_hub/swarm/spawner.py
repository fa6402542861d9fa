"""Runs students' servers as Docker Swarm services on any machine with enough free memory.

Swarm moves a server from a lost machine to another one under the same name, without the hub. The
hub can even be replaced in the meantime. Homes are in a folder that all machines share and belong
to the student's uid, so they are the same everywhere.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from docker.errors import APIError
from dockerspawner import SwarmSpawner
from traitlets import Any as AnyTrait
from traitlets import Enum, List, Unicode

from classroom_hub.entrypoint import capabilities, environment
from classroom_hub.homes import folder_name, make_home
from classroom_hub.swarm.spec import (
    ENDPOINT_MODES,
    Files,
    Limits,
    container_spec,
    current_task,
    is_alive,
    reason,
    service_name,
    task_template,
)

#: Seconds between two checks of a starting server.
CHECK_SECONDS = 0.5
#: Seconds after which Swarm has certainly replaced a failed task; it usually takes milliseconds.
SETTLE_SECONDS = 2.0


class ClassroomSwarmSpawner(SwarmSpawner):  # type: ignore[misc]  # dockerspawner has no types
    """A student's server as a Swarm service, with the user's uid and home."""

    files = AnyTrait(help="The Files that all machines share").tag(config=True)
    uid_of = AnyTrait(help="Function from user name to uid, such as Uids.of").tag(config=True)
    homes_here = Unicode(
        "/srv/classroom/homes", help="The home directories in the hub's container"
    ).tag(config=True)
    skeleton = Unicode("", help="The folder that is copied to new homes").tag(config=True)
    exchange = Unicode(
        "", help="Mount point of the nbgrader exchange in a server; empty: none"
    ).tag(config=True)
    courses = Unicode("", help="Mount point of the course material in a server; empty: none").tag(
        config=True
    )
    constraints = List(
        Unicode(), ["node.labels.classroom.worker == true"], help="Placement constraints of servers"
    ).tag(config=True)
    may_reach = Unicode(
        "", help="Host names that a server may reach in its network; empty: all"
    ).tag(config=True)
    endpoint_mode = Enum(
        ENDPOINT_MODES,
        "dnsrr",
        help="How a server's name is resolved; vip needs IPVS in the kernel",
    ).tag(config=True)

    _message = ""

    def _object_name_default(self) -> str:
        return service_name(self.prefix, self.escaped_name, self.escape(self.name.lower()))

    @property
    def home(self) -> str:
        """The home directory inside the server's container."""
        return f"/home/{folder_name(self.user.name)}"

    def get_env(self) -> dict[str, Any]:
        """Add the user's name, uid and home, which the image's entry point uses."""
        identity = environment(
            self.user.name, self._uid_of(self.user.name), self.home, self.may_reach
        )
        return {**super().get_env(), **identity}

    async def create_object(self) -> Any:
        """Create the home if it does not exist, and the service."""
        name = self.user.name
        uid = await asyncio.to_thread(self._uid_of, name)
        skeleton = Path(self.skeleton) if self.skeleton else None
        try:
            await asyncio.to_thread(make_home, Path(self.homes_here), name, uid, skeleton)
        except OSError as error:
            raise RuntimeError(
                f"Cannot create the home of {name} in {self.homes_here} ({error.strerror}). Check"
                " that the NFS server is running and grants root access to the manager: on the"
                " manager, run docker/nfs/check_exports.py --manager ADDRESS:/srv/classroom/homes"
            ) from None
        task = task_template(
            container_spec(
                self.image,
                await self.get_command(),
                self.get_env(),
                self._mounts(),
                capabilities(self.may_reach),
            ),
            Limits(self.mem_limit, self.mem_guarantee, self.cpu_limit, self.cpu_guarantee),
            self.network_name,
            self.constraints,
        )
        create = {
            "task_template": task,
            "name": self.object_name,
            "endpoint_spec": {"Mode": self.endpoint_mode},
            "labels": {"classroom.user": name, "classroom.server": self.name},
        }
        try:
            return await self.docker("create_service", **create)
        except APIError as error:
            if error.status_code != 409:
                raise
        # A service of this name was created in the meantime, by a hub that has just been replaced.
        await self.remove_object()
        return await self.docker("create_service", **create)

    def _mounts(self) -> list[Any]:
        files: Files = self.files
        mounts = [files.mount("home", f"homes/{folder_name(self.user.name)}", self.home)]
        if self.exchange:
            mounts.append(files.mount("exchange", "exchange", self.exchange))
        if self.courses:
            mounts.append(files.mount("courses", "courses", self.courses, read_only=True))
        return mounts

    async def get_task(self) -> Any:
        """Return the current task of the service, or None if the service does not exist."""
        if await self.get_object() is None:
            return None
        try:
            return current_task(await self.docker("tasks", filters={"service": self.object_name}))
        except APIError as error:
            if error.status_code == 404:
                return None
            raise

    async def _settled_task(self) -> Any:
        """Return the task; if it has ended, first give Swarm time to replace it."""
        task = await self.get_task()
        if task is None or is_alive(task) or task["Status"]["State"] == "complete":
            return task
        self._log_state(task)
        await asyncio.sleep(SETTLE_SECONDS)
        return await self.get_task()

    async def poll(self) -> str | int | None:
        """Return None while the server runs or is about to, otherwise the reason it ended.

        Also removes the service of a server that has ended, because the Hub does not stop servers
        that it finds ended.
        """
        task = await self._settled_task()
        if task is None:
            return 0
        if is_alive(task):
            return None
        ended = reason(task)
        self.log.info("The server %s has ended. %s", self.object_name, ended)
        await self.remove_object()
        return ended

    async def start_object(self) -> None:
        """Wait until the server's container runs; the Hub gives up after start_timeout.

        :raises RuntimeError: the server ended; the message says why
        """
        while True:
            task = await self._settled_task()
            if task is None:
                raise RuntimeError(f"The service {self.object_name} was removed by another program")
            if not is_alive(task):
                raise RuntimeError(reason(task))
            if task["Status"]["State"] == "running":
                return
            self._log_state(task)
            await asyncio.sleep(CHECK_SECONDS)

    def _log_state(self, task: Any) -> None:
        message = reason(task)
        if message != self._message:
            self._message = message
            failed = task["Status"].get("Err")
            (self.log.warning if failed else self.log.debug)("%s: %s", self.object_name, message)

    async def progress(self) -> AsyncIterator[dict[str, str]]:
        """Yield messages for the Hub's progress page until the server has started."""
        shown = ""
        while True:
            if self._message != shown:
                shown = self._message
                yield {"message": shown}
            await asyncio.sleep(CHECK_SECONDS)

    async def remove_object(self) -> None:
        """Remove the service if it exists."""
        try:
            await self.docker("remove_service", self.object_name)
        except APIError as error:
            if error.status_code != 404:
                raise

    def _uid_of(self, name: str) -> int:
        uid_of: Callable[[str], int] = self.uid_of
        return uid_of(name)
