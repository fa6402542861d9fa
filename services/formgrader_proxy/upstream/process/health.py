"""Whether a running formgrader is busy or stuck.

nbgrader serves one request at a time, and autogrades inside a request. So a server that does not
respond can be a healthy one. :func:`judge` decides by how long it has been silent, whether it has
anything to do, and whether it or its kernels use the CPU.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp

from common.clock import Clock
from services.formgrader_proxy.upstream.keeper.tree import descendants

#: Statuses of a process that does not run: stopped, traced, zombie, dead (proc(5)).
_HALTED = frozenset("TtZX")
#: A process that uses less than this share of a CPU makes no progress: threads that only wake up.
_PROGRESS = 0.01
#: Attempts to connect that are refused, in a row, until it is certain.
_REFUSALS = 2


@dataclass(frozen=True)
class Patience:
    """Seconds of silence after which a formgrader is stuck.

    ``unused``: it handles no request, or its process is stopped. ``waiting``: it handles a
    request, and neither it nor a kernel uses the CPU. ``working``: it uses the CPU, but no kernel
    does, as in an endless loop or while it generates the feedback of a large class. ``interval``
    is the time between two probes, which wait ``probe`` seconds for a response.
    """

    unused: float = 120
    waiting: float = 600
    working: float = 1800
    interval: float = 10
    probe: float = 5


@dataclass(frozen=True)
class Observation:
    """What is known about a formgrader; times are seconds before now.

    ``answered`` is when it last responded. ``progressed`` is when it, its kernels or other
    children last used the CPU, ``children_progressed`` when one of the latter did.
    ``refused`` counts the latest attempts to connect that were refused. ``handling``: a request
    that was sent before it became silent has no response yet. ``halted``: its process is stopped.
    """

    answered: float
    progressed: float
    children_progressed: float
    refused: int
    handling: bool
    halted: bool


def judge(seen: Observation, patience: Patience) -> str | None:
    """Why the formgrader is stuck; None if it responds, or may still be busy."""
    if seen.refused >= _REFUSALS:
        return "it no longer accepted connections"
    why = f"it did not respond for {seen.answered:.0f} s"
    if seen.answered >= patience.unused and seen.halted:
        return f"{why}, and its process was stopped"
    if seen.answered >= patience.unused and not seen.handling:
        return f"{why} while it had nothing to do"
    if min(seen.answered, seen.progressed) >= patience.waiting:
        return f"{why}, and did nothing in the meantime"
    if min(seen.answered, seen.children_progressed) >= patience.working:
        return why
    return None


class HealthCheck:
    """Probes one running formgrader."""

    def __init__(
        self,
        socket: str,
        path: str,
        headers: dict[str, str],
        *,
        keeper: int,
        clock: Clock,
        patience: Patience,
    ) -> None:
        """``socket`` is the path of its socket; ``path`` and ``headers`` make the request.

        ``keeper`` is the process id of its keeper.
        """
        self._socket, self._url, self._headers = socket, f"http://localhost{path}", headers
        self._keeper, self._clock, self._patience = keeper, clock, patience
        self._refused = 0
        self._answered_at = clock.monotonic()
        #: When the first probe without a response was sent, and what was seen since then.
        self._silent_since: float | None = None
        self._sampled_at = self._progress_at = self._children_progress_at = 0.0
        self._usage = Usage()

    async def watch(self, oldest_request: Callable[[], float | None]) -> str:
        """Probe until the formgrader is stuck; returns why.

        ``oldest_request`` is the (monotonic) time when the request that has been in flight for
        longest was sent; None if there is none.
        """
        while True:
            await self._clock.sleep(1 if self._refused else self._patience.interval)
            if await self._responds():
                continue
            self._sample()
            if why := judge(self._observation(oldest_request()), self._patience):
                return why

    def _observation(self, oldest_request: float | None) -> Observation:
        now = self._clock.monotonic()
        return Observation(
            answered=now - self._answered_at,
            progressed=now - self._progress_at,
            children_progressed=now - self._children_progress_at,
            refused=self._refused,
            # Later requests only wait for it, like the probe.
            handling=oldest_request is not None
            and self._silent_since is not None
            and oldest_request <= self._silent_since,
            halted=self._usage.halted,
        )

    async def _responds(self) -> bool:
        """Send a request. Its status does not matter."""
        sent = self._clock.monotonic()
        timeout = aiohttp.ClientTimeout(total=self._patience.probe)
        # A new connection each time: those that are open already survive a closed socket.
        connector = aiohttp.UnixConnector(self._socket, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.get(self._url, headers=self._headers, allow_redirects=False),
            ):
                self._answered_at, self._silent_since, self._refused = sent, None, 0
                return True
        except aiohttp.ClientConnectorError as error:
            refused = error.os_error.errno == errno.ECONNREFUSED
            self._refused = self._refused + 1 if refused else 0
        except (aiohttp.ClientError, OSError, TimeoutError):
            self._refused = 0
        if self._silent_since is None:
            self._silent_since = sent
            self._sampled_at = self._progress_at = self._children_progress_at = sent
            self._usage = usage(self._keeper)
        return False

    def _sample(self) -> None:
        """Note whether the CPU was used since the last sample."""
        now, latest = self._clock.monotonic(), usage(self._keeper)
        enough = (now - self._sampled_at) * _PROGRESS
        if latest.own - self._usage.own > enough:
            self._progress_at = now
        if latest.children - self._usage.children > enough:
            self._progress_at = self._children_progress_at = now
        self._usage, self._sampled_at = latest, now


class Usage(NamedTuple):
    """CPU seconds of a formgrader itself and of what it started; whether it is stopped."""

    own: float = 0.0
    children: float = 0.0
    halted: bool = False


def usage(keeper: int) -> Usage:
    """The usage of the formgrader with this keeper, whose oldest child it is."""
    below = descendants(keeper)
    own = [one for one in below if one.parent == keeper]
    if not own:
        return Usage(halted=True)
    formgrader = min(own, key=lambda one: one.started)
    everything = sum(one.own_cpu + one.ended_cpu for one in below)
    return Usage(formgrader.own_cpu, everything - formgrader.own_cpu, formgrader.state in _HALTED)
