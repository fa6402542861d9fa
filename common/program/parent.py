"""The Hub as the parent of a managed service: when it ends, the service ends."""

import asyncio
import os

from common.config import environment

POLL_SECONDS = 5.0
"""Between two looks at the parent, on systems that cannot announce its end."""


def hub_process() -> int | None:
    """The process id of the Hub that started this program; None if something else started it.

    Call it early: if the Hub has ended meanwhile, another process has become the parent.
    """
    return os.getppid() if environment.is_managed() else None


async def ended(process: int) -> None:
    """Return when the parent, which had this process id, has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except (AttributeError, OSError):  # not Linux 5.3 or later, or it has ended
        while os.getppid() == process:  # noqa: ASYNC110 - nothing announces it there
            await asyncio.sleep(POLL_SECONDS)
        return
    try:
        if os.getppid() != process:
            return  # the descriptor may be that of a later process
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
