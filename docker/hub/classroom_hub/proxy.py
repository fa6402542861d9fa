"""The proxy in its own container. It can be replaced at any time and then has no routes."""

import asyncio
from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy
from traitlets import Float


class WatchedProxy(ConfigurableHTTPProxy):  # type: ignore[misc]  # jupyterhub has no types
    """A proxy that the Hub does not start, and whose routes are restored within seconds.

    By default the Hub notices a new proxy only when it reads the servers' activity from the
    routes, every last_activity_interval. That takes a query per server, so it cannot run often.
    """

    check_interval = Float(5, help="Seconds between two checks for a new proxy").tag(config=True)

    _checks: asyncio.Task[None] | None = None

    async def get_all_routes(self) -> Any:
        """Return the routes. The first call, when the Hub starts, starts the regular checks."""
        routes = await super().get_all_routes()
        if self._checks is None:
            self._checks = asyncio.create_task(self._check_regularly())
        return routes

    async def stop_checks(self) -> None:
        """Stop the checks that get_all_routes started. The Hub never calls this."""
        if self._checks is not None:
            self._checks.cancel()
            await asyncio.wait([self._checks])

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.check_interval)
            try:
                await self._restore_routes()
            except TimeoutError:
                self.log.error("The proxy API at %s does not respond; retrying", self.api_url)
            except Exception:
                # The checks continue after any error.
                self.log.exception("Cannot check the proxy's routes")

    async def _restore_routes(self) -> None:
        routes = await self.get_all_routes()
        # A new proxy has a default route to the Hub too, but not the one that the Hub added.
        if self.app.hub.routespec not in routes:
            self.log.warning("The proxy was restarted; restoring its routes")
            await self.check_routes(self.app.users, self.app._service_map, routes)
