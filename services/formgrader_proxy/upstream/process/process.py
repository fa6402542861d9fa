"""A formgrader's process with its keeper, optionally under another account.

Not asyncio's subprocess: uvloop, which runs the service, cannot pass descriptors on.
"""

import asyncio
import logging
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.formgrader_proxy.upstream.keeper import cgroup
from services.formgrader_proxy.upstream.keeper.log_lines import printable
from services.formgrader_proxy.upstream.keeper.plan import Plan
from services.formgrader_proxy.upstream.keeper.tree import descendants

log = logging.getLogger("formgrader")

#: How long the keeper may take to end everything, which is more than it needs, and how long it
#: takes to end what it left, after its own end.
STOP_SECONDS, KILL_SECONDS = 7.0, 1.0
#: The capacity of a pipe (pipe(7)). Writing up to this much never blocks.
PIPE_BYTES = 64 * 1024
_KEEPER = (sys.executable, "-I", "-m", "services.formgrader_proxy.upstream.keeper")


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
    """A running process, its keeper, and all that it starts."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        account: Account,
        directory: Path,
        environment: Mapping[str, str],
        stdin: bytes,
        inherited: Sequence[int] = (),
        private: Path | None = None,
    ) -> None:
        """Start the process, with ``stdin`` as its complete standard input.

        It inherits these descriptors, under the same numbers. ``private`` is a directory that is
        removed when it has ended. If the command cannot be started,
        the log says so, and the exit code is 127.

        :raises OSError: there is no such directory, or the keeper cannot be started
        """
        directory.stat()
        assert len(stdin) <= PIPE_BYTES  # noqa: S101 - more would block the event loop
        self._cgroup = cgroup.create()
        settings, writer = os.pipe()
        plan = Plan(
            command=list(command),
            directory=str(directory),
            environment=dict(environment),
            settings=settings,
            inherited=list(inherited),
            private=str(private) if private else None,
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            cgroup=str(self._cgroup) if self._cgroup else None,
        )
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - fixed arguments
                _KEEPER,
                bufsize=0,
                cwd="/",
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(settings, *inherited),
                start_new_session=True,
            )
            os.write(writer, stdin)
        except OSError:
            if self._cgroup:
                cgroup.remove(self._cgroup)
            raise
        finally:
            os.close(settings)
            os.close(writer)
        loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = loop.create_future()
        threading.Thread(target=self._wait, args=(loop,), daemon=True).start()
        assert self._popen.stdin is not None  # noqa: S101 - requested above
        self._control = self._popen.stdin
        with suppress(BrokenPipeError):  # it may have exited already
            self._control.write(plan.encode())  # much less than a pipe holds

    @property
    def keeper(self) -> int:
        """The process id of the keeper, the ancestor of all others."""
        return self._popen.pid

    async def wait(self) -> int:
        """Wait for the exit code, which is negative for a signal."""
        return await asyncio.shield(self._exited)

    async def lines(self) -> AsyncIterator[str]:
        """The lines of its log: printable, not too long and not too many at once.

        They end with the keeper, because no other process has the other end of this pipe.
        """
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._popen.stdout
        )
        try:
            while line := await reader.readline():
                yield printable(line.removesuffix(b"\n"))
        finally:
            transport.close()

    async def end(self) -> bool:
        """End the process and everything that it started, within 8 s.

        SIGTERM first; SIGKILL follows after 4 s at most, or when the process itself has ended.
        Returns whether all have ended, as far as is known.
        """
        self._control.close()
        await asyncio.wait({self._exited}, timeout=STOP_SECONDS)
        if not self._exited.done():  # the keeper itself has been stopped or is stuck
            log.warning("process %d does not end: killing it and its descendants", self.keeper)
            for pid in (*(one.pid for one in descendants(self.keeper)), self.keeper):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        await self._end_cgroup()
        await asyncio.wait({self._exited}, timeout=KILL_SECONDS)
        return self._exited.done()

    async def _end_cgroup(self) -> None:
        """Kill what a killed keeper left, and remove the control group."""
        if self._cgroup is None:
            return
        deadline = asyncio.get_running_loop().time() + KILL_SECONDS
        cgroup.kill(self._cgroup)
        cgroup.remove(self._cgroup)
        while self._cgroup.exists() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
            cgroup.remove(self._cgroup)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._popen.wait()
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(self._set_exited, code)

    def _set_exited(self, code: int) -> None:
        self._control.close()
        if not self._exited.done():
            self._exited.set_result(code)
