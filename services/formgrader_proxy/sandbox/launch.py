"""Preparing a sandbox's private directory and plan, and starting its supervisor."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.formgrader_proxy.sandbox import software, syscalls
from services.formgrader_proxy.sandbox.plan import (
    CONNECTION,
    ETC,
    OUTCOME,
    SHARED,
    TEMPORARY,
    Account,
    Plan,
)
from services.formgrader_proxy.sandbox.settings import Mechanism, SandboxSettings
from services.formgrader_proxy.sandbox.supervisor import landlock

#: The address of a unix socket is at most this long (unix(7)), without room for a socket's name.
MOST_ADDRESS = 107 - len("/c/k-5")
#: Environment variables that are passed on, besides those of the kernel's specification.
INHERITED = (
    *("PATH", "LANG", "LANGUAGE", "TZ", "TERM", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
    *("NBGRADER_EXECUTION", "NBGRADER_VALIDATING", "PYTHONHASHSEED"),
)
_SUPERVISOR = "services.formgrader_proxy.sandbox.supervisor"
_ERRORS = "errors"
#: Accounts for one run: far above accounts of people, or in a container with few accounts, those
#: that systemd reserves for the same purpose (systemd.exec(5), DynamicUser).
_ACCOUNTS = ((1_900_000_000, 100_000_000), (61184, 4000))


class SandboxUnavailable(Exception):
    """Code cannot be isolated here. The message says why and what to do."""


def make_run() -> Path:
    """A new private directory for one sandbox.

    :raises SandboxUnavailable: the path of temporary files is too long
    :raises OSError: it cannot be made
    """
    run = Path(os.path.realpath(tempfile.mkdtemp(prefix="sandbox-")))
    for name in (CONNECTION, TEMPORARY, SHARED, ETC):
        (run / name).mkdir(mode=0o700)
    if len(str(run)) > MOST_ADDRESS:
        remove_run(run)
        raise SandboxUnavailable(
            f"The path of temporary files is too long for a kernel's sockets: {run.parent}. Set "
            "TMPDIR to a shorter one."
        )
    return run


def remove_run(run: Path) -> None:
    """Remove the private directory of a sandbox that has ended, whatever the code left in it."""
    shutil.rmtree(run, ignore_errors=True)
    if run.exists():  # deeper than a path can be long, or without permissions
        for program in (("chmod", "-R", "u+rwx"), ("rm", "-rf")):
            subprocess.run(  # noqa: S603
                [*program, "--", run], stderr=subprocess.DEVNULL, check=False
            )


def make_plan(
    run: Path,
    settings: SandboxSettings,
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    readable: Sequence[Path] = (),
    private: Sequence[Path] = (),
) -> Plan:
    """The plan for a command that works in ``folder``. ``settings.mechanism`` is not None.

    ``environment`` is added to what is passed on from this process. ``private`` are folders that
    the command must not read, even inside the installed software.

    :raises SandboxUnavailable: the folder is part of what every submission may read
    """
    mechanism = settings.mechanism
    assert mechanism is not None  # noqa: S101
    mounts = mechanism is Mechanism.BUBBLEWRAP
    real = os.path.realpath(folder)
    found = software.find(command, (), network=settings.network, private=private)
    refuse_software(real, found)
    for path in (*settings.readable, *readable):
        found.add(path)
    account = _account(mechanism, (real, str(run), *found.paths))
    if account:  # other accounts must not meet the code in its folders for temporary files
        os.chown(run, -1, account.uid)
        run.chmod(0o710)
    _write_etc(run, os.getuid() if account is None else account.uid, network=settings.network)
    temporary = "/tmp" if mounts else str(run / TEMPORARY)  # noqa: S108 - the sandbox's own
    scoped = mounts or landlock.version() >= landlock.SIGNALS_SINCE
    rules = syscalls.Rules(mounts=mounts, network=settings.network, signals=scoped)
    return Plan(
        mechanism=mechanism,
        command=tuple(command),
        environment=_inherited()
        | {"HOME": temporary, "TMPDIR": temporary, "USER": "student", "LOGNAME": "student"}
        | {"PYTHONDONTWRITEBYTECODE": "1"}  # no files in the folder besides the code's own
        | dict(environment),
        folder=real,
        run=str(run),
        software=tuple(found.paths),
        links=found.links,
        network=settings.network,
        limits=settings.limits,
        filters=syscalls.programs(rules),
        account=account,
    )


def refuse_software(folder: str, found: software.Software) -> None:
    """Check that a folder of a course, as a real path, is not part of the software.

    :raises SandboxUnavailable: it is, so every submission could read it
    """
    if found.covers(folder):
        raise SandboxUnavailable(
            f"{folder} is inside the installed software, which all submissions may read. Move the "
            "course to another directory."
        )


def start(plan: Plan) -> "subprocess.Popen[bytes]":
    """Start a supervisor. SIGINT interrupts the code, SIGTERM ends the sandbox.

    Its standard input stays open: the sandbox ends when this process does.

    :raises OSError: it cannot be started
    """
    with plan.in_run(_ERRORS).open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-m", _SUPERVISOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd="/",
            env=_supervisors_environment(),
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101 - requested above
    with suppress(BrokenPipeError):  # it has ended already, and the outcome will say so
        process.stdin.write(plan.to_line())
        process.stdin.flush()
    return process


def read_outcome(plan: Plan) -> dict[str, Any] | None:
    """The outcome that the supervisor wrote; None if it ended without writing one."""
    try:
        found: dict[str, Any] = json.loads(plan.in_run(OUTCOME).read_bytes())
    except (OSError, ValueError):
        return None
    return found


def read_errors(plan: Plan) -> str:
    """What the supervisor itself reported: the last line."""
    with suppress(OSError):
        text = plan.in_run(_ERRORS).read_text("utf-8", errors="replace")
        return text.strip().rpartition("\n")[2]
    return ""


def _supervisors_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}


def _inherited() -> dict[str, str]:
    names = [name for name in os.environ if name in INHERITED or name.startswith("LC_")]
    return {name: os.environ[name] for name in names}


def _write_etc(run: Path, uid: int, *, network: bool) -> None:
    """The files of ``/etc`` that name accounts and hosts, with the sandbox's own only."""
    files = {
        "passwd": f"student:x:{uid}:{uid}:student:/tmp:/bin/sh\n",
        "group": f"student:x:{uid}:\n",
    }
    if not network:
        files |= {
            "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        }
    for name, content in files.items():
        (run / ETC / name).write_text(content, encoding="ascii")
        (run / ETC / name).chmod(0o644)
    (run / ETC).chmod(0o755)


def _account(mechanism: Mechanism, paths: Sequence[str]) -> Account | None:
    """Another account if this process may change accounts, so that limits and signals apply.

    :raises SandboxUnavailable: this container has too few accounts
    """
    if os.geteuid() != 0:
        return None
    for first, count in _ACCOUNTS:
        if all(_mapped(f"/proc/self/{name}", first, count) for name in ("uid_map", "gid_map")):
            uid = first + random.randrange(count)  # noqa: S311 - only different from others
            return Account(uid, search=mechanism is Mechanism.LANDLOCK and _closed(paths))
    raise SandboxUnavailable(
        "This container has too few accounts to run submissions under one of their own. Run the "
        "formgrader under an account other than root."
    )


def _mapped(file: str, first: int, count: int) -> bool:
    for line in Path(file).read_text("ascii").splitlines():
        start, _, length = map(int, line.split())
        if start <= first and first + count <= start + length:
            return True
    return False


def _closed(paths: Sequence[str]) -> bool:
    """Whether a folder on the way to one of these is closed to other accounts."""
    folders = {str(parent) for path in paths for parent in Path(path).parents}
    return any(not os.stat(folder).st_mode & 0o001 for folder in folders)
