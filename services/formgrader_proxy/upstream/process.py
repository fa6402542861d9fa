"""A child process in its own session, optionally under another account.

Not asyncio's subprocess: uvloop, which runs the service, cannot start one under another account.
"""

import asyncio
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 5.0
#: The capacity of a pipe (pipe(7)). Writing up to this much never blocks.
PIPE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Account:
    """A system account. Without ``uid`` it is the account of this process."""

    name: str
    home: str
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def named(cls, user: str | None) -> "Account":
        """The account with this name; without a name the account of this process.

        :raises LookupError: there is no such account
        """
        if user is None:
            own = pwd.getpwuid(os.getuid())
            return cls(own.pw_name, own.pw_dir)
        found = pwd.getpwnam(user)
        return cls(found.pw_name, found.pw_dir, found.pw_uid, found.pw_gid)

    @property
    def groups(self) -> list[int] | None:
        """The account's supplementary groups; None keeps those of this process."""
        if self.uid is None or self.gid is None:
            return None
        return os.getgrouplist(self.name, self.gid)


def may_switch_user() -> bool:
    """Whether this process may start others under another account: it runs as root."""
    return os.geteuid() == 0


class Process:
    """A running process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        account: Account,
        directory: Path,
        environment: Mapping[str, str],
        stdin: bytes,
    ) -> None:
        """Start the process, with ``stdin`` as its complete standard input.

        :raises OSError: it cannot be started
        """
        assert len(stdin) <= PIPE_BYTES  # noqa: S101 - more would block the event loop
        self._popen = subprocess.Popen(  # noqa: S603 - the command is the administrator's
            command,
            bufsize=0,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o027,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
        )
        loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = loop.create_future()
        threading.Thread(target=self._wait, args=(loop,), daemon=True).start()
        assert self._popen.stdin is not None  # noqa: S101 - requested above
        with suppress(BrokenPipeError), self._popen.stdin as pipe:  # it may have exited already
            pipe.write(stdin)

    async def wait(self) -> int:
        """Wait for the exit code, which is negative for a signal."""
        return await asyncio.shield(self._exited)

    async def lines(self) -> AsyncIterator[str]:
        """The lines that it prints to both outputs. Lines longer than 64 KiB are omitted."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._popen.stdout
        )
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:  # longer than the reader's limit; the next lines are still read
                    continue
                if not line:
                    return
                yield line.decode(errors="replace").rstrip()
        finally:
            transport.close()

    async def end(self) -> None:
        """End the process and everything it started: SIGTERM first, SIGKILL after 5 s at most.

        SIGKILL is always sent: kernels share the process group and may outlive the process.
        """
        for signum in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._popen.pid, signum)
            except (ProcessLookupError, PermissionError):
                break
            await asyncio.wait({self._exited}, timeout=STOP_SECONDS)
        await self.wait()

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._popen.wait()
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(self._set_exited, code)

    def _set_exited(self, code: int) -> None:
        if not self._exited.done():
            self._exited.set_result(code)
