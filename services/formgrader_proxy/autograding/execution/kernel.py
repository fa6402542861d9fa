"""A kernel in the sandbox, and a client that reads its messages with suspicion.

The code of a submission knows the key that signs messages, so it can send any message to the
client: huge, malformed, deeply nested, as a flood. The client runs in the formgrader's process.
"""

import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session
from traitlets import Instance

from services.formgrader_proxy.autograding.execution.outputs import shorten_message
from services.formgrader_proxy.autograding.execution.run import Run
from services.formgrader_proxy.sandbox.provisioner import SandboxProvisioner
from services.formgrader_proxy.sandbox.settings import SandboxSettings

#: A message may exceed the limit by this much and is still read, so that its beginning is kept. A
#: loop that prints sends several megabytes at a time.
EXCESS_BYTES = 32 * 1024**2


class MessageRefused(Exception):
    """A message that no kernel sends, or one more than the notebook may send."""


class SuspiciousSession(Session):
    """Counts what is received, and refuses messages that are not what they should be."""

    run = Instance(Run, allow_none=True)

    def deserialize(
        self, msg_list: Sequence[Any], content: bool = True, copy: bool = True
    ) -> dict[str, Any]:
        """The message.

        The one that exceeds the limit is shortened, and the kernel is stopped.

        :raises MessageRefused: it is malformed, or comes after the end
        """
        run: Any = self.run
        if run.reason is not None:
            raise MessageRefused(run.reason)
        enough = run.received(sum(len(part) for part in msg_list))
        try:
            message: dict[str, Any] = super().deserialize(list(msg_list), content, copy)
            well_formed = all(
                isinstance(message[part], dict)
                for part in ("header", "parent_header", "metadata", "content")
            ) and isinstance(message["msg_type"], str)
        except Exception:  # anything can be wrong with it, including its depth
            well_formed = False
        if not well_formed:
            run.stop("It sent a malformed message.")
            raise MessageRefused(run.reason)
        if enough:
            shorten_message(message["content"])
        return message


class SuspiciousClient(AsyncKernelClient):
    """A client that closes the connection of a kernel whose messages are too large."""

    def _context_default(self) -> zmq.asyncio.Context:
        self._created_context = True
        return limited(self._run)

    def connect_iopub(self, identity: bytes | None = None) -> Any:
        """The socket of the outputs, which the run watches."""
        return self._run.listen_to(super().connect_iopub(identity))

    def connect_shell(self, identity: bytes | None = None) -> Any:
        """The socket of the replies, which the run watches."""
        return self._run.listen_to(super().connect_shell(identity))

    def stop_channels(self) -> None:
        """Close all sockets."""
        self._run.forget_sockets()
        super().stop_channels()

    @property
    def _run(self) -> Run:
        manager: Any = self.parent
        run: Run = manager.session.run
        return run


class SandboxedKernelManager(AsyncKernelManager):
    """Starts its kernel in the sandbox, whatever the configuration or the kernel itself says.

    Call :meth:`confine` before the kernel starts.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        # After the configuration was read, so that it cannot choose anything else.
        self.client_factory = SuspiciousClient
        self._settings = SandboxSettings()
        self._sandbox: SandboxProvisioner | None = None

    def confine(self, settings: SandboxSettings, run: Run) -> None:
        """Set the sandbox and the limits of the messages."""
        self._settings = settings
        self.session = SuspiciousSession(parent=self, run=run)

    def _context_default(self) -> zmq.asyncio.Context:
        self._created_context = True
        return limited(self.session.run)

    async def start_kernel(self, **arguments: Any) -> None:  # type: ignore[override]
        """Start the kernel, and watch it.

        :raises SandboxUnavailable: it cannot be isolated here
        """
        settings, run = self._settings, self.session.run
        self.kernel_id = self.kernel_id or str(uuid.uuid4())
        limits = settings.limits
        self.provisioner = self._sandbox = SandboxProvisioner(
            kernel_id=self.kernel_id,
            kernel_spec=self.kernel_spec,
            parent=self,
            mechanism=settings.mechanism or "auto",
            network=settings.network,
            limits={
                "memory": limits.memory,
                "cpu_seconds": limits.cpu_seconds,
                "processes": limits.processes,
                "files": limits.files,
                "disk": limits.disk,
            },
            readable=[os.fspath(path) for path in settings.readable],
        )
        await super().start_kernel(**arguments)
        provisioner = self._sandbox
        run.watch(lambda: getattr(provisioner, "process", None))

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """How the kernel ended, as :attr:`SandboxProvisioner.outcome` describes it."""
        return None if self._sandbox is None else self._sandbox.outcome


def limited(run: Run) -> zmq.asyncio.Context:
    """A context whose sockets close the connection when a part of a message is too large."""
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.MAXMSGSIZE, run.output_bytes + EXCESS_BYTES)
    return context
