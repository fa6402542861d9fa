"""Runs a program that executes a course's own code, such as its nbgrader_config.py.

The code may print without an end, never end, leave processes that keep its output open, or write
to the terminal of the administrator (ioctl TIOCSTI) if it had one.
"""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.formgrader_proxy.upstream.process.process import Account

#: Seconds between two looks whether the process has ended.
_INTERVAL = 0.05


@dataclass(frozen=True)
class Ended:
    """How a program ended. ``timely`` and ``complete``: within its time, and within its bytes."""

    status: int
    output: bytes
    errors: bytes
    timely: bool
    complete: bool


def run_bounded(
    command: Sequence[str],
    start: bytes,
    account: Account,
    *,
    directory: Path | str,
    environment: Mapping[str, str],
    seconds: float,
    most_bytes: int,
) -> Ended:
    """Run a program as an account, with ``start`` as its standard input, and wait for its end.

    It is killed after ``seconds``, or when it has printed more than ``most_bytes``. So is what it
    has started, apart from processes that hide by starting a session.

    :raises OSError, subprocess.SubprocessError: it cannot be started
    """
    pipes = [os.pipe(), os.pipe()]
    try:
        process = subprocess.Popen(  # noqa: S603 - the caller's fixed arguments
            command,
            stdin=subprocess.PIPE,
            stdout=pipes[0][1],
            stderr=pipes[1][1],
            cwd=directory,
            env=dict(environment),
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            start_new_session=True,  # without a terminal
        )
    except BaseException:
        for reading, _ in pipes:
            os.close(reading)
        raise
    finally:
        for _, writing in pipes:
            os.close(writing)
    readers = [_Reader(process, reading, most_bytes) for reading, _ in pipes]
    timely = True
    try:
        assert process.stdin is not None  # noqa: S101 - requested above
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(start)
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        timely = False
    finally:
        kill_group(process)
        process.wait()
        for reader in readers:
            reader.finish()
    output, errors = (bytes(reader.found) for reader in readers)
    return Ended(process.returncode, output, errors, timely, not any(one.full for one in readers))


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that has a session of its own, with all others of its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class _Reader:
    """Reads a pipe in a thread, and kills the process that fills it too much.

    A process that hides may keep the pipe open for ever, so the end of the other one counts.
    """

    process: "subprocess.Popen[bytes]"
    pipe: int
    most_bytes: int
    found: bytearray = field(default_factory=bytearray)
    full: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """The process has ended: read what it has printed until now."""
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            while not self.full:
                last = self._ended.is_set()
                if not select.select([self.pipe], [], [], 0 if last else _INTERVAL)[0]:
                    if last:
                        return
                    continue
                part = os.read(self.pipe, 64 * 1024)
                if not part:
                    return
                self.full = len(self.found) + len(part) > self.most_bytes
                if not self.full:
                    self.found += part
            kill_group(self.process)
        finally:
            os.close(self.pipe)
