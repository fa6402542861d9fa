"""Which system calls the code in a sandbox may make: programs for seccomp(2).

Two programs, because libseccomp cannot combine "allowed" with "except for these arguments" in one.
The first allows what is named here and answers ENOSYS to everything else, also to system calls
that a later kernel adds. The second denies some arguments.

Landlock does not cover changes to a file's mode, owner, times and attributes by path, connections
to unix sockets, datagrams, and the priorities and limits of other processes of the same account
(https://docs.kernel.org/userspace-api/landlock.html). Under Landlock the programs do.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

ALLOWED = """
accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir clock_getres
clock_gettime clock_nanosleep clone close close_range copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve
execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fcntl fdatasync flock fork
fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake get_mempolicy
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups
getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid
getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid ioctl ioprio_get
ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self link linkat listen
lseek lstat madvise map_shadow_stack membarrier mincore mkdir mkdirat mlock mlock2 mlockall mmap
mprotect mremap mseal msync munlock munlockall munmap nanosleep newfstatat open openat openat2
pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl
pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead readlink
readlinkat readv recvfrom recvmmsg recvmsg rename renameat renameat2 restart_syscall
riscv_flush_icache riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
seccomp select sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address
setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid
setreuid setrlimit setsid setsockopt setuid shutdown sigaltstack signalfd signalfd4 socket
socketpair splice stat statfs statx symlink symlinkat sync_file_range sysinfo tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat vfork wait4 waitid
write writev
"""
#: Only with a file system of its own.
WITH_MOUNTS = """
chmod chown connect fchmod fchmodat fchmodat2 fchown fchownat fgetxattr flistxattr futimesat
getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown lgetxattr listxattr
llistxattr mknod mknodat utime utimensat utimes
"""
#: Answered as by a file system without attributes. An access control list (acl(5)) would outlast
#: the run and let another account change the submission later; other attributes hide data.
CHANGE_ATTRIBUTES = """
fremovexattr fsetxattr lremovexattr lsetxattr removexattr setxattr
"""
#: Without one these do nothing and report success: programs that copy files rely on them.
PRETENDED = "chmod fchmod fchmodat fchmodat2 futimesat utime utimensat utimes"

_CLONE_NEW = 0x7E020080  # sched.h: every CLONE_NEW* that clone(2) accepts
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16  # socket.h
_TYPE_MASK, _STREAM, _OTHER_TYPES = 0xF, 1, (2, 3, 4, 5, 6, 10)
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902  # ioctls.h
_SOL_SOCKET, _SO_SNDBUF = 1, 7  # socket.h
_SETLEASE, _NOTIFY = 1024, 1026  # fcntl.h: let a process delay or observe the files of others
_SETOWN, _SETSIG, _SETOWN_EX = 8, 10, 15  # fcntl.h: send any signal to any process
_LOW = 0xFFFFFFFF  # the kernel ignores the upper half of an int
_UNKNOWN = -1  # seccomp.h: __NR_SCMP_ERROR


@dataclass(frozen=True)
class Rules:
    """What differs between sandboxes.

    ``mounts``: it has a file system, a process id namespace and, without ``network``, a network
    namespace of its own. ``signals``: the kernel keeps signals inside the sandbox.
    """

    mounts: bool
    network: bool
    signals: bool = True


@cache
def programs(rules: Rules) -> tuple[bytes, bytes]:
    """The two programs.

    :raises ImportError, RuntimeError: pyseccomp or libseccomp is not installed
    """
    import pyseccomp

    allow = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    names = ALLOWED.split() + (WITH_MOUNTS.split() if rules.mounts else [])
    if rules.network and not rules.mounts:
        names.append("connect")
    for name in names:
        _add(allow, pyseccomp.ALLOW, name)
    _add(allow, pyseccomp.ERRNO(0), "sync")  # would stall the whole machine
    for name in CHANGE_ATTRIBUTES.split():
        _add(allow, pyseccomp.ERRNO(errno.EOPNOTSUPP), name)
    if not rules.mounts:
        for name in PRETENDED.split():
            _add(allow, pyseccomp.ERRNO(0), name)
        for name in WITH_MOUNTS.split():
            if name.endswith("xattr"):
                _add(allow, pyseccomp.ERRNO(errno.EOPNOTSUPP), name)
            elif name not in names and name not in PRETENDED.split():
                _add(allow, pyseccomp.ERRNO(errno.EPERM), name)

    deny = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for code, name, *arguments in _denied(rules):
        compared = [pyseccomp.Arg(*one) for one in arguments]
        _add(deny, pyseccomp.ERRNO(code), name, *compared)
    return _export(allow), _export(deny)


def _denied(rules: Rules) -> Iterator[tuple[Any, ...]]:
    """Errors, system calls, and comparisons of arguments: index, operator, mask or value, value."""
    from pyseccomp import GT, MASKED_EQ, NE

    for bit in range(32):
        if _CLONE_NEW >> bit & 1:
            yield errno.EPERM, "clone", (0, MASKED_EQ, 1 << bit, 1 << bit)
    for request in (_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP):
        yield errno.EPERM, "ioctl", (1, MASKED_EQ, _LOW, request)
    for command in (_SETLEASE, _NOTIFY, *(() if rules.mounts else (_SETOWN, _SETSIG, _SETOWN_EX))):
        yield errno.EPERM, "fcntl", (1, MASKED_EQ, _LOW, command)
    # What a socket holds is in no process's memory; it keeps its size, which the supervisor knows.
    yield 0, "setsockopt", (1, MASKED_EQ, _LOW, _SOL_SOCKET), (2, MASKED_EQ, _LOW, _SO_SNDBUF)
    families = {_INET, _INET6} if rules.network else {_UNIX}
    if rules.mounts and not rules.network:
        families = {_UNIX, _INET, _INET6}
    yield errno.EACCES, "socket", (0, GT, _NETLINK)
    for family in set(range(_NETLINK + 1)) - families:
        # ZeroMQ ends the process if it cannot list the network's interfaces for another reason.
        code = errno.EOPNOTSUPP if family == _NETLINK else errno.EACCES
        yield code, "socket", (0, MASKED_EQ, _LOW, family)
    if rules.mounts and not rules.network:
        return
    # A datagram reaches a unix socket without a connection.
    for kind in _OTHER_TYPES:
        yield errno.EACCES, "socketpair", (1, MASKED_EQ, _TYPE_MASK, kind)
        if not rules.network:
            unix = (0, MASKED_EQ, _LOW, _UNIX)
            yield errno.EACCES, "socket", unix, (1, MASKED_EQ, _TYPE_MASK, kind)
    if rules.mounts:
        return
    for name in ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"):
        yield 0, name, (0, NE, 0)  # ZeroMQ ends its process if this fails
    for name in ("setpriority", "ioprio_set"):
        yield errno.EPERM, name, (1, NE, 0)
    # PRIO_PROCESS is 0, IOPRIO_WHO_PROCESS 1; the others mean groups and accounts.
    yield errno.EPERM, "setpriority", (0, NE, 0)
    yield errno.EPERM, "ioprio_set", (0, NE, 1)
    yield errno.EPERM, "prlimit64", (0, NE, 0)
    if not rules.signals:
        # Process group 0 is the sandbox's own. raise(3) then fails, also for its own process.
        yield errno.EPERM, "kill", (0, NE, 0)
        for name in ("tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            yield errno.EPERM, name
        yield errno.EPERM, "pidfd_send_signal"


def _add(program: Any, action: int, name: str, *arguments: Any) -> None:
    from pyseccomp import Arch, resolve_syscall

    # What this libseccomp or architecture does not know is answered with ENOSYS anyway.
    if resolve_syscall(Arch.NATIVE, name) != _UNKNOWN:
        program.add_rule(action, name, *arguments)


def _export(program: Any) -> bytes:
    descriptor = os.memfd_create("seccomp")
    with os.fdopen(descriptor, "w+b") as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()
