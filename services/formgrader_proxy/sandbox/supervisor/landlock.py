"""Landlock by its system calls: this process and its children keep access to named paths only.

https://docs.kernel.org/userspace-api/landlock.html. No package: the maintained ones are compiled
extensions, and a supervisor imports as little as it can.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK = (1 << bit for bit in range(6, 12))
MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(12, 16))

READ = EXECUTE | READ_FILE | READ_DIR
#: Regular files and folders only: no symlinks, devices, FIFOs or sockets.
CHANGE = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER
USE_DEVICE = READ_FILE | WRITE_FILE
SOCKETS = READ_FILE | READ_DIR | REMOVE_FILE | MAKE_SOCK
_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT, _SCOPE_SIGNAL = 1, 2
#: The version that keeps signals inside the sandbox (Linux 6.12).
SIGNALS_SINCE = 6


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


@dataclass(frozen=True)
class Grant:
    """``access`` to a path and everything below it. Paths that do not exist are ignored."""

    path: str
    access: int


def version() -> int:
    """The version of Landlock's interface, 0 without Landlock."""
    return max(0, _call(_CREATE_RULESET, None, 0, _VERSION_FLAG))


def restrict(grants: Iterable[Grant], *, network: bool) -> None:  # pragma: no cover
    """Restrict this thread and its later children to these grants, for ever.

    :raises OSError: Landlock does not work here
    """
    found = version()
    if not found:
        raise OSError(ctypes.get_errno(), "this Linux kernel has no Landlock, or it is off")
    handled = _files(found)
    ruleset = _Ruleset(
        handled,
        0 if network or found < 4 else _BIND_TCP | _CONNECT_TCP,
        _SCOPE_ABSTRACT | _SCOPE_SIGNAL if found >= SIGNALS_SINCE else 0,
    )
    size = 8 if found < 4 else 16 if found < SIGNALS_SINCE else 24
    descriptor = _checked(_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    for grant in grants:
        try:
            parent = os.open(grant.path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        access = grant.access & handled
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= _FOR_FILES
        rule = _PathBeneath(access, parent)
        _checked(_ADD_RULE, descriptor, _PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(parent)
    _checked(_RESTRICT_SELF, descriptor, 0)
    os.close(descriptor)


def _files(found: int) -> int:
    """The rights over files that this version knows."""
    newest = 12 if found < 2 else 13 if found < 3 else 14 if found < 5 else 15
    return (1 << newest + 1) - 1


def _call(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))


def _checked(number: int, *arguments: object) -> int:  # pragma: no cover
    result = _call(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
