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
from typing import Any

from services.formgrader_proxy.upstream.process.launch import environment_of
from services.formgrader_proxy.upstream.process.process import Account

#: The most that is read of a module's output by default, and what is kept of its errors.
OUTPUT_BYTES, ERROR_BYTES = 256 * 1024 * 1024, 8 * 1024
#: Seconds between two checks whether the module has ended.
_CHECK_SECONDS = 0.02


class NotRun(Exception):
    """The module could not be run, or failed. The text says why, without a full stop."""


@dataclass(frozen=True)
class Finished:
    """How a module ended. ``status`` is None if it was killed because it took too long."""

    output: bytes
    errors: str
    status: int | None


def run_as_account(
    module: str, start: dict[str, Any], directory: Path, user: str | None, *, seconds: float
) -> Any:
    """The JSON that the module prints; ``start`` is its standard input.

    :raises NotRun: there is no such account, it failed, or it took longer than ``seconds``
    """
    try:
        done = finish_as_account(module, start, directory, user, seconds=seconds)
    except LookupError:
        raise NotRun(f'there is no account "{user}"') from None
    except OSError as error:
        raise NotRun(f"{error.strerror}: {error.filename}") from None
    if done.status is None:
        raise NotRun(f"it took longer than {seconds:.0f} s")
    if done.status:
        lines = done.errors.strip().splitlines()
        raise NotRun(lines[-1] if lines else f"it ended with status {done.status}")
    try:
        return json.loads(done.output)
    except ValueError:
        raise NotRun("it printed something unexpected") from None


def finish_as_account(
    module: str,
    start: dict[str, Any],
    directory: Path,
    user: str | None,
    *,
    seconds: float,
    output_bytes: int = OUTPUT_BYTES,
) -> Finished:
    """Run the module until it ends, or until it has printed ``output_bytes``.

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
        output, errors, timely = _read(process, seconds, output_bytes)
    finally:
        # With everything that it started. It was not waited for, so its number is still its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None  # noqa: S101 - requested above
            stream.close()
    text = errors.decode("utf-8", "replace")
    return Finished(output, text, process.returncode if timely else None)


def _read(process: subprocess.Popen[bytes], seconds: float, most: int) -> tuple[bytes, bytes, bool]:
    """The output, the end of the errors, and whether the process ended in time.

    Does not wait for the end of the pipes: a process that was left behind may keep them open.
    """
    output, errors = bytearray(), bytearray()
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for stream, into in ((process.stdout, output), (process.stderr, errors)):
            assert stream is not None  # noqa: S101 - requested by the caller
            selector.register(stream, selectors.EVENT_READ, into)
        while len(output) < most:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_PID, process.pid, look) is not None
            left = until - time.monotonic()
            ready = selector.select(0 if ended else max(0, min(left, _CHECK_SECONDS)))
            if ended and not ready:
                return bytes(output), bytes(errors), True
            if left <= 0:
                return bytes(output), bytes(errors), False
            for key, _ in ready:
                chunk = os.read(key.fd, 64 * 1024)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            del errors[:-ERROR_BYTES]
    return bytes(output[:most]), bytes(errors), True
