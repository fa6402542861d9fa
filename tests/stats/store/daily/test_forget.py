"""Erasing a person takes them out of every total, as if they had never been there."""

from collections.abc import AsyncIterator, Collection
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.stats.days import Period
from services.stats.query.access import Members, WholeHub
from services.stats.records import Changes, GroupDay, Person, Poll, Session
from services.stats.settings.exclusion import Exclusion
from services.stats.store import tables as t
from services.stats.store.daily.forget import forget
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.excluded import keep_unmatched, read_unmatched
from services.stats.store.mapping import group_day_of
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.stats.course import at, day
from tests.stats.store.polls import UTC_DAYS, store

__all__ = ["db_url", "postgres", "postgres_url", "store"]

ANA, BEN, EVA = 1, 2, 3
PAIR, ALONE, OTHERS = 1, 2, 3
LAST, PRUNED = 40, 36
"""Days: everything before the second is pruned."""

ADDITIVE = (
    *("members", "newcomers", "active", "active_7", "active_30", "active_seconds"),
    *("idle_seconds", "unobserved_seconds", "sessions", "observed_seconds"),
)
DETAILS = ("server_seconds", "after_seconds", "saved_seconds", "mean_running", "peak", "peak_at")


def hub_of(people: Collection[int]) -> Changes:
    """Forty days with these people. Ana works on every third day, Ben on every fourth, Eva daily.

    Ana and Ben are a group until day 30; Ana is alone in another.
    """
    changes = Changes(groups={PAIR: "pair", ALONE: "alone", OTHERS: "others"})
    changes.profiles = {1: "small"} | ({2: "ana's own image"} if ANA in people else {})
    names = {ANA: "ana", BEN: "ben", EVA: "eva"}
    for number in people:
        changes.people[number] = Person(number, names[number], at(0, number), at(0, number))
    for hour in range(24 * LAST + 12):
        if not 5 * 24 + 9 < hour < 5 * 24 + 13:  # a gap, in which servers run
            changes.polls[at(0, hour)] = Poll(at(0, hour), 3600, 50, whole=True, full=False)
    members = {PAIR: {ANA, BEN}, ALONE: {ANA}, OTHERS: {BEN, EVA}}
    for group, users in members.items():
        for user in sorted(users & set(people)):
            changes.left[group, user, at(0, 4)] = at(29, 20)
    numbers = {ANA: 3, BEN: 4, EVA: 1}
    for user in people:
        for on in range(0, LAST, numbers[user]):
            _work(changes, user, on)
    for moment, poll in changes.polls.items():
        running = [s for s in changes.sessions.values() if s.started <= moment <= s.ended]  # type: ignore[operator]  # all have ended
        active = {u for (u, s), e in changes.activity.items() if e and s <= moment < e + HOUR}
        changes.polls[moment] = poll._replace(
            users=sum(p.first_seen <= moment for p in changes.people.values()),
            servers=len(running),
            active=len(active),
        )
    changes.touch(at(0))
    return changes


HOUR = timedelta(hours=1)


def _work(changes: Changes, user: int, on: int) -> None:
    start = at(on, 8 + user)
    changes.activity[user, start] = start + timedelta(hours=user / 2)
    for number, name in enumerate(("", "second")[: 2 if user == ANA else 1]):
        session = Session(
            id=len(changes.sessions) + 1000 * user,
            user_id=user,
            server=name,
            profile_id=2 if user == ANA else 1,
            started=start + number * HOUR / 12,
            last_activity=start + timedelta(hours=user / 2),
            ended=start + timedelta(hours=user / 2 + 1, minutes=2),
        )
        changes.sessions[session.id] = session


async def fill(store: Store, people: Collection[int]) -> None:
    """Write the hub, roll it up and prune it."""
    await store.write(hub_of(people), leader=await store.take_leadership())
    await roll_up_until(store, at(LAST, 12))
    await store.prune(at(PRUNED))


async def days_of(store: Store) -> dict[tuple[int, date], GroupDay]:
    """All stored daily rows."""
    async with store.reading() as connection:
        rows = (await connection.execute(select(t.group_days))).all()
    return {(row.group_id, row.day): group_day_of(row) for row in rows}


async def polls_of(store: Store) -> dict[datetime, Poll]:
    """All stored polls."""
    async with store.reading() as connection:
        rows = (await connection.execute(select(t.polls))).all()
    return {row.time: Poll(**row._mapping) for row in rows}


@pytest.fixture
async def without(tmp_path: Path) -> AsyncIterator[Store]:
    """The same hub, to which Ana never came."""
    other = await Store.open(f"sqlite:///{tmp_path / 'without.sqlite'}", UTC_DAYS)
    await fill(other, (BEN, EVA))
    yield other
    await other.close()


async def test_totals_are_as_if_the_person_had_never_been_there(
    store: Store, without: Store
) -> None:
    """Whatever can be subtracted is exact; what cannot is unknown for their whole time.

    The counts of each poll, from which running servers are drawn, are those of the others, too.
    """
    await fill(store, (ANA, BEN, EVA))
    assert await forget(store, "ana") == 1
    found, expected = await days_of(store), await days_of(without)
    assert found.keys() == expected.keys()
    assert ALONE not in {group for group, _ in found}
    for key, row in expected.items():
        group, on = key
        if on >= day(PRUNED):
            assert found[key] == row, key
            continue
        assert {name: getattr(found[key], name) for name in ADDITIVE} == {
            name: getattr(row, name) for name in ADDITIVE
        }, key
        there = on <= day(29 if group == PAIR else 34)  # Ana's last pruned day is 33
        assert found[key].reduced is (group != OTHERS and there)
        if found[key].reduced:
            assert {getattr(found[key], name) for name in DETAILS} == {None}
            assert (found[key].lengths, found[key].hours) == ("", "")
        else:
            assert found[key] == row
    assert await polls_of(store) == await polls_of(without)


async def test_nothing_published_reveals_their_hours(store: Store) -> None:
    """The totals of every group and of the hub are the sums of the people in the list."""
    await fill(store, (ANA, BEN, EVA))
    await forget(store, "ana")
    queries = Queries(store)
    for audience in (WholeHub(), Members("pair"), Members("alone"), Members("others")):
        (total,) = await queries.summaries(audience, [Period(day(0), day(LAST))])
        people = await queries.people(audience, day(0), day(LAST))
        assert total.active_hours == sum(row.active_seconds for row in people) / 3600
        assert total.idle_hours == round(sum(row.idle_seconds or 0 for row in people) / 3600, 2)
        assert total.sessions == sum(row.sessions or 0 for row in people)
    (hub,) = await queries.summaries(WholeHub(), [Period(day(0), day(LAST))])
    assert (hub.server_hours, hub.after_hours, hub.saved_hours) == (None, None, None)
    assert hub.peak_servers is None
    (recent,) = await queries.summaries(WholeHub(), [Period(day(PRUNED), day(LAST))])
    assert recent.peak_servers == 2


async def test_the_name_of_their_profile_is_erased(store: Store) -> None:
    """A profile may have any text; one that nobody else used goes with its user."""
    await fill(store, (ANA, BEN, EVA))
    await forget(store, "ana")
    async with store.reading() as connection:
        assert set(await connection.scalars(select(t.profiles.c.name))) == {"small"}


async def test_their_name_is_no_suggestion_any_more(store: Store) -> None:
    """A pattern of --exclude that matches nobody may have been similar to their name."""
    await fill(store, (ANA, BEN, EVA))
    exclusion = Exclusion(("anna", "bin", "group:pears"))
    await store.keep_exclusion(exclusion, leader=await store.take_leadership())
    kept = await keep_unmatched(store, exclusion, ())
    assert "ana" in kept[0]
    await forget(store, "ana")
    assert await read_unmatched(store) == ["anna", *kept[1:]]


async def test_an_error_leaves_everything_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records and totals are erased in one transaction."""
    await fill(store, (ANA, BEN, EVA))
    before = await days_of(store)

    async def fail(*_args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("services.stats.store.daily.forget._delete_unused_names", fail)
    with pytest.raises(Exception, match="disk full"):
        await forget(store, "ana")
    assert await days_of(store) == before
    assert "ana" in (await store.load_state()).people


async def test_in_an_empty_database(store: Store) -> None:
    """There is nobody to erase, before the first poll as well."""
    assert await forget(store, "ana") == 0
