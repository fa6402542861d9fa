"""Runs a module of this package as the account of a course's formgrader.

For commands, which may run as root: they never open files in the course's directory themselves. The
module may execute the course's nbgrader_config.py. So its output is limited, and everything that it
started ends with it.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from services.formgrader_proxy.upstream.keeper.log_lines import LINE_BYTES, printable
from services.formgrader_proxy.upstream.process.launch import environment_of
from services.formgrader_proxy.upstream.process.process import Account

T = TypeVar("T")
#: The most that a module may print: ten times the grades of 1,100 students and ten assignments.
OUTPUT_BYTES = 64 * 1024 * 1024
#: What is kept of its errors.
ERROR_BYTES = 8 * 1024
#: Seconds between two checks whether the module has ended.
_CHECK_SECONDS = 0.02


class NotRun(Exception):
    """The module could not be run, or failed. The text says why, without a full stop."""


@dataclass(frozen=True)
class Finished:
    """How a module ended. ``status`` is None if it was killed because it took too long.

    ``complete``: it was not killed because it printed too much.
    """

    output: bytes
    errors: str
    status: int | None
    complete: bool


def run_as_account(
    module: str,
    start: dict[str, Any],
    directory: Path,
    user: str | None,
    *,
    kind: type[T],
    seconds: float,
) -> T:
    """What the module prints as JSON, of this ``kind``; ``start`` is its standard input.

    :raises NotRun: there is no such account, it failed, it took longer than ``seconds``, or it
        printed something else, or too much
    """
    try:
        done = finish_as_account(module, start, directory, user, seconds=seconds)
    except LookupError:
        raise NotRun(f'there is no account "{user}"') from None
    except OSError as error:
        raise NotRun(f"{error.strerror}: {error.filename}") from None
    if not done.complete:
        raise NotRun(f"it printed more than {OUTPUT_BYTES // 1024**2} MB")
    if done.status is None:
        raise NotRun(f"it took longer than {seconds:.0f} s")
    if done.status:
        lines = done.errors.strip().splitlines()
        raise NotRun(shown(lines[-1]) if lines else f"it ended with status {done.status}")
    try:
        return msgspec.json.decode(done.output, type=kind)
    except msgspec.MsgspecError:
        raise NotRun("it printed something unexpected") from None


def shown(text: str) -> str:
    """What a module printed, as one line for a terminal."""
    return printable(text.encode("utf-8", "replace")[-LINE_BYTES:])


def finish_as_account(
    module: str,
    start: dict[str, Any],
    directory: Path,
    user: str | None,
    *,
    seconds: float,
    output_bytes: int = OUTPUT_BYTES,
) -> Finished:
    """Run the module until it ends, or until it has printed ``output_bytes``, errors included.

    :raises LookupError: there is no such account
    :raises OSError: the module cannot be started in this directory
    """
    account = Account.named(user)
    process = subprocess.Popen(  # noqa: S603 - fixed arguments
        # -B: do not write compiled modules into the course's directory.
        (sys.executable, "-I", "-B", "-m", module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env=environment_of(account),
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        start_new_session=True,
    )
    try:
        assert process.stdin is not None  # noqa: S101 - requested above
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(start).encode())
        read = _read(process, seconds, output_bytes)
    finally:
        # With everything that it started. It was not waited for, so its number is still its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None  # noqa: S101 - requested above
            stream.close()
    errors = read.errors.decode("utf-8", "replace")
    status = process.returncode if read.timely else None
    return Finished(read.output, errors, status, read.complete)


class _Read(NamedTuple):
    """The output and the end of the errors; whether they are complete, and were so in time."""

    output: bytes
    errors: bytes
    complete: bool = True
    timely: bool = True


def _read(process: subprocess.Popen[bytes], seconds: float, most: int) -> _Read:
    """Read what the process prints, for a limited time and up to ``most`` bytes.

    Does not wait for the end of the pipes: a process that was left behind may keep them open.
    """
    output, errors = bytearray(), bytearray()
    number, until = 0, time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for stream, into in ((process.stdout, output), (process.stderr, errors)):
            assert stream is not None  # noqa: S101 - requested by the caller
            selector.register(stream, selectors.EVENT_READ, into)
        while number < most:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_PID, process.pid, look) is not None
            left = until - time.monotonic()
            ready = selector.select(0 if ended else max(0, min(left, _CHECK_SECONDS)))
            if ended and not ready:
                return _Read(bytes(output), bytes(errors))
            if left <= 0:
                return _Read(bytes(output), bytes(errors), timely=False)
            for key, _ in ready:
                chunk = os.read(key.fd, 64 * 1024)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
                number += len(chunk)
            del errors[:-ERROR_BYTES]
    return _Read(bytes(output[:most]), bytes(errors), complete=False)
