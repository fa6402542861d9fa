"""What Linux can do for a process: hide it from others of its account, end it with its parent.

Autograding runs students' code. Without an account of its own for that (``user``), the code
runs as ours, and ``/proc/<our pid>/environ`` holds the Hub's token.
"""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # linux/prctl.h


def hide_process() -> bool:
    """Let only root look into this process; whether the system knows how.

    Programs that it starts afterwards are not hidden.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent(parent: int) -> bool:
    """Get SIGTERM when our parent, who had this process id, ends; at once where it has already."""
    known = _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if known and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
    return known


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (AttributeError, OSError):
        return False
