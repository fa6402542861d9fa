"""The product on a history: recorder, database and queries, with a fake Hub on a real port."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.clock import FakeClock
from tests.stats.reference.history import POLLS, History, Step
from tests.stats.reference.script_hub import Polled, ScriptHub


@dataclass
class Played:
    """What became of a history."""

    history: History
    queries: Queries
    zone: str
    polled: list[Polled] = field(default_factory=list)


class Player:
    """Plays one history after the other. Made by ``player``."""

    def __init__(self, hub: ScriptHub, session: aiohttp.ClientSession, folder: Path) -> None:
        self._hub, self._session, self._folder = hub, session, folder
        self._empty: Path | None = None
        self._number = 0

    async def play(self, history: History, db_url: str = "") -> Played:
        """Record a history, by default in a new SQLite file. Close the store afterwards."""
        self._hub.begin(history)
        clock = FakeClock(history.start)
        client = HubClient(
            self._session, self._hub.api_url, self._hub.token, clock=clock, retry=NO_RETRY
        )
        db_url = db_url or await self._new_file()
        zone, recorder = history.zone, await _recorder(client, db_url, history.zone, history, clock)
        polled = []
        for step in history.in_order():
            self._hub.minute = step.minute
            clock.elapsed = step.minute * 60.0
            if step.do in POLLS:
                polled.append(await self._poll(recorder, step))
            elif step.do in ("restart", "zone"):
                await recorder.close()
                await recorder.store.close()
                zone = step.detail or zone
                recorder = await _recorder(client, db_url, zone, history, clock)
            else:
                self._hub.happen(step)
        await recorder.lock.release()
        return Played(history, Queries(recorder.store), zone, polled)

    async def _poll(self, recorder: Recorder, step: Step) -> Polled:
        self._hub.expect(step)
        result = await recorder.poll()
        assert result.written, result.error
        return self._hub.polled()

    async def _new_file(self) -> str:
        """A new database; the tables are created once and copied."""
        if self._empty is None:
            self._empty = self._folder / "empty.sqlite"
            store = await Store.open(f"sqlite:///{self._empty}", ZoneInfo("UTC"))
            await store.close()
        self._number += 1
        path = self._folder / f"{self._number % 2}.sqlite"
        for old in self._folder.glob(f"{path.name}*"):
            old.unlink()
        shutil.copy(self._empty, path)
        return f"sqlite:///{path}"


async def _recorder(
    client: HubClient, db_url: str, zone: str, history: History, clock: FakeClock
) -> Recorder:
    """The recorder of a new process."""
    settings = RecorderSettings(
        interval=history.interval * 60,
        full_interval=history.full_interval * 60,
        retention=timedelta(days=history.keep_days) if history.keep_days else None,
    )
    store = await Store.open(db_url, ZoneInfo(zone))
    recorder = Recorder(client, store, settings, clock=clock)
    assert await recorder.acquire_leadership()
    return recorder


@asynccontextmanager
async def player(folder: Path) -> AsyncIterator[Player]:
    """A player with its fake Hub; its databases are in ``folder``."""
    async with ScriptHub() as hub, aiohttp.ClientSession() as session:
        yield Player(hub, session, folder)
