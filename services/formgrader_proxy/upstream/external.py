"""A formgrader that runs elsewhere: one upstream for every kind of work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.process.launch import read_secret


class External:
    """The formgrader at ``url``. Its token is read from ``token_file`` when it is first used."""

    #: It may handle one request at a time, as nbgrader's own does.
    job_concurrency = 1

    def __init__(self, url: str, token_file: Path | None, changes: Changes) -> None:
        self._url = url
        self._token_file = token_file
        self._changes = changes
        self._upstream: Upstream | None = None
        self._requests = 0

    @property
    def ended(self) -> bool:
        """Whether there is no connection."""
        return self._upstream is None

    def ready(self, work: Work) -> Upstream:
        """Where to send a request. :raises UpstreamUnreachable: the token file cannot be read"""
        if self._upstream is None:
            try:
                token = read_secret(self._token_file)
            except (OSError, ValueError) as error:
                raise UpstreamUnreachable(f"the token file cannot be read: {error}") from error
            self._upstream = Upstream.at(self._url, token)
        return self._upstream

    def serves(self, work: Work) -> bool:
        """True: whether it runs is not known."""
        return True

    def turn(self, work: Work, waited: float) -> Upstream:
        """As :meth:`ready`: whether it is busy is not known."""
        return self.ready(work)

    def pause(self, work: Work) -> float:
        """Zero: it never has to wait."""
        return 0.0

    def runs(self, upstream: Upstream) -> bool:
        """Whether ``upstream`` is this one."""
        return self._upstream is upstream

    @contextmanager
    def in_use(self, upstream: Upstream) -> Iterator[None]:
        """``upstream`` is handling a request, so its connections stay open."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._changes.notify()

    async def interrupt(self, upstream: Upstream) -> None:
        """Does nothing: only its own administrator can stop it."""

    async def drain(self) -> None:
        """Close the connections when the requests have ended."""
        while self._requests:
            await self._changes.wait()
        await self.stop()

    async def stop(self) -> None:
        """Close the connections now."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            await upstream.close()
