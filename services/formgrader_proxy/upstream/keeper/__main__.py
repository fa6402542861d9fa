"""The keeper of one formgrader: starts it, filters its log, and ends whatever it leaves behind.

The service runs it as ``python -I -m services.formgrader_proxy.upstream.keeper`` and writes one
line to its standard input: a :class:`Plan`. The formgrader's own settings, with its token, are in a
pipe that the keeper passes on without reading it.

The keeper is a child subreaper (prctl(2)): processes that detach themselves from the formgrader
become its children, so it finds all of them. It ends the formgrader on SIGTERM, and when its
standard input closes, which happens however the service ends. It exits as the formgrader did.
"""

import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from common.prctl import adopt_orphans, hide_process
from services.formgrader_proxy.upstream.keeper import cgroup
from services.formgrader_proxy.upstream.keeper.log_lines import BURST, LogLines
from services.formgrader_proxy.upstream.keeper.plan import Plan
from services.formgrader_proxy.upstream.keeper.start import start
from services.formgrader_proxy.upstream.keeper.tree import children, descendants

#: After SIGTERM, the formgrader has this long to end by itself.
TERM_SECONDS = 4.0
#: After SIGKILL, all that is left has this long. Only a process that waits for a disk needs it.
KILL_SECONDS = 2.0
#: The exit code if the formgrader could not be started, as of a shell.
NOT_STARTED = 127
_CONTROL, _OUTPUT = 0, 1
_READ_BYTES = 256 * 1024


class Keeper:
    """Runs a plan to its end."""

    def __init__(self, plan: Plan) -> None:
        self._lines = LogLines()
        self._unwritten: deque[bytes] = deque(maxlen=2 * BURST)
        self._stopping = False
        self._status: int | None = None
        self._selector = selectors.DefaultSelector()
        self._listen_to_signals()
        self._log, output = os.pipe()
        os.set_blocking(self._log, False)
        os.set_blocking(_OUTPUT, False)
        self._formgrader, self._cgroup = start(plan, output)
        # Otherwise its socket would seem to be alive after it closed it, and the log never end.
        for descriptor in (output, plan.settings, *plan.inherited):
            os.close(descriptor)
        self._selector.register(self._log, selectors.EVENT_READ, self._read_log)
        self._selector.register(_CONTROL, selectors.EVENT_READ, self._read_control)

    def run(self) -> int:
        """Wait until the formgrader ends or has to end. Returns its wait status (wait(2))."""
        while not self._ended() and not self._stopping:
            self._step(60)
        if not self._ended():
            # A stopped process handles SIGTERM only after SIGCONT.
            for signum in (signal.SIGTERM, signal.SIGCONT):
                with suppress(OSError):
                    os.killpg(self._formgrader.pid, signum)
            self._until(self._ended, TERM_SECONDS)
        if not self._until(self._end_all, KILL_SECONDS):
            self._write([b"some of its processes could not be ended"])
        self._read_log()
        self._write(self._lines.rest())
        return signal.SIGKILL if self._status is None else self._status

    def _listen_to_signals(self) -> None:
        """Wake up for signals (``signal.set_wakeup_fd``)."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self._stop())
        self._selector.register(reader, selectors.EVENT_READ, lambda: os.read(reader, 4096))

    def _stop(self) -> None:
        self._stopping = True

    def _step(self, seconds: float) -> None:
        """Wait until something happens, for a limited time, and handle it."""
        for key, _ in self._selector.select(0.1 if self._unwritten else seconds):
            key.data()
        self._write([])
        self._reap()

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._step(0.01)
        return True

    def _ended(self) -> bool:
        return self._status is not None

    def _reap(self) -> bool:
        """Collect the children that have ended, with orphans. Returns whether none is left."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return False
                if pid == self._formgrader.pid:
                    self._status = status
        return True

    def _end_all(self) -> bool:
        """Kill every descendant. Returns whether none is left."""
        if self._reap():
            return True
        if self._cgroup:
            cgroup.kill(self._cgroup)
        # All are stopped first, because the survivors of a fork bomb would use the time.
        found: set[int] = set()
        for _ in range(20):
            new = {one.pid for one in descendants(os.getpid()) if one.state != "Z"} - found
            _signal(new, signal.SIGSTOP)
            found |= new
            if not new:
                break
        _signal(found, signal.SIGKILL)
        # A process that only forks and exits is gone before it is found above. Its child is one of
        # this process, and this is fast enough to hit one.
        for _ in range(1000):
            _signal(children(), signal.SIGKILL)
            if self._reap():
                return True
        return False

    def _read_control(self) -> None:
        """Nothing is ever sent: it is the end of the service, or of its interest."""
        self._selector.unregister(_CONTROL)
        self._stop()

    def _read_log(self) -> None:
        """Read what the formgrader printed, with a limit so that nothing else waits."""
        with suppress(BlockingIOError):
            for _ in range(16):
                data = os.read(self._log, _READ_BYTES)
                if not data:
                    with suppress(KeyError):
                        self._selector.unregister(self._log)
                    return
                self._write(self._lines.add(data, time.monotonic()))

    def _write(self, lines: list[bytes]) -> None:
        """Pass lines on to the service. If it does not read them, the oldest are dropped."""
        self._unwritten.extend(lines)
        try:
            while self._unwritten:
                os.write(_OUTPUT, self._unwritten[0] + b"\n")
                self._unwritten.popleft()
        except BlockingIOError:
            return
        except OSError:  # the service has ended
            self._unwritten.clear()


def _signal(pids: set[int], signum: signal.Signals) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signum)


def _exit_with(status: int) -> NoReturn:
    """End this process with the same exit code or signal as the formgrader."""
    if os.WIFSIGNALED(status):
        signum = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def main() -> NoReturn:
    """Keep the formgrader of the plan on standard input."""
    hide_process()
    adopt_orphans()
    line = sys.stdin.buffer.readline()
    if not line:  # the service has ended already
        raise SystemExit(NOT_STARTED)
    plan = Plan.decode(line)
    try:
        status = Keeper(plan).run()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"it could not be started: {error}", flush=True)
        status = NOT_STARTED << 8
    if plan.cgroup:
        cgroup.remove(Path(plan.cgroup))
    if plan.private:
        shutil.rmtree(plan.private, ignore_errors=True)
    _exit_with(status)


if __name__ == "__main__":
    main()
