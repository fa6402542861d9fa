"""The proxy in a container of its own: it may be replaced at any time and knows no route then."""

import asyncio
from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy
from traitlets import Float


class WatchedProxy(ConfigurableHTTPProxy):  # type: ignore[misc]  # jupyterhub has no types
    """One that the Hub does not start, and that gets its routes within seconds when it is new.

    By itself the Hub finds out when it reads the servers' activity off the routes, every
    last_activity_interval; that costs it a query for each server, too much to do it often.
    """

    look_interval = Float(5, help="Seconds between two looks whether the proxy is new").tag(
        config=True
    )

    _looking: asyncio.Task[None] | None = None

    async def get_all_routes(self) -> Any:
        """As the Hub asks for them, first at its start; from then on we look by ourselves."""
        routes = await super().get_all_routes()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on())
        return routes

    async def stop_looking(self) -> None:
        """End what get_all_routes began. The Hub does not: this ends with it."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(self.look_interval)
            try:
                await self._look()
            except TimeoutError:
                self.log.error("The proxy's API at %s does not answer; trying on", self.api_url)
            except Exception:
                # Whatever it was, the next look is due.
                self.log.exception("The proxy's routes could not be looked at")

    async def _look(self) -> None:
        routes = await self.get_all_routes()
        # One that has just started knows the Hub as well, but not from the Hub.
        if self.app.hub.routespec not in routes:
            self.log.warning("The proxy is a new one: it gets its routes")
            await self.check_routes(self.app.users, self.app._service_map, routes)
