"""Erase a person: their records, and their share of every total, in one transaction.

The days of which raw records are kept are rolled up again. From the totals of pruned days, what the
person's own rows say is subtracted (``without_person.py``). The polls' counts are reduced, too.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Table, delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import bounds, day_of, days
from services.stats.intervals import Interval
from services.stats.records import HUB, UserDay
from services.stats.store import tables as t
from services.stats.store.daily.records import read_days
from services.stats.store.daily.rollup import CountedDay
from services.stats.store.daily.rows import replace_day
from services.stats.store.daily.without_person import Erased, is_empty, without_person
from services.stats.store.excluded import Excluded, forget_suggestions
from services.stats.store.mapping import group_day_of, group_day_row, person_of
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER
from services.stats.store.upsert import batches, insert_missing, upsert


async def forget(store: Store, name: str) -> int:
    """Erase all people of that name; returns how many there were.

    A recorder that runs in the meantime waits, loads its state again, and records nothing of them.
    The names of profiles and images that nobody else used are erased, too.
    """
    async with store.writing() as connection:
        if store.database.address.is_sqlite:
            await connection.execute(text("PRAGMA secure_delete=ON"))
        await insert_missing(connection, t.meta, [{"key": "edits", "value": "0"}])
        meta = await store.read_meta(connection, lock=True)
        rows = await connection.execute(select(t.users).where(t.users.c.name == name))
        people = [person_of(row) for row in rows.all()]
        if not people:
            return 0
        first = date.fromisoformat(meta["first_day"]) if "first_day" in meta else date.max
        raw_from = date.fromisoformat(meta.get("pruned_before", first.isoformat()))
        erased = [Erased(person, {}, {}) for person in people]
        if first != date.max:
            excluded = await Excluded.read(connection, meta, store.zone)
            erased = [await _read(connection, one, raw_from, excluded) for one in erased]
            for one in erased:
                await _reduce_polls(connection, one)
        await connection.execute(delete(t.users).where(t.users.c.name == name))
        if first != date.max:
            for one in erased:
                await _reduce_pruned_days(store, connection, one, raw_from)
            if any(one.days or one.uncounted for one in erased):
                await _drop_profiles(store, connection, raw_from)
            seen = min(day_of(person.first_seen, store.zone) for person in people)
            until = date.fromisoformat(meta["rolled_until"])
            await _roll_up_again(store, connection, max(seen, raw_from), until)
        await _delete_unused_names(connection)
        await forget_suggestions(store, connection, meta, name)
        await store.write_meta(connection, edits=int(meta["edits"]) + 1)
    await store.database.truncate_wal()
    return len(people)


async def _read(
    connection: AsyncConnection, erased: Erased, before: date, excluded: Excluded
) -> Erased:
    """The same with the person's rows of the days before, and all memberships."""
    u, m = t.user_days.c, t.memberships.c
    person = erased.person
    rows = await connection.execute(
        select(t.user_days).where(u.user_id == person.id, u.day < before)
    )
    found = {row.day: UserDay(*row) for row in rows.all()}
    memberships: dict[int, list[Interval]] = {}
    spans = await connection.execute(
        select(m.group_id, m.since, m.until).where(m.user_id == person.id)
    )
    for group_id, since, until in spans.all():
        memberships.setdefault(group_id, []).append(Interval(since, until))

    def is_counted(day: date) -> bool:
        return not excluded.covers(person.id, day)

    return Erased(
        person,
        {day: row for day, row in found.items() if is_counted(day)},
        memberships,
        {day: row for day, row in found.items() if not is_counted(day)},
        is_counted,
    )


async def _reduce_pruned_days(
    store: Store, connection: AsyncConnection, erased: Erased, before: date
) -> None:
    c = t.group_days.c
    since = day_of(erased.person.first_seen, store.zone)
    first = min([since, *erased.days, *erased.uncounted])
    query = select(t.group_days).where(
        c.day >= first, c.day < before, c.group_id.in_([HUB, *erased.memberships])
    )
    rows = [group_day_of(row) for row in (await connection.execute(query)).all()]
    reduced = {(row.group_id, row.day): without_person(row, erased, store.zone) for row in rows}
    # Where nobody else did anything, all is known to be zero, as on days without a row.
    empty = [
        (group_id, day)
        for (group_id, day), row in reduced.items()
        if group_id != HUB
        and is_empty(row)
        and is_empty(reduced.get((group_id, day - timedelta(days=1))))
    ]
    for group_id, day in empty:
        del reduced[group_id, day]
        await connection.execute(delete(t.group_days).where(c.group_id == group_id, c.day == day))
    await upsert(connection, t.group_days, map(group_day_row, reduced.values()))


async def _drop_profiles(store: Store, connection: AsyncConnection, before: date) -> None:
    """Profiles and images of pruned days: nothing says which part was the person's."""
    await connection.execute(delete(t.profile_days).where(t.profile_days.c.day < before))
    await store.write_meta(connection, profiles_from=before.isoformat())


async def _roll_up_again(
    store: Store, connection: AsyncConnection, first: date, until: date
) -> None:
    """Count the days from ``first`` to before ``until`` from their raw records."""
    last = until - timedelta(days=1)
    if last < first:
        return
    end = bounds(last, store.zone).end
    async for records in read_days(store, connection, list(days(first, last)), end):
        await replace_day(connection, CountedDay(records))


async def _reduce_polls(connection: AsyncConnection, erased: Erased) -> None:
    """Take the person out of the numbers of users, servers and active users of each poll."""
    p, s, a = t.polls.c, t.sessions.c, t.activity.c
    person = erased.person
    await connection.execute(
        update(t.polls)
        .where(p.time >= person.first_seen, p.users > 0)
        .where(p.time < (person.deleted or FOREVER))
        .values(users=p.users - 1)
    )
    runs = await connection.execute(
        select(s.started, s.ended).where(s.user_id == person.id).order_by(s.started)
    )
    intervals = await connection.execute(
        select(a.start, a.seconds).where(a.user_id == person.id, a.seconds > 0)
    )
    times: Sequence[datetime] = (
        await connection.scalars(
            select(p.time).where(p.whole, p.time >= person.first_seen).order_by(p.time)
        )
    ).all()
    servers, active = Counter[datetime](), set[datetime]()
    for started, ended in runs.all():
        # A server that stopped without a trace ended at the last poll that saw it.
        servers.update(times[bisect_left(times, started) : _after(times, ended)])
    for start, seconds in intervals.all():
        # The poll that reported the end is the first one after it.
        ends = bisect_left(times, start + timedelta(seconds=seconds)) + 1
        active.update(times[bisect_left(times, start) : ends])
    for column, by_number in (
        (p.servers, _by_number(servers)),
        (p.active, {1: sorted(active)}),
    ):
        for number, moments in by_number.items():
            for batch in batches(moments, 500):
                await connection.execute(
                    update(t.polls)
                    .where(p.time.in_(batch), column >= number)
                    .values({column: column - number})
                )


def _after(times: Sequence[datetime], moment: datetime) -> int:
    """The number of times up to and including the moment."""
    at = bisect_left(times, moment)
    return at + (at < len(times) and times[at] == moment)


def _by_number(counts: Counter[datetime]) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = {}
    for moment, number in counts.items():
        found.setdefault(number, []).append(moment)
    return found


async def _delete_unused_names(connection: AsyncConnection) -> None:
    """Profiles and images that no session has: users may send any text as one."""
    s = t.sessions.c
    used: tuple[tuple[Table, Collection[int]], ...] = (
        (t.profiles, set(await connection.scalars(select(s.profile_id).distinct()))),
        (t.images, set(await connection.scalars(select(s.image_id).distinct()))),
    )
    for table, ids in used:
        unused = [i for i in await connection.scalars(select(table.c.id)) if i not in ids]
        for batch in batches(unused, 500):
            await connection.execute(delete(table).where(or_(*(table.c.id == i for i in batch))))
