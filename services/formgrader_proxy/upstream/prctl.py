"""Linux process controls: hide a process from its account, and end it with its parent.

Autograding runs students' code. Unless the course has its own account (``user``), that code runs
under the account of this service, whose ``/proc/<pid>/environ`` contains the Hub's token.
"""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # linux/prctl.h


def hide_process() -> bool:
    """Make this process's memory and environment readable for root only.

    Programs that it starts afterwards are not hidden. Returns whether the system supports it.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent(parent: int) -> bool:
    """Send this process SIGTERM when its parent ends, immediately if it has ended already.

    ``parent`` is the process id that the parent had. Returns whether the system supports it.
    """
    supported = _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if supported and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
    return supported


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (AttributeError, OSError):
        return False
