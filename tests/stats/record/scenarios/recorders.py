"""A fake Hub and recorders that poll it, for the tests of polling, recording and leadership."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from common.hub.client import HubClient
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.store import tables as t
from services.stats.store.store import Store
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

MINUTE = timedelta(minutes=1)


class Scenario:
    """A fake Hub, its clock, and any number of recorders that share one database."""

    def __init__(self, fake: FakeHub, clock: FakeClock, hub: HubClient, db_url: str) -> None:
        self.fake, self.clock, self.hub, self.db_url = fake, clock, hub, db_url
        self.recorders: list[Recorder] = []

    async def recorder(self, settings: RecorderSettings | None = None) -> Recorder:
        """A recorder with its own connections, as if in its own process."""
        store = await Store.open(self.db_url, ZoneInfo("UTC"))
        recorder = Recorder(self.hub, store, settings or RecorderSettings(), clock=self.clock)
        self.recorders.append(recorder)
        return recorder

    async def leading(self, settings: RecorderSettings | None = None) -> Recorder:
        """A recorder that is the leader."""
        recorder = await self.recorder(settings)
        assert await recorder.acquire_leadership()
        return recorder

    async def rows(self, table: object) -> list[tuple[object, ...]]:
        """All rows of a table, sorted."""
        store = await Store.open(self.db_url, ZoneInfo("UTC"))
        try:
            async with store.reading() as connection:
                return sorted(tuple(row) for row in await connection.execute(select(table)))  # type: ignore[call-overload]  # a Table
        finally:
            await store.close()

    async def work(self) -> list[tuple[float, int]]:
        """The recorded activity: start in minutes after START, and length in seconds."""
        return [((row[0] - START) / MINUTE, row[2]) for row in await self.rows(t.activity)]  # type: ignore[operator, misc]  # a row's times

    def pass_minutes(self, minutes: float) -> None:
        """Advance the clock of the Hub and of the recorders."""
        self.clock.advance(minutes * 60)

    def touch(self, name: str, server: str = "") -> None:
        """The user works now."""
        user = self.fake.users[name]
        user.last_activity = user.servers[server].last_activity = self.clock.now()

    def touch_user(self, name: str) -> None:
        """The user opens a page of the Hub now."""
        self.fake.users[name].last_activity = self.clock.now()

    def start(self, name: str) -> None:
        """The user starts the default server now."""
        self.fake.add_server(name, started=self.clock.now())
        self.touch(name)

    def stop(self, name: str) -> None:
        """The user's server is stopped now, as by a culler."""
        self.fake.users[name].servers.clear()
        self.fake.users[name].last_activity = self.clock.now()
