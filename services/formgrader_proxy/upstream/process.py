"""A program in a session of its own, under another account where that is asked.

Not asyncio's: uvloop, in which the service runs, cannot start one under another account.
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
#: What a pipe holds without a reader (pipe(7)), so that writing so much never waits.
PIPE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Account:
    """A system account; without ``uid`` it is the one that we run as."""

    name: str
    home: str
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def named(cls, user: str | None) -> "Account":
        """The account to run as; ours when none is named.

        :raises LookupError: no such account
        """
        if user is None:
            own = pwd.getpwuid(os.getuid())
            return cls(own.pw_name, own.pw_dir)
        found = pwd.getpwnam(user)
        return cls(found.pw_name, found.pw_dir, found.pw_uid, found.pw_gid)

    @property
    def groups(self) -> list[int] | None:
        """The account's further groups; None leaves ours as they are."""
        if self.uid is None or self.gid is None:
            return None
        return os.getgrouplist(self.name, self.gid)


class Process:
    """One that runs, until :meth:`wait` returns."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        account: Account,
        directory: Path,
        environment: Mapping[str, str],
        given: bytes,
    ) -> None:
        """Start it, with ``given`` as all of its standard input.

        :raises OSError: it cannot be started
        """
        assert len(given) <= PIPE_BYTES  # noqa: S101 - more would hold up the loop
        self._popen = subprocess.Popen(  # noqa: S603 - its settings are the operator's
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
        self._gone: asyncio.Future[int] = loop.create_future()
        threading.Thread(target=self._wait, args=(loop,), daemon=True).start()
        assert self._popen.stdin is not None  # noqa: S101 - it was asked for above
        with suppress(BrokenPipeError), self._popen.stdin as stdin:  # it may have died already
            stdin.write(given)

    async def wait(self) -> int:
        """Its exit code, negative for a signal, as soon as it has ended."""
        return await asyncio.shield(self._gone)

    async def lines(self) -> AsyncIterator[str]:
        """What it prints, line by line; a line beyond 64 KiB is left out."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._popen.stdout
        )
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:  # beyond the reader's limit; what follows is still read
                    continue
                if not line:
                    return
                yield line.decode(errors="replace").rstrip()
        finally:
            transport.close()

    async def end(self) -> None:
        """End it and everything that it started, politely first."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._popen.pid, sign)
            except (ProcessLookupError, PermissionError):
                break
            await asyncio.wait({self._gone}, timeout=STOP_SECONDS)
            if self._gone.done() and sign is signal.SIGTERM:
                continue  # its kernels may outlive it: they share its process group
        await self.wait()

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._popen.wait()
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(self._ended, code)

    def _ended(self, code: int) -> None:
        if not self._gone.done():
            self._gone.set_result(code)
