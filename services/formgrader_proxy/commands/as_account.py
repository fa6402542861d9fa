"""Runs a module of this package in a course's directory, as the account of its formgrader.

For commands, which may run as root: they never open files in the directory themselves.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from services.formgrader_proxy.commands.bounded import run_bounded
from services.formgrader_proxy.upstream.keeper.log_lines import LINE_BYTES, printable
from services.formgrader_proxy.upstream.process.launch import INHERITED
from services.formgrader_proxy.upstream.process.process import Account

T = TypeVar("T")
#: The most that a module may print: ten times the grades of 1,100 students and ten assignments.
MOST_BYTES = 64 * 1024 * 1024


class NotRun(Exception):
    """The module could not be run, or failed. The text says why, without a full stop."""


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
        printed something else
    """
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # nbgrader runs alembic by name. It is installed next to this Python.
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join((programs, environment.get("PATH", os.defpath)))
    try:
        account = Account.named(user)
        done = run_bounded(
            (sys.executable, "-I", "-m", module),
            json.dumps(start).encode(),
            account,
            directory=directory,
            environment=environment | {"PATH": path, "HOME": account.home, "USER": account.name},
            seconds=seconds,
            most_bytes=MOST_BYTES,
        )
    except LookupError:
        raise NotRun(f'there is no account "{user}"') from None
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        raise NotRun(reason) from None
    if not done.timely:
        raise NotRun(f"it took longer than {seconds:.0f} s")
    if not done.complete:
        raise NotRun(f"it printed more than {MOST_BYTES // 1024**2} MB")
    if done.status != 0:
        lines = done.errors.strip().splitlines()
        raise NotRun(
            printable(lines[-1][-LINE_BYTES:]) if lines else f"it ended with status {done.status}"
        )
    try:
        return msgspec.json.decode(done.output, type=kind)
    except msgspec.MsgspecError:
        raise NotRun("it printed something unexpected") from None


def shown(text: str) -> str:
    """What a module printed, as one line for a terminal."""
    return printable(text.encode("utf-8", "replace")[:LINE_BYTES])
