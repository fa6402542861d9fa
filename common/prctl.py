"""Linux process controls: hide a process from its account, end it with its parent, adopt orphans.

Other processes of the same account can read ``/proc/<pid>/environ`` and the memory of a process,
and trace it. The environment of a service contains the Hub's token.
"""

import ctypes
import os
import signal

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36


def hide_process() -> bool:
    """Make this process's memory, environment and descriptors accessible for root only.

    Programs that it starts afterwards are not hidden. Returns whether the system supports it.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent(parent: int, signum: signal.Signals = signal.SIGTERM) -> bool:
    """Send this process a signal when its parent ends, immediately if it has ended already.

    ``parent`` is the process id that the parent had. Returns whether the system supports it.
    """
    supported = _prctl(_PR_SET_PDEATHSIG, signum)
    if supported and os.getppid() != parent:
        os.kill(os.getpid(), signum)
    return supported


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent ends.

    Returns whether the system supports it.
    """
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (AttributeError, OSError):
        return False
