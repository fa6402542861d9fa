"""The child process that becomes the command of a sandbox: its limits and restrictions.

An error ends the child with a message on its standard error, which the supervisor keeps. What runs
after fork(2) and before execve(2) is excluded from coverage, which cannot be written there.
"""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from services.formgrader_proxy.sandbox.plan import CONNECTION, TEMPORARY, Account, Plan
from services.formgrader_proxy.sandbox.settings import Mechanism
from services.formgrader_proxy.sandbox.supervisor import bubblewrap, landlock
from services.formgrader_proxy.sandbox.supervisor.processes import threads_of_account

OPEN_FILES = 1024
#: Many busy processes must not keep the supervisor from watching them.
NICENESS = 10
#: A process's private memory is limited far above the limit for all of them, which the supervisor
#: watches: libraries for linear algebra reserve memory for each core of the machine.
_SPARE_MEMORY = 4 * 2**30
#: A file may grow a little beyond the limit, so that the supervisor can see it and say why it ends
#: the code. Otherwise writing fails, and nobody learns of the limit.
_SPARE_DISK = 64 * 2**20
#: More of the account's processes may start meanwhile, also in other containers.
_SPARE_PROCESSES = 256

_DEVICES = ("null", "zero", "full", "random", "urandom")
#: About the machine, not about processes.
_ABOUT_MACHINE = (
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/uptime"),
    *("/proc/version", "/proc/loadavg", "/proc/sys/kernel/osrelease", "/proc/sys/vm"),
)

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 8, 24, 38
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 22, 2, 47, 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITIES_VERSION = 0x20080522  # linux/capability.h: _LINUX_CAPABILITY_VERSION_3


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def start(plan: Plan, output: int) -> int:
    """Start the plan's command, with ``output`` as both of its outputs. Returns its process id."""
    supervisor = os.getpid()
    become = _bubblewrap(plan) if plan.mechanism is Mechanism.BUBBLEWRAP else _landlock(plan)
    limits = list(_limits(plan))
    child = os.fork()
    if child:
        return child
    try:  # pragma: no cover
        _prepare(supervisor, output, limits)
        become()
    except BaseException as error:
        os.write(2, f"The sandbox cannot be set up: {error}\n".encode())
    os._exit(125)


def _prepare(
    supervisor: int, output: int, limits: list[tuple[int, int, int]]
) -> None:  # pragma: no cover
    _end_with_supervisor(supervisor)
    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(signum, signal.SIG_DFL)
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for source, descriptor in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, descriptor)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # if the machine's memory runs out, end this and not the formgrader
    os.umask(0o022)
    os.nice(NICENESS)
    for which, soft, hard in limits:
        most = resource.getrlimit(which)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(which, (soft, hard))


def _end_with_supervisor(supervisor: int) -> None:  # pragma: no cover
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(125)


def _limits(plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Limits for each process, soft and hard. The supervisor watches the sums."""
    most = plan.limits
    own = 0 if plan.account else threads_of_account()
    yield resource.RLIMIT_CORE, 0, 0
    yield resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES
    disk = most.disk + _SPARE_DISK
    yield resource.RLIMIT_FSIZE, disk, disk
    yield resource.RLIMIT_CPU, most.cpu_seconds + 5, most.cpu_seconds + 10
    memory = 2 * most.memory + _SPARE_MEMORY
    yield resource.RLIMIT_DATA, memory, memory
    # More than the supervisor accepts, so that it sees and reports what happens.
    processes = own + most.processes + _SPARE_PROCESSES
    yield resource.RLIMIT_NPROC, processes, processes
    yield resource.RLIMIT_MEMLOCK, 65536, 65536


def _bubblewrap(plan: Plan) -> Callable[[], None]:
    bwrap, setpriv = shutil.which("bwrap"), shutil.which("setpriv")
    if bwrap is None or (plan.account and setpriv is None):
        name = "bubblewrap (bwrap)" if bwrap is None else "util-linux (setpriv)"
        raise FileNotFoundError(f"{name} is not installed")
    usage = subprocess.run(  # noqa: S603
        [bwrap, "--help"], capture_output=True, text=True, check=False
    )
    nesting = "--disable-userns" in usage.stdout + usage.stderr
    filters = [_descriptor(one) for one in plan.filters]
    command = bubblewrap.command(plan, bubblewrap.Programs(bwrap, setpriv or "", nesting), filters)

    def become() -> None:  # pragma: no cover
        _close_others(filters)
        os.execve(bwrap, command, {"PATH": os.defpath})  # noqa: S606

    return become


def _descriptor(content: bytes) -> int:
    descriptor = os.memfd_create("filter", 0)  # passed on to bubblewrap
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _landlock(plan: Plan) -> Callable[[], None]:
    grants = [landlock.Grant(path, landlock.READ) for path in (*plan.software, *_ABOUT_MACHINE)]
    grants += [landlock.Grant(f"/dev/{name}", landlock.USE_DEVICE) for name in _DEVICES]
    grants += [
        landlock.Grant(plan.folder, landlock.CHANGE),
        landlock.Grant(str(plan.in_run(TEMPORARY)), landlock.CHANGE),
        landlock.Grant(str(plan.in_run(CONNECTION)), landlock.SOCKETS),
    ]

    supervisor = os.getpid()

    def become() -> None:  # pragma: no cover
        _close_others(())
        if plan.account:
            _leave_root(plan.account)
            _end_with_supervisor(supervisor)  # forgotten with the account
        os.chdir(plan.folder)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        own = landlock.Grant(f"/proc/{os.getpid()}", landlock.READ)  # not those of its children
        landlock.restrict([*grants, own], network=plan.network)
        for program in plan.filters:
            _filter(program)
        os.execvpe(plan.command[0], plan.command, plan.environment)  # noqa: S606

    return become


def _close_others(keep: Iterable[int]) -> None:  # pragma: no cover
    kept = {0, 1, 2, *keep}
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with suppress(OSError):  # the listing's own
                os.close(int(name))


def _filter(program: bytes) -> None:  # pragma: no cover
    """Apply a program to this process. It stays for ever."""
    value = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(value))


def _leave_root(account: Account) -> None:  # pragma: no cover
    """Become the account. It keeps one capability, if it needs to pass closed folders."""
    if account.search:
        _prctl(_PR_SET_KEEPCAPS, 1)
    for capability in range(64):
        if not (account.search and capability == _CAP_DAC_READ_SEARCH):
            _libc().prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # those that do not exist fail
    os.setgroups([])
    os.setresgid(account.uid, account.uid, account.uid)
    os.setresuid(account.uid, account.uid, account.uid)
    if account.search:
        only = 1 << _CAP_DAC_READ_SEARCH
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
        data = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)
        if _libc().capset(header, data):
            raise OSError(ctypes.get_errno(), "folders on the way are closed to other accounts")
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *values: object) -> None:  # pragma: no cover
    arguments = [*values, *(0,) * (4 - len(values))]
    words = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    if _libc().prctl(option, *words):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
