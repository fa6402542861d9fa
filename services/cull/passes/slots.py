"""So many at a time, and none for ever."""

import asyncio
import math
from collections.abc import Callable


class Slot:
    """A place among those at work. It comes free when released, or when a thing takes too long.

    Its holder does one thing after the other, and says so with :meth:`begin`.
    """

    def __init__(self, slots: "Slots") -> None:
        self.held = True
        self._slots = slots
        self._loop = asyncio.get_running_loop()
        self._since = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The holder turns to the next thing, whose time counts from now on."""
        self._since = self._loop.time()
        # One timer for all that is done in the slot: it looks when it fires what is under way.
        if self._timer is None and self.held:
            self._timer = self._loop.call_at(self._since + self._slots.seconds, self._look)

    def pause(self) -> None:
        """The holder is at nothing, and takes no time."""
        self._since = math.inf

    def release(self) -> None:
        """Let somebody else have it; a second time does nothing."""
        if not self.held:
            return
        self.held = False
        if self._timer is not None:
            self._timer.cancel()
        self._slots.came_free()

    def _look(self) -> None:
        self._timer = None
        due = self._since + self._slots.seconds
        if due <= self._loop.time():
            self.release()
        elif due < math.inf:
            self._timer = self._loop.call_at(due, self._look)


class Slots:
    """``width`` slots. Who is at one thing for longer than ``seconds`` goes on without one.

    So ten requests that hang hold up nobody else for longer than that. ``start`` sets somebody
    to work in a slot, which is given to another when it comes free, as long as ``wanted``.
    """

    def __init__(
        self,
        width: int,
        seconds: float,
        start: Callable[[Slot], None],
        wanted: Callable[[], bool],
    ) -> None:
        self.seconds = seconds
        self._start = start
        self._wanted = wanted
        self._taken = width
        self._all_free = asyncio.Event()
        for _ in range(width):
            start(Slot(self))

    def came_free(self) -> None:
        """One slot is nobody's now."""
        if self._wanted():
            self._start(Slot(self))
            return
        self._taken -= 1
        if self._taken == 0:
            self._all_free.set()

    async def all_free(self) -> None:
        """Wait until nobody is at work, or all that are have run out of their time."""
        await self._all_free.wait()
