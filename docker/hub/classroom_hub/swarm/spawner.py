"""Servers of students as services of a Docker swarm, on whichever machine has room.

Swarm itself moves a server from a machine that was lost to another, under the same name: the hub
need do nothing, and may be replaced meanwhile. The home comes from the folder that all machines
share, and belongs to the student's uid, so it is the same on each.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from docker.errors import APIError
from dockerspawner import SwarmSpawner
from traitlets import Any as AnyTrait
from traitlets import Enum, List, Unicode

from classroom_hub.entry import capabilities, environment
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

#: Seconds between two looks at a server that is being started.
LOOK_SECONDS = 0.5
#: Seconds after which Swarm has surely answered to the end of a task; it takes some milliseconds.
SETTLE_SECONDS = 2.0


class ClassroomSwarmSpawner(SwarmSpawner):  # type: ignore[misc]  # dockerspawner has no types
    """A student's server as a service, with the uid and the home that its user has everywhere."""

    files = AnyTrait(help="The Files that all machines share").tag(config=True)
    uid_of = AnyTrait(help="Tells a user's uid, as Uids.of does").tag(config=True)
    homes_here = Unicode("/srv/classroom/homes", help="The homes, in the hub's container").tag(
        config=True
    )
    skeleton = Unicode("", help="The folder that a new home is a copy of").tag(config=True)
    exchange = Unicode("", help="Where a server has nbgrader's exchange; empty: nowhere").tag(
        config=True
    )
    courses = Unicode("", help="Where a server has the course material; empty: nowhere").tag(
        config=True
    )
    constraints = List(
        Unicode(), ["node.labels.classroom.worker == true"], help="Which machines may run servers"
    ).tag(config=True)
    may_reach = Unicode(
        "", help="The names of whom a server may reach in its network; empty: all"
    ).tag(config=True)
    endpoint_mode = Enum(
        ENDPOINT_MODES, "dnsrr", help="How a server's name leads to it; vip needs kernel's IPVS"
    ).tag(config=True)

    _word = ""

    def _object_name_default(self) -> str:
        return service_name(self.prefix, self.escaped_name, self.escape(self.name.lower()))

    @property
    def home(self) -> str:
        """The home inside the server's container."""
        return f"/home/{folder_name(self.user.name)}"

    def get_env(self) -> dict[str, Any]:
        """The user's name, uid and home, for the image's entry point to become the user."""
        who = environment(self.user.name, self._uid_of(self.user.name), self.home, self.may_reach)
        return {**super().get_env(), **who}

    async def create_object(self) -> Any:
        """Make the home if it is the first time, and the service."""
        name = self.user.name
        uid = await asyncio.to_thread(self._uid_of, name)
        skeleton = Path(self.skeleton) if self.skeleton else None
        try:
            await asyncio.to_thread(make_home, Path(self.homes_here), name, uid, skeleton)
        except OSError as error:
            raise RuntimeError(
                f"The home of {name} cannot be made in {self.homes_here} ({error.strerror}): is "
                "the NFS server on, and does it trust the manager's root? On the manager: "
                "docker/nfs/check_exports.py --manager ADDRESS:/srv/classroom/homes"
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
        # One of that name appeared since the look before: left by a hub that was just replaced.
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
        """The task that stands for our service; None when there is no service."""
        if await self.get_object() is None:
            return None
        try:
            return current_task(await self.docker("tasks", filters={"service": self.object_name}))
        except APIError as error:
            if error.status_code == 404:
                return None
            raise

    async def _settled_task(self) -> Any:
        """The task, once Swarm had the time to put another in the place of one that ended."""
        task = await self.get_task()
        if task is None or is_alive(task) or task["Status"]["State"] == "complete":
            return task
        self._say(task)
        await asyncio.sleep(SETTLE_SECONDS)
        return await self.get_task()

    async def poll(self) -> str | int | None:
        """None while the server runs or Swarm is about to run it, else how it ended.

        What is left of a service that ended is removed here, as Docker does with a container:
        the Hub does not stop what it finds ended.
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
        """Wait until the server's container runs; the Hub gives up after its start_timeout.

        :raises RuntimeError: it ended; the text says why
        """
        while True:
            task = await self._settled_task()
            if task is None:
                raise RuntimeError(f"The service {self.object_name} was removed from outside")
            if not is_alive(task):
                raise RuntimeError(reason(task))
            if task["Status"]["State"] == "running":
                return
            self._say(task)
            await asyncio.sleep(LOOK_SECONDS)

    def _say(self, task: Any) -> None:
        word = reason(task)
        if word != self._word:
            self._word = word
            waits = task["Status"].get("Err")
            (self.log.warning if waits else self.log.debug)("%s: %s", self.object_name, word)

    async def progress(self) -> AsyncIterator[dict[str, str]]:
        """What the waiting page tells, until the server has started."""
        told = ""
        while True:
            if self._word != told:
                told = self._word
                yield {"message": told}
            await asyncio.sleep(LOOK_SECONDS)

    async def remove_object(self) -> None:
        """Remove the service of our name, whoever made it; none is fine."""
        try:
            await self.docker("remove_service", self.object_name)
        except APIError as error:
            if error.status_code != 404:
                raise

    def _uid_of(self, name: str) -> int:
        uid_of: Callable[[str], int] = self.uid_of
        return uid_of(name)
