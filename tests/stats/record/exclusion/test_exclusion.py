"""Who is not counted: marked by polls, kept in the database, and reported."""

import logging
from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import StoreUnavailable
from common.hub.models import User
from services.stats.days import Period
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import WholeHub
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.settings.exclusion import Exclusion
from services.stats.store import tables as t
from services.stats.store.daily import rows
from services.stats.store.daily.rollup import CountedDay
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import LeadershipLost
from tests.fakes.clock import START
from tests.stats.record.scenarios.polled_hub import PolledHub, at, user
from tests.stats.record.scenarios.recorders import Scenario

KEY = Pseudonyms(b"0123456789abcdef")


def excluding(*patterns: str) -> RecorderSettings:
    """Settings with these patterns; polls between them need not list all users."""
    return RecorderSettings(exclusion=Exclusion(patterns))


async def restarted(
    scenario: Scenario, settings: RecorderSettings, *, rename: Callable[[User], User] | None = None
) -> Recorder:
    """A recorder with these settings after the earlier one has stopped."""
    for recorder in scenario.recorders:
        await recorder.close()
    recorder = await scenario.recorder(settings)
    if rename is not None:
        recorder = Recorder(
            scenario.hub, recorder.store, settings, rename=rename, clock=scenario.clock
        )
        scenario.recorders[-1] = recorder
    assert await recorder.acquire_leadership()
    return recorder


async def marked(scenario: Scenario) -> dict[str, bool]:
    """Whether each user is marked, by stored name."""
    return {str(row[1]): bool(row[5]) for row in await scenario.rows(t.users)}


async def active(recorder: Recorder) -> int | None:
    """The number of active users of today."""
    today = START.date()
    (row,) = await Queries(recorder.store).summaries(WholeHub(), [Period(today, today)])
    return row.active_users


async def test_the_first_poll_marks_users(scenario: Scenario) -> None:
    """By name, glob and flag; others are not marked."""
    scenario.fake.add_user("root", admin=True)
    scenario.fake.add_user("test-1")
    recorder = await scenario.leading(excluding("ben", "test-*", "admins"))
    assert (await recorder.poll()).written
    assert await marked(scenario) == {"ana": False, "ben": True, "root": True, "test-1": True}
    assert (await recorder.store.kept_exclusion()).patterns == ("ben", "test-*", "admins")


async def test_a_change_applies_to_all_days_with_records(scenario: Scenario) -> None:
    """Another setting lists all users at once, and what was recorded counts differently."""
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.pass_minutes(5)
    scenario.start("ana")
    scenario.start("ben")
    scenario.pass_minutes(5)
    await recorder.poll()
    assert await active(recorder) == 2
    scenario.pass_minutes(5)
    recorder = await restarted(scenario, excluding("b*"))
    assert await active(recorder) == 2
    result = await recorder.poll()
    assert result.poll is not None
    assert result.poll.full
    assert await active(recorder) == 1
    scenario.pass_minutes(5)
    recorder = await restarted(scenario, excluding("b*"))
    result = await recorder.poll()
    assert result.poll is not None
    assert not result.poll.full, "nothing has changed"
    scenario.pass_minutes(5)
    recorder = await restarted(scenario, excluding())
    await recorder.poll()
    assert await active(recorder) == 2
    assert not any((await marked(scenario)).values())


async def test_pseudonyms_are_matched_before_they_are_made(scenario: Scenario) -> None:
    """Globs and names match the names at the Hub; the database has no name in clear."""
    scenario.fake.add_user("test-1")
    settings = excluding("ben", "test-*", "group:nbgrader-x")
    recorder = await restarted(scenario, settings, rename=KEY.user)
    await recorder.poll()
    assert await marked(scenario) == {
        KEY.name("ana"): False,
        KEY.name("ben"): True,
        KEY.name("test-1"): True,
    }
    kept = (await recorder.store.kept_exclusion()).patterns
    assert kept == (KEY.name("ben"), "test-*", "group:nbgrader-x")


async def test_former_users_are_marked_by_name(scenario: Scenario) -> None:
    """A deleted account, which the Hub no longer lists, is excluded, too, and unmarked later."""
    recorder = await scenario.leading()
    await recorder.poll()
    del scenario.fake.users["ben"]
    scenario.pass_minutes(7 * 60)
    await recorder.poll()
    for patterns, expected in ((("ben",), True), (("x",), False), (("b*",), True)):
        scenario.pass_minutes(5)
        recorder = await restarted(scenario, excluding(*patterns))
        await recorder.poll()
        assert (await marked(scenario))["ben"] is expected
    scenario.pass_minutes(5)
    recorder = await restarted(scenario, excluding("ana"), rename=lambda one: one)
    await recorder.poll()
    assert await marked(scenario) == {"ana": True, "ben": False}


def test_a_new_name_or_flag_counts_the_days_again(hub: PolledHub) -> None:
    """A user who becomes a test account was one all along; nothing else is touched."""
    changes = hub.poll(5, user("ana", last=4, groups=("nbgrader-x",)))
    assert changes.touched == at(4)
    sampled = hub.sampler(10)
    sampled.observe([user("ana", groups=("nbgrader-x",))], {"ana"})
    changes = sampled.finish()
    assert changes.people[1].excluded
    assert changes.touched == at(0)
    hub.state.apply(changes)
    sampled = hub.sampler(15)
    sampled.observe([user("ana", groups=("nbgrader-x",))], {"ana"})
    assert len(sampled.finish()) == 1, "the poll itself"


async def test_an_incomplete_poll_applies_nothing(scenario: Scenario) -> None:
    """The exclusion waits for a poll that has seen all users."""
    recorder = await scenario.leading(excluding("ben"))
    await scenario.fake.stop()
    assert not (await recorder.poll()).poll.whole  # type: ignore[union-attr]  # it is polled
    assert not await recorder.store.kept_exclusion()
    await scenario.fake.start()
    scenario.pass_minutes(5)
    await recorder.poll()
    assert (await marked(scenario))["ben"]
    assert await recorder.store.kept_exclusion()


async def test_patterns_that_match_nobody_are_logged_once(
    scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    """At start and when that changes, with a suggestion; names as they were given."""
    caplog.set_level(logging.INFO)
    settings = excluding("bne", "test-*", "group:nbgrader-y", "b?n")
    recorder = await restarted(scenario, settings, rename=KEY.user)
    await recorder.poll()
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines == [
        "--exclude: no user or group matches bne",
        "--exclude: no user or group matches test-*",
        '--exclude: no user or group matches group:nbgrader-y; did you mean "group:nbgrader-x"?',
    ]
    assert "Not counted from now on: bne, test-*, group:nbgrader-y, b?n" in caplog.text
    caplog.clear()
    scenario.pass_minutes(7 * 60)
    scenario.fake.add_user("test-1")
    await recorder.poll()
    assert "--exclude" not in caplog.text, "fewer than before"
    scenario.pass_minutes(5)
    await restarted(scenario, settings, rename=KEY.user)
    assert caplog.text.count("--exclude: no user or group matches") == 2


async def test_only_the_leader_changes_the_exclusion(scenario: Scenario) -> None:
    """A recorder that was replaced does not override its successor's setting."""
    recorder = await scenario.leading(excluding("ben"))
    await recorder.poll()
    with pytest.raises(LeadershipLost):
        await recorder.store.keep_exclusion(Exclusion(("ana",)), leader=recorder.leader_number - 1)
    assert (await recorder.store.kept_exclusion()).patterns == ("ben",)


async def test_terms_are_kept(scenario: Scenario) -> None:
    """The commands find the terms of the service in its database, and none after it has none."""
    term = Period(START.date(), START.date(), "now")
    recorder = await scenario.leading(RecorderSettings(terms=(term,)))
    assert await Queries(recorder.store).terms() == (term,)
    recorder = await restarted(scenario, RecorderSettings())
    assert await Queries(recorder.store).terms() == ()


async def test_the_database_fails_while_the_exclusions_are_compared(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder compares them again: another setting must not be ignored until a restart."""
    recorder = await scenario.recorder(excluding("ben"))

    async def fail() -> Exclusion:
        raise StoreUnavailable("the database is away")

    with monkeypatch.context() as away:
        away.setattr(recorder.store, "kept_exclusion", fail)
        with pytest.raises(StoreUnavailable):
            await recorder.acquire_leadership()
    assert not recorder.is_leader
    assert await recorder.acquire_leadership()
    await recorder.poll()
    assert await marked(scenario) == {"ana": False, "ben": True}


async def test_counting_again_does_not_delay_polls(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another setting counts all days again: as many after each poll as there is time for."""
    recorder = await scenario.leading()
    for _ in range(6):
        await recorder.poll()
        scenario.pass_minutes(24 * 60)
    replace_day = rows.replace_day

    async def slow(connection: AsyncConnection, counted: CountedDay) -> None:
        scenario.pass_minutes(2)
        await replace_day(connection, counted)

    monkeypatch.setattr(rows, "replace_day", slow)
    recorder = await restarted(scenario, excluding("ben"))
    began = scenario.clock.monotonic()
    assert (await recorder.poll()).written
    counting = [recorder.counting]
    assert scenario.clock.monotonic() - began < 300
    for _ in range(3):
        await recorder.poll()
        counting.append(recorder.counting)
    assert (counting[0], counting[-1]) == (True, False)
    assert (await recorder.store.kept_exclusion()).patterns == ("ben",)
    assert await rows.roll_up_until(recorder.store, scenario.clock.now()) == []
