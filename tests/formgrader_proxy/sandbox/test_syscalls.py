"""The filters of system calls, applied to real processes."""

import errno
import platform
import subprocess
import sys

import pytest

from services.formgrader_proxy.sandbox.syscalls import Rules, programs
from tests.paths import ROOT

APPLY = """
import ctypes, errno, os, resource, signal, socket, sys, tempfile
from services.formgrader_proxy.sandbox.supervisor import confine
confine._prctl(38, 1)
for program in sys.argv[1:]:
    confine._filter(bytes.fromhex(program))
libc = ctypes.CDLL(None, use_errno=True)
def code(function, *arguments):
    try:
        if function(*arguments) == -1:
            return ctypes.get_errno()
    except OSError as error:
        return error.errno
    return 0
"""
WITH_MOUNTS = Rules(mounts=True, network=False)
SHARED = Rules(mounts=False, network=False)


def apply(rules: Rules, code: str) -> str:
    """What the code prints behind the filters."""
    filters = [program.hex() for program in programs(rules)]
    done = subprocess.run(
        [sys.executable, "-c", APPLY + code, *filters], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


#: Numbers of system calls on x86-64 that no notebook needs, and that are often attacked.
DANGEROUS = {
    "ptrace": 101,
    "mount": 165,
    "init_module": 175,
    "add_key": 248,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "memfd_create": 319,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "clone3": 435,
    "pidfd_getfd": 438,
    "a future one": 999,
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize("rules", [WITH_MOUNTS, SHARED], ids=["mounts", "shared"])
def test_dangerous_calls_do_not_exist(rules: Rules) -> None:
    """Also those that a later Linux kernel adds."""
    printed = apply(
        rules, f"print([code(libc.syscall, n, 0, 0, 0) for n in {list(DANGEROUS.values())}])"
    )
    assert printed == str([errno.ENOSYS] * len(DANGEROUS))


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="other machines have no second interface"
)
def test_the_interface_for_32_bit_is_closed() -> None:
    """Its numbers mean other system calls."""
    filters = [program.hex() for program in programs(SHARED)]
    done = subprocess.run(
        [sys.executable, "-c", APPLY + "libc.syscall(0x40000000 + 39)", *filters], cwd=ROOT
    )
    assert done.returncode < 0


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        (WITH_MOUNTS, "1/1 1/2 2/1 2/2 10/1 10/2"),
        (SHARED, "1/1"),
        (Rules(mounts=True, network=True), "2/1 2/2 10/1 10/2"),
        (Rules(mounts=False, network=True), "2/1 2/2 10/1 10/2"),
    ],
    ids=["mounts", "shared", "mounts and network", "shared and network"],
)
def test_sockets(rules: Rules, allowed: str) -> None:
    """Without a network only unix sockets; with one none, they would reach other services."""
    printed = apply(
        rules,
        "for family in (1, 2, 10, 16, 17, 38, 40):\n"
        "    for kind in (1, 2):\n"
        "        if code(lambda: socket.socket(family, kind).close()) == 0:\n"
        "            print(f'{family}/{kind}', end=' ')",
    )
    assert printed == allowed


def test_the_upper_half_of_an_argument_hides_nothing() -> None:
    """The Linux kernel ignores it, so a comparison must too."""
    high = 1 << 32
    printed = apply(
        SHARED,
        "def word(n): return ctypes.c_ulong(n)\n"
        "print([code(libc.syscall, 41, word(f), word(k), 0) for f, k in "
        f"(({high | 2}, 1), ({high | 1}, 2), (1, {high | 2}))],"
        f"code(libc.syscall, 16, word(0), word({high | 0x5412}), 0))",
    )
    if platform.machine() == "x86_64":
        assert printed == "[13, 13, 13] 1"


def test_modes_and_times_of_files_stay() -> None:
    """Without own mounts a change by path would reach every file of the account."""
    printed = apply(
        SHARED,
        "with tempfile.NamedTemporaryFile() as file:\n"
        "    before = os.stat(file.name)\n"
        "    codes = [code(os.chmod, file.name, 0o777), code(os.utime, file.name, (1, 1)),"
        "        code(os.chown, file.name, 1, 1), code(os.setxattr, file.name, 'user.a', b'1')]\n"
        "    after = os.stat(file.name)\n"
        "    same = [getattr(before, n) == getattr(after, n)"
        " for n in ('st_mode', 'st_mtime_ns', 'st_uid')]\n"
        "    print(codes, same)",
    )
    assert printed == f"[0, 0, {errno.EPERM}, {errno.EOPNOTSUPP}] [True, True, True]"


def test_other_processes_keep_limits_and_priority() -> None:
    """Its own can be lowered."""
    printed = apply(
        SHARED,
        "parent = os.getppid()\n"
        "print(code(resource.prlimit, parent, resource.RLIMIT_CORE, (0, 0)),"
        "code(resource.setrlimit, resource.RLIMIT_CORE, (0, 0)),"
        "code(os.setpriority, os.PRIO_PROCESS, parent, 19),"
        "code(os.setpriority, os.PRIO_PROCESS, 0, 19),"
        "code(os.setpriority, os.PRIO_USER, 0, 19))",
    )
    assert printed == "1 0 1 0 1"


@pytest.mark.parametrize("signals", [True, False])
def test_signals_before_linux_6_12(signals: bool) -> None:
    """Where Landlock keeps no signals inside, none can be sent to a process."""
    rules = Rules(mounts=False, network=False, signals=signals)
    printed = apply(rules, "print(code(os.kill, os.getppid(), 0), code(os.kill, 0, 0))")
    assert printed == ("0 0" if signals else "1 0")


def test_owners_of_descriptors_get_no_signals() -> None:
    """F_SETOWN and F_SETSIG can send any signal to any process."""
    printed = apply(
        SHARED,
        "import fcntl\nr, w = os.pipe()\n"
        "print([code(fcntl.fcntl, r, one, 1) for one in (8, 10, 1024, 1026)])",
    )
    assert printed == "[1, 1, 1, 1]"
