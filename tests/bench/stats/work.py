"""The programs of the statistics' benchmarks: `python -m tests.bench.stats.work WHAT ...`.

They print their results as JSON.
"""

import argparse
import asyncio
import gc
import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from common.hub.client import HubClient
from common.hub.models import Server, User
from services.stats.commands.report import ReportOptions, report
from services.stats.commands.semester import Semester, semester_changes
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.record.sampler import PollContext, Sampler
from services.stats.records import Changes, Person
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.store import Store

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES_5, MINUTES_10 = timedelta(minutes=5), timedelta(minutes=10)
COURSES = 20


def semester(users: int, days: int) -> Semester:
    """A semester in which 20 % of all users are active each day, with two sessions."""
    students = {f"nbgrader-course{n}": users // COURSES for n in range(COURSES)}
    return Semester(
        MONDAY, days, students=students, active_share=0.2, sessions_a_day=2, with_gaps=False
    )


class Played:
    """A day of a semester, as the Hub would report it."""

    def __init__(self, people: dict[int, Person], groups: dict[int, str], day: Changes) -> None:
        self.people, self.groups, self.day = people, groups, day
        self.work: dict[int, list[tuple[datetime, datetime]]] = {}
        for (user_id, start), end in sorted(day.activity.items()):
            self.work.setdefault(user_id, []).append((start, end or start))

    def at(self, now: datetime, since: datetime) -> Iterator[User]:
        """Return users with running servers, and users whose server has stopped since."""
        for session in self.day.sessions.values():
            ended = session.ended or now
            if session.started > now or ended <= since:
                continue
            user = self.people[session.user_id]
            if ended <= now:
                yield self._user(user, ended)
                continue
            marks = [min(end, now) for start, end in self.work[user.id] if start <= now]
            last = max([session.started, *marks])
            options = {"profile": f"profile{session.profile_id}"}
            server = Server(
                name="",
                ready=True,
                started=session.started,
                last_activity=last,
                user_options=options,
            )
            yield self._user(user, last, server)

    def _user(self, person: Person, last: datetime, *servers: Server) -> User:
        return User(
            name=person.name,
            created=person.created,
            last_activity=last,
            groups=(self.groups[person.id],),
            servers={server.name: server for server in servers},
        )


async def record(file: Path, users: int, days: int) -> dict[str, Any]:
    """Record days poll by poll; return sizes in bytes and the duration of polls in seconds."""
    store = await Store.open(f"sqlite:///{file}", ZoneInfo("UTC"))
    leader = await store.take_leadership()
    state = await store.load_state()
    changes = semester_changes(semester(users, days))
    first = next(changes)
    people = {person.id: person._replace(created=MONDAY) for person in first.newcomers}
    groups = {user: first.groups[group] for group, user, *_ in first.memberships()}
    everybody = [
        User(name=p.name, created=p.created, groups=(groups[p.id],)) for p in people.values()
    ]
    size = 0
    seconds: list[float] = []
    now = MONDAY
    for number, day in enumerate(changes):
        played = Played(people, groups, day)
        midnight = MONDAY + timedelta(days=number)
        for poll in range(288):
            now = midnight + poll * MINUTES_5
            sampler = Sampler(state, PollContext(now=now))
            if poll == 0:
                sampler.observe(everybody)
            sampler.observe(played.at(now, now - MINUTES_5))
            begun = time.perf_counter()
            found = sampler.finish(full=poll == 0)
            state.apply(found)
            await store.write(found, leader=leader)
            await roll_up_until(store, now)
            seconds.append(time.perf_counter() - begun)
            if not size:
                size = await _settled(store, file)
    await roll_up_until(store, now + timedelta(hours=2))
    end = await _settled(store, file)
    await store.close()
    return {"bytes_a_day": (end - size) / days, "slowest_poll": max(seconds), "polls": sum(seconds)}


async def _settled(store: Store, file: Path) -> int:
    async with store.reading() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return await asyncio.to_thread(lambda: file.stat().st_size)


def peer(file: Path, users: int) -> dict[str, Any]:
    """Write a day with log_jupyterhub_activity's schema: a row per user every ten minutes."""
    changes = semester_changes(semester(users, 1))
    people = {person.id: person for person in next(changes).newcomers}
    day = next(changes)
    groups = dict.fromkeys(people, "")
    played = Played(people, groups, day)
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE activity (date timestamp, user text, active bool)")
    begun = time.perf_counter()
    for poll in range(144):
        now = MONDAY + poll * MINUTES_10
        active = {
            user.name
            for user in played.at(now, now)
            if user.last_activity and user.last_activity > now - MINUTES_10
        }
        rows = [
            (f"{now:%Y-%m-%d %H:%M:%S}.123456", p.name, p.name in active) for p in people.values()
        ]
        connection.executemany("INSERT INTO activity VALUES (?, ?, ?)", rows)
        connection.commit()
    connection.close()
    return {"bytes_a_day": file.stat().st_size, "polls": time.perf_counter() - begun}


async def write_semester(file: Path, users: int, days: int) -> dict[str, Any]:
    """Write a semester, day by day."""
    store = await Store.open(f"sqlite:///{file}", ZoneInfo("UTC"))
    leader = await store.take_leadership()
    newest = MONDAY
    for changes in semester_changes(semester(users, days)):
        await store.write(changes, leader=leader)
        newest = max([newest, *changes.polls])
        await roll_up_until(store, newest)
    await store.keep_names_as("plain")
    await store.close()
    return {"bytes": file.stat().st_size}  # noqa: ASYNC240 - at the end


async def ask(file: Path, days: int, by: str) -> dict[str, Any]:
    """Run a report in a new process, from opening the database to the printed text."""
    gc.freeze()  # as the application does
    begun = time.perf_counter()
    cpu = time.process_time()
    store = await Store.open(f"sqlite:///{file}", ZoneInfo("UTC"))
    last = (MONDAY + timedelta(days=days - 1)).date()
    options = {"since": MONDAY.date().isoformat(), "until": last.isoformat(), "by": by}
    text = await report(store, ReportOptions.parse(options, []), None)
    await store.close()
    return {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - cpu,
        "lines": text.count("\n"),
    }


async def poll(file: Path, url: str, token: str) -> dict[str, Any]:
    """Poll a Hub once: all users into a new file, or the changes into an existing one."""
    store = await Store.open(f"sqlite:///{file}", ZoneInfo("UTC"))
    async with aiohttp.ClientSession() as session:
        hub = HubClient(session, url, token)
        await hub.info()
        recorder = Recorder(hub, store, RecorderSettings())
        assert await recorder.acquire_leadership()
        gc.freeze()  # as the application does
        begun = time.perf_counter()
        result = await recorder.poll()
        seconds = time.perf_counter() - begun
        await recorder.close()
    await store.close()
    assert result.poll is not None, result
    assert result.poll.whole and result.written, result  # noqa: PT018 - this is not a test
    return {
        "seconds": seconds,
        "full": result.poll.full,
        "users": result.poll.users,
        "servers": result.poll.servers,
    }


async def serve(file: Path, stopping: asyncio.Event) -> None:
    """Serve the pages with a fake Hub in the same process until the process is stopped.

    Prints the address, a path of it and the cookie of an admin who has signed in.
    """
    from services.stats.store.queries.dashboard import Queries
    from tests.stats.web.site import PREFIX, stats_site

    store = await Store.open(f"sqlite:///{file}", ZoneInfo("UTC"))
    queries = Queries(store)
    begun, cpu = time.perf_counter(), time.process_time()
    await queries.count_today()  # as the service does after each poll
    counting = {
        "count_seconds": time.perf_counter() - begun,
        "count_cpu_seconds": time.process_time() - cpu,
    }
    async with stats_site(queries) as site:
        site.add_user("root", admin=True)
        browser = await site.browser("root")
        # Request a page without statistics: the first page with them is measured.
        answer = await browser.go(PREFIX + "person")
        assert answer.status == 200, answer
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
        gc.freeze()  # as the application does
        where = {"origin": site.origin, "prefix": PREFIX, "cookie": cookie}
        print(json.dumps(where | counting), flush=True)
        await stopping.wait()
    await store.close()


async def serve_until_terminated(file: Path) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await serve(file, stopping)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["record", "peer", "semester", "ask", "poll", "serve"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--by", default="day")
    parser.add_argument("--url", default="")
    parser.add_argument("--token", default="")
    options = parser.parse_args()
    if options.what == "serve":
        asyncio.run(serve_until_terminated(options.file))
        return
    if options.what == "record":
        outcome = asyncio.run(record(options.file, options.users, options.days))
    elif options.what == "peer":
        outcome = peer(options.file, options.users)
    elif options.what == "semester":
        outcome = asyncio.run(write_semester(options.file, options.users, options.days))
    elif options.what == "ask":
        outcome = asyncio.run(ask(options.file, options.days, options.by))
    else:
        outcome = asyncio.run(poll(options.file, options.url, options.token))
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
