"""A kernel provisioner that runs each kernel in a sandbox.

The entry point "classroom-sandbox" of ``jupyter_client.kernel_provisioners``, for nbgrader's
executor in a formgrader and for ``nbgrader autograde`` in a terminal. It applies if
``KernelProvisionerFactory.instance().default_provisioner_name`` or, in an nbgrader_config.py, the
environment variable JUPYTER_DEFAULT_PROVISIONER_NAME names it. nbgrader passes its configuration to
the kernel manager only, so ``c.KernelProvisionerFactory`` has no effect there, whereas
``c.SandboxProvisioner`` has.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, Dict, Int, List, Unicode

from services.formgrader_proxy.sandbox import launch
from services.formgrader_proxy.sandbox.mechanisms import choose
from services.formgrader_proxy.sandbox.plan import CONNECTION, Plan
from services.formgrader_proxy.sandbox.settings import Limits, Mechanism, SandboxSettings
from services.formgrader_proxy.sandbox.supervisor import disk

NAME = "classroom-sandbox"
#: Ending a sandbox takes longer than this only if its supervisor was stopped.
_END_SECONDS = 15.0


class SandboxProvisioner(LocalProvisioner):
    """Starts a kernel that sees its folder, the released files and the installed software only.

    It chooses the transport and the connection file itself. If no mechanism works, the kernel does
    not start.
    """

    mechanism = Unicode(
        "auto", config=True, help='"auto" (the best available), "bubblewrap", "landlock" or "none".'
    )
    network = Bool(False, config=True, help="Whether the code may use the network.")
    limits = Dict(
        value_trait=Int(),
        key_trait=Unicode(),
        config=True,
        help="memory and disk (bytes), cpu_seconds, processes, files. Missing ones keep their "
        "defaults.",
    )
    readable = List(Unicode(), config=True, help="Further files and folders that it may read.")

    _run: Path | None = None
    _plan: Plan | None = None
    _chosen: SandboxSettings | None = None
    _outcome: Mapping[str, Any] | None = None
    _owner = (-1, -1)

    @property
    def settings(self) -> SandboxSettings:
        """The settings that the traits describe.

        :raises ValueError: a trait is invalid; the message names all that are
        """
        problems = []
        known = [str(one) for one in Mechanism]
        if self.mechanism not in {"auto", *known}:
            problems.append(f"mechanism must be one of auto, {', '.join(known)}: {self.mechanism}")
        names = [one.name for one in fields(Limits)]
        for name, value in self.limits.items():
            if name not in names:
                problems.append(f"unknown limit {name}: choose from {', '.join(names)}")
            elif value <= 0:
                problems.append(f"the limit {name} must be positive: {value}")
        if problems:
            raise ValueError("SandboxProvisioner: " + "; ".join(problems))
        return SandboxSettings(
            mechanism=None if self.mechanism == "auto" else Mechanism(self.mechanism),
            network=self.network,
            limits=replace(Limits(), **self.limits),
            readable=tuple(Path(one) for one in self.readable),
        )

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """How the last kernel ended; None while it runs, and always without isolation.

        It stays available after the kernel manager has forgotten its provisioner.

        ``{"limit": the exceeded limit ("memory", "cpu", "processes", "files" or "disk") or null,
        "message": a sentence for people or null, "removed": files removed from the folder,
        "exit_code": a number or null, "output": the last characters that the kernel printed
        outside cells}``.
        """
        return self._outcome

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose the mechanism and the connection.

        :raises SandboxUnavailable: code cannot be isolated here
        :raises ValueError: a setting is invalid
        """
        settings = self.settings
        mechanism = await asyncio.to_thread(choose, settings)
        self._chosen = replace(settings, mechanism=mechanism)
        manager = self.parent
        if mechanism is Mechanism.NONE or manager is None:
            if mechanism is not Mechanism.NONE:
                raise ValueError("a sandbox needs a kernel manager")
            return await super().pre_launch(**kwargs)
        if self._run is None:
            self._run = launch.make_run()
        connection = self._run / CONNECTION
        # With a network, the code cannot use unix sockets: it could reach others' sockets by them.
        manager.transport = "tcp" if settings.network else "ipc"
        manager.ip = "127.0.0.1" if settings.network else str(connection / "k")
        manager.connection_file = str(connection / "kernel.json")
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel's command in a sandbox.

        :raises SandboxUnavailable: the folder cannot be isolated
        """
        if self._run is None or self._chosen is None:
            return await super().launch_kernel(cmd, **kwargs)
        folder = Path(kwargs.get("cwd") or os.getcwd())
        environment: Mapping[str, str] = kwargs.get("env") or {}
        readable = [released_files(folder), Path(self.kernel_spec.resource_dir or "/nonexistent")]
        self._plan = launch.make_plan(
            self._run,
            self._chosen,
            cmd,
            folder,
            environment={name: environment[name] for name in self.kernel_spec.env},
            readable=readable,
            private=self._exchange(),
        )
        self._outcome = None
        status = os.stat(folder)
        self._owner = (status.st_uid, status.st_gid)
        self.process = launch.start(self._plan)
        self.pid = self.process.pid
        self.pgid = None  # signals go to the supervisor, which passes them on
        self.cwd = folder
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Interrupt the code, or end the sandbox."""
        if self._plan is None:
            await super().send_signal(signum)
        elif self.process:
            passed = signum in {signal.SIGINT, 0}
            self.process.send_signal(signum if passed else signal.SIGTERM)

    async def kill(self, restart: bool = False) -> None:
        """End the sandbox and everything in it."""
        if self._plan is None:
            await super().kill(restart)
        elif self.process:
            process = self.process
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, _END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    async def terminate(self, restart: bool = False) -> None:
        """End the sandbox and everything in it."""
        if self._plan is None:
            await super().terminate(restart)
        else:
            await self.send_signal(signal.SIGTERM)

    async def poll(self) -> int | None:
        """None while the sandbox runs, otherwise its exit code."""
        code = await super().poll()
        if code is not None and self._plan is not None and self._outcome is None:
            self._outcome = await asyncio.to_thread(self._collect, self._plan)
        return code

    async def wait(self) -> int | None:
        """Wait for the end of everything in the sandbox."""
        if self._plan is None:
            return await super().wait()
        if self.process:
            await asyncio.to_thread(self.process.wait)
        code = await self.poll()
        process, self.process = self.process, None
        if process and process.stdin:
            process.stdin.close()
        return code

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the private directory."""
        if self._plan is not None and self.process:
            await self.kill()
            await self.wait()
        await super().cleanup(restart)
        if self._run is not None and not restart:
            await asyncio.to_thread(launch.remove_run, self._run)
            self._run = None

    def _exchange(self) -> list[Path]:
        """The root of nbgrader's exchange, if the configuration of this kernel names it."""
        root = getattr(self.parent, "config", {}).get("Exchange", {}).get("root")
        return [Path(root)] if isinstance(root, str) and root else []

    def _collect(self, plan: Plan) -> Mapping[str, Any]:
        found = launch.read_outcome(plan)
        if found is None:
            removed = disk.sweep(plan.folder, self._owner if plan.account else None)
            message = "The sandbox ended unexpectedly. " + launch.read_errors(plan)
            self.log.error(message)
            found = {"limit": None, "message": message, "removed": removed, "output": ""}
        if found["output"]:
            self.log.debug("The kernel printed: %s", found["output"])
        return found


def released_files(folder: Path) -> Path:
    """The released version of the assignment that is autograded in ``folder``.

    nbgrader's folders are STEP/STUDENT/ASSIGNMENT in the course's directory. A path that does not
    exist is ignored.
    """
    return folder.parent.parent.parent / "release" / folder.name
