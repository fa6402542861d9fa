"""Programs of another process of the same account, without any capability.

Root may trace every process. Without capabilities it may only trace processes that have none
either, so start the victim with :func:`drop_capabilities` too; then these tests mean the same for
root as for any other account.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping

from tests.paths import ROOT

_PR_CAPBSET_DROP = 24  # linux/prctl.h
_CAPABILITIES = 64

#: Connects to every socket that is open in the process, as far as it can. Prints their names.
CONNECT = """
import os, socket, sys
pid, reached = sys.argv[1], []
paths = [f"/proc/{pid}/fd/{number}" for number in range(200)]
with open("/proc/net/unix") as table:
    paths += [line.split()[7] for line in table if "/formgrader-" in line]
for path in paths:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.settimeout(5)
            client.connect(path)
            reached.append(path)
        except OSError:
            pass
print(*reached)
"""
#: Reads what is secret in a process. Prints what it could read.
READ = """
import ctypes, os, sys
pid, read = sys.argv[1], []
for name in ("environ", "mem", "maps", "auxv"):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            if name != "mem":
                file.read(1)
        read.append(name)
    except OSError:
        pass
try:
    os.readlink(f"/proc/{pid}/fd/0")
    read.append("descriptors")
except OSError:
    pass
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
if libc.ptrace(PTRACE_SEIZE, int(pid), None, None) == 0:
    read.append("trace")
print(*read)
"""


def attack(script: str, *arguments: object, environment: Mapping[str, str] | None = None) -> str:
    """Run the script as the same account; what it prints."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        preexec_fn=drop_capabilities,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
        env=environment,
        cwd=ROOT,
    ).stdout.strip()


def drop_capabilities() -> None:
    """For the program that is executed next; only root has any."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in range(_CAPABILITIES):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
