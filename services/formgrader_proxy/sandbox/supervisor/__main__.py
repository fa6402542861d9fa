"""Runs one sandbox: ``python -I -m services.formgrader_proxy.sandbox.supervisor``.

Reads a plan from the first line of its standard input and exits when everything has ended. SIGINT
is passed on to the kernel, SIGTERM ends the sandbox. When the standard input is closed, the
formgrader has ended: the sandbox ends too and its private directory is removed.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

from services.formgrader_proxy.sandbox.plan import CONNECTION, OUTCOME, SHARED, TEMPORARY, Plan
from services.formgrader_proxy.sandbox.settings import Mechanism
from services.formgrader_proxy.sandbox.supervisor import confine, disk, hidden, processes
from services.formgrader_proxy.sandbox.supervisor.outcome import MOST_OUTPUT, Outcome, sentence

#: Seconds between two measurements of the processes.
INTERVAL = 0.05
#: Files are measured in at most this part of the time.
FILES_SHARE = 0.1
_PR_SET_CHILD_SUBREAPER = 36


class Supervisor:
    """A running sandbox."""

    def __init__(self, plan: Plan) -> None:
        """Prepare the folder. Nothing runs yet."""
        self.plan = plan
        self.output = b""
        self.limit: str | None = None
        self.exit_code: int | None = None
        self._signals: list[int] = []
        self._usage = processes.Usage()
        self._next_processes = self._next_files = 0.0
        self._may_look = plan.account is None or processes.may_look_into_others()
        self._hidden = hidden.Watch(plan.limits, self._folders())
        status = os.stat(plan.folder)
        self._owner = (status.st_uid, status.st_gid)
        self._before = disk.measure(plan.folder, sys.maxsize)

    def give_back(self) -> list[str]:
        """Leave ordinary files of the folder's owner. Returns the paths that were removed."""
        return disk.sweep(self.plan.folder, self._owner if self.plan.account else None)

    def run(self) -> bool:
        """Run the command until it ends or must end. Returns whether the formgrader still lives."""
        if self.plan.account:
            for folder in self._folders():
                disk.give(folder, self.plan.account.uid)
        wakeup, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(signum, self._received)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        child = confine.start(self.plan, writing)
        os.close(writing)
        poll = select.poll()
        poll.register(0, select.POLLHUP)
        poll.register(wakeup, select.POLLIN)
        poll.register(reading, select.POLLIN)
        alive = True
        while self.limit is None:
            events = dict(poll.poll(INTERVAL * 1000))
            if wakeup in events:
                os.read(wakeup, 512)
            if reading in events and not self._read(reading):
                poll.unregister(reading)
            if 0 in events:
                alive = False
                break
            if self._ended(child) or self._handle_signals(child):
                break
            self.limit = self._exceeded()
        self._end(reading)
        return alive

    def _received(self, signum: int, _: FrameType | None) -> None:
        if signum != signal.SIGCHLD:  # which only wakes the loop
            self._signals.append(signum)

    def _handle_signals(self, child: int) -> bool:
        """Whether the sandbox must end."""
        while self._signals:
            signum = self._signals.pop(0)
            if signum == signal.SIGTERM:
                return True
            if signum == signal.SIGINT:
                self._interrupt(child)
        return False

    def _interrupt(self, child: int) -> None:
        kernel = child
        if self.plan.mechanism is Mechanism.BUBBLEWRAP:
            for _ in range(2):  # bubblewrap's monitor, and the first process of the namespace
                kernel = min(processes.children(kernel), default=0)
                if not kernel:
                    return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(os.getpgid(kernel), signal.SIGINT)

    def _ended(self, child: int) -> bool:
        with suppress(ChildProcessError):
            for _ in range(processes.MOST_REAPED):
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == child:
                    self.exit_code = os.waitstatus_to_exitcode(status)
                    return True
                if not pid:
                    break
            return False
        return True

    def _read(self, descriptor: int) -> bool:
        """Keep the last part of what was printed. Returns False at the end."""
        try:
            new = os.read(descriptor, 2**16)
        except BlockingIOError:
            return True
        self.output = (self.output + new)[-MOST_OUTPUT:]
        return bool(new)

    def _exceeded(self) -> str | None:
        now = time.monotonic()
        if now < self._next_processes:  # woken by output or a signal
            return None
        self._next_processes = now + INTERVAL
        limits = self.plan.limits
        self._usage.measure(limits.memory)
        if self._usage.memory > limits.memory:
            return "memory"
        if self._usage.cpu > limits.cpu_seconds:
            return "cpu"
        if self._usage.threads > limits.processes:
            return "processes"
        if now < self._next_files:
            return None
        # Root in a container cannot look into processes of other accounts.
        found = self._hidden.exceeded() if self._may_look else None
        if not self._hidden.in_round:
            found = found or self._files_exceeded()
        took = time.monotonic() - now
        self._next_files = now + max(INTERVAL, took / FILES_SHARE)
        return found

    def _folders(self) -> list[str]:
        run = [CONNECTION, TEMPORARY, SHARED]
        return [self.plan.folder, *(str(self.plan.in_run(name)) for name in run)]

    def _files_exceeded(self) -> str | None:
        limits = self.plan.limits
        trees = [disk.measure(folder, limits.files) for folder in self._folders()]
        if sum(tree.files for tree in trees) > limits.files or any(t.unreadable for t in trees):
            return "files"
        return "disk" if sum(tree.disk for tree in trees) > limits.disk else None

    def _end(self, reading: int) -> None:
        ended = processes.end_all()
        while self._read(reading) and select.select([reading], [], [], 0)[0]:
            pass
        if self.limit is None and ended:
            self.limit = self._files_exceeded()
        removed = self.give_back()  # first, because it opens folders without permissions
        if self.limit in {"files", "disk"}:
            removed += disk.undo(self.plan.folder, self._before.sizes)
        message = sentence(self.limit, self.plan.limits) if self.limit else None
        text = self.output.decode(errors="replace")
        Outcome(self.limit, message, removed, self.exit_code, text).write(self.plan.in_run(OUTCOME))


def main() -> int:
    """Run the plan on the standard input."""
    plan = Plan.from_line(sys.stdin.buffer.readline())
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    supervisor = Supervisor(plan)
    try:
        alive = supervisor.run()
    except BaseException as error:
        processes.end_all()
        supervisor.give_back()
        if isinstance(error, OSError):  # for example a program that is not installed
            print(error, file=sys.stderr)
            return 1
        raise
    if not alive:
        disk.remove(plan.run)
    code = supervisor.exit_code
    return 1 if code is None else code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
