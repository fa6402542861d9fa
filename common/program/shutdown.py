"""Running until the work is done, a signal arrives, or the Hub that started the program ends.

SIGTERM, SIGINT and the end of the Hub end it within 10 s.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable

from common.config.application import ServiceApp
from common.errors import ConfigError, ServiceError
from common.program import parent

FINISH_SECONDS = 7.0  # for main() to finish after a signal
CANCEL_SECONDS = 1.5  # for main() to end after it is cancelled; then the process exits

Main = Callable[[], Awaitable[int | None]]


def run_loop(app: ServiceApp, main: Main, *, hub: int | None = None) -> int:
    """Run ``main`` in a new event loop; the exit code.

    ``hub`` is the process id of the Hub that started the program, if one did.

    :raises ConfigError: raised by ``main``
    """
    # Exit even if a task cannot be cancelled.
    guard = threading.Timer(FINISH_SECONDS + CANCEL_SECONDS + 0.5, os._exit, (0,))
    guard.daemon = True
    try:
        with asyncio.Runner(loop_factory=app.new_loop) as runner:
            return runner.run(supervise(app, main, on_stop=guard.start, hub=hub))
    finally:
        guard.cancel()


async def supervise(
    app: ServiceApp, main: Main, *, on_stop: Callable[[], None], hub: int | None = None
) -> int:
    """Run ``main`` until it returns, or up to FINISH_SECONDS after a signal; the exit code.

    The end of ``hub``, the process that started this one, counts as a signal: a service that
    outlived its Hub would go on with settings that nobody can see or change.

    The exit code is 0 if ``main`` had to be cancelled after a signal. A second signal cancels it
    at once. ``on_stop`` is called when the first signal arrives.
    """
    loop = asyncio.get_running_loop()
    app.stopping = asyncio.Event()
    log = logging.getLogger(app.name)
    signalled = asyncio.Event()

    def on_signal(which: signal.Signals) -> None:
        if signalled.is_set():
            task.cancel()
            return
        stop(which.name)

    def stop(reason: str) -> None:
        log.info("%s: stopping", reason)
        signalled.set()
        app.stopping.set()

    async def watch_hub(process: int) -> None:
        await parent.ended(process)
        if not arrived:
            arrived.append(True)
            on_stop()
            stop("The Hub has ended")

    def on_arrival(_number: int, _frame: object) -> None:
        # Unlike on_signal, this runs even while the event loop is busy, as during a slow import.
        if not arrived:
            arrived.append(True)
            on_stop()

    arrived: list[bool] = []
    task = asyncio.ensure_future(main())
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, on_signal, which)
        signal.signal(which, on_arrival)
    waiting = asyncio.ensure_future(signalled.wait())
    watching = asyncio.ensure_future(watch_hub(hub)) if hub is not None else None
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await _finish(task, log)
        return 0 if signalled.is_set() and task.cancelled() else _exit_code(task, log)
    finally:
        waiting.cancel()
        if watching is not None:
            watching.cancel()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(which)


async def _finish(task: "asyncio.Future[int | None]", log: logging.Logger) -> None:
    await asyncio.wait({task}, timeout=FINISH_SECONDS)
    if not task.done():
        log.warning("still busy after %.0f s; unfinished work is abandoned", FINISH_SECONDS)
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)


def _exit_code(task: "asyncio.Future[int | None]", log: logging.Logger) -> int:
    if not task.done() or task.cancelled():
        return 0
    error = task.exception()
    if error is None:
        return int(task.result() or 0)
    if isinstance(error, ConfigError):
        raise error
    if isinstance(error, ServiceError) or (isinstance(error, OSError) and error.strerror):
        log.error("%s", error)
    else:
        log.critical("internal error; the service has stopped", exc_info=error)
    return 1
