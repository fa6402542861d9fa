"""A managed service that cannot work: it stays up, says why, and starts as soon as it can.

JupyterHub 5 and 6 exit together with a managed service that ends while the Hub starts. So a typing
error in a policy file would take the whole hub down.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from common import logs
from common.config.application import ServiceApp
from common.config.environment import service_address
from common.errors import ConfigError, unexpected
from common.program.shutdown import run_loop

CHECK_SECONDS = 5.0
"""Between two looks at whether invalid settings and files have been corrected."""
AGAIN_SECONDS = 30.0
"""Until the next start after one that failed although the settings are valid."""
STOPPED = "The service stopped because of an error. Its log has the details."

Prepare = Callable[[], tuple[ServiceApp, list[str]]]
"""Reads all settings: the application, and everything that is wrong with them."""


def keep_running(prepare: Prepare, hub: int) -> int:
    """Run a service until it is stopped, however often its settings are wrong or it fails.

    ``hub`` is the process id of the Hub that started the program. Returns the exit code.
    """

    def with_files() -> tuple[ServiceApp, list[str]]:
        app, problems = prepare()
        try:
            return app, problems or app.file_problems()
        except Exception as error:  # the Hub must not exit because of it
            return app, [unexpected(error)]

    while True:
        app, problems = prepare()
        failed, check = not problems, prepare
        if not problems:
            try:
                code = run_loop(app, app.main, hub=hub)
            except ConfigError as error:
                problems = list(error.problems)
            else:
                if code == 0 or app.stopping.is_set():
                    return code
                problems = [STOPPED]
            app, files = with_files()
            if files:  # and no valid text was kept
                check = with_files
                failed = not set(problems) <= set(files)
        waiting = Waiting(app, problems, check, failed=failed)
        code = run_loop(app, waiting.run, hub=hub)
        if app.stopping.is_set():
            return code


class Waiting:
    """A service that cannot work, until its settings are valid or it is time to start again.

    ``failed`` is whether it has been started: then the settings cannot show when it can work,
    unless they are invalid and get corrected.
    """

    def __init__(
        self, app: ServiceApp, problems: list[str], prepare: Prepare, *, failed: bool
    ) -> None:
        self._app, self._prepare, self._failed = app, prepare, failed
        self._problems: list[str] = []
        self._log = logging.getLogger(app.name)
        self._show(problems)

    async def run(self) -> int:
        """Serve the reasons until it is worth a try, or the service is stopped."""
        began, were_wrong = time.monotonic(), not self._failed
        async with AsyncExitStack() as stack:
            await self._serve(stack)
            while not await self._stopped_within(CHECK_SECONDS):
                if self._failed and time.monotonic() - began >= AGAIN_SECONDS:
                    break
                _, problems = await asyncio.to_thread(self._prepare)
                if not problems and were_wrong:
                    self._log.info("The settings are valid now: starting")
                    break
                were_wrong = were_wrong or bool(problems)
                if not self._failed:
                    self._show(problems)
        return 0

    def _show(self, problems: list[str]) -> None:
        shown = [logs.redact(problem) for problem in dict.fromkeys(problems)]
        if shown != self._problems:
            self._log.error("The service cannot work. It starts when this is corrected:")
            for problem in shown:
                self._log.error("  %s", problem)
        self._problems = shown

    async def _serve(self, stack: AsyncExitStack) -> None:
        if not self._app.serves:
            return
        # Only needed in this case, and slow to import.
        from common.web.server import Bind
        from common.web.unavailable import Place, unavailable

        app = self._app
        try:
            tls = app.server_tls
            # Where the Hub looks for it: --ip may be what is wrong.
            ip, port = service_address()
            bind = Bind(ip, port or app.port or 0, tls.server_context() if tls else None)
            place = Place(bind, app.prefix, app.title, app.public_hub_url)
            await stack.enter_async_context(unavailable(place, lambda: self._problems))
        except (OSError, ValueError) as error:
            self._log.error("The reason cannot be shown on a page: %s", error)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._app.stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True
