"""One execution of a notebook: what it received, whether it must stop, and why.

A thread watches it, because code that floods its client with messages can keep the event loop
from doing anything else.
"""

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq

from services.formgrader_proxy.autograding.files.submissions import size

#: Seconds between two looks at the clock and at this process's memory.
LOOK_SECONDS = 0.2
#: Seconds after SIGTERM until SIGKILL. A sandbox ends everything inside before it ends itself.
KILL_SECONDS = 10.0
#: How much this process may grow while a notebook runs, beyond its outputs: messages that are
#: read only in part are held in memory, and nothing else limits their number of parts.
GROWTH_BYTES = 512 * 1024**2
#: A value in memory is larger than its text.
_TEXT_TO_MEMORY = 8


class Run:
    """The limits of one execution. ``stop`` may be called from any thread, more than once."""

    def __init__(self, *, output_bytes: int, seconds: float) -> None:
        self.output_bytes = output_bytes
        self.seconds = seconds
        #: Why the notebook was stopped, as a sentence; None if it was not.
        self.reason: str | None = None
        self._received = 0
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._monitors: list[Any] = []
        self._lock = threading.Lock()

    def listen_to(self, socket: Any) -> Any:
        """Watch a connected socket, which is returned, for the end of its connection.

        The connection ends when the kernel does, or when its message is larger than the socket
        accepts. In the second case neither the message nor a reply ever arrives.
        """
        monitor = socket.get_monitor_socket(zmq.Event.DISCONNECTED)
        with self._lock:
            self._monitors.append(monitor)
        return socket

    def forget_sockets(self) -> None:
        """Watch no socket from now on, because they are closed next."""
        with self._lock:  # a socket must not be closed by one thread while another one uses it
            for monitor in self._monitors:
                monitor.close(0)
            self._monitors.clear()

    def watch(self, process: Callable[[], "subprocess.Popen[bytes] | None"]) -> None:
        """Watch the kernel in ``process()`` from now on, until :meth:`end`."""
        self._thread = threading.Thread(target=self._watch, args=(process,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """The kernel has ended; stop watching it."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(LOOK_SECONDS + 2 * KILL_SECONDS)
        self.forget_sockets()

    def received(self, number: int) -> bool:
        """Count bytes that the kernel sent. If they are too many, stop it and return True."""
        self._received += number
        too_much = self._received > self.output_bytes
        if too_much:
            self.stop(self._too_much)
        return too_much

    def stop(self, reason: str) -> None:
        """Stop the notebook. The first reason is kept."""
        if self.reason is None:
            self.reason = reason
        self._wake.set()

    @property
    def _too_much(self) -> str:
        return f"It printed or displayed more than {size(self.output_bytes)}."

    def _disconnected(self) -> bool:
        with self._lock:
            return any(zmq.Socket.shadow(monitor).poll(0) for monitor in self._monitors)

    def _watch(self, process: Callable[[], "subprocess.Popen[bytes] | None"]) -> None:
        deadline = time.monotonic() + self.seconds
        most = memory() + GROWTH_BYTES + _TEXT_TO_MEMORY * self.output_bytes
        while self.reason is None and not self._ended:
            self._wake.wait(LOOK_SECONDS)
            if time.monotonic() > deadline:
                self.stop(f"It took longer than {self.seconds:,} s.")
            elif self._disconnected() and not exited(process()):
                self.stop(self._too_much)
            elif memory() > most:
                self.stop("Its messages were too large.")
        if self._ended:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            end(process(), number)
            until = time.monotonic() + KILL_SECONDS
            while not self._ended and time.monotonic() < until:
                time.sleep(LOOK_SECONDS / 4)


def exited(process: "subprocess.Popen[bytes] | None") -> bool:
    """Whether a kernel has ended, or does so within a second."""
    until = time.monotonic() + 1
    while process is not None and process.returncode is None and time.monotonic() < until:
        time.sleep(LOOK_SECONDS / 4)
        process.poll()
    return process is None or process.returncode is not None


def end(process: "subprocess.Popen[bytes] | None", number: signal.Signals) -> None:
    """Send a signal to a sandbox, which then ends everything inside, or to a kernel's group."""
    if process is None or process.poll() is not None:
        return
    with suppress(OSError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)


def memory() -> int:
    """The resident memory of this process in bytes."""
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()
