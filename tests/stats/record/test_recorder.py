"""Recording from a Hub into a database: outages, restarts and a bounded backlog."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from common.errors import StoreUnavailable
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.recorder_state import State
from services.stats.store import store as store_module
from services.stats.store import tables as t
from services.stats.store.daily.forget import forget
from tests.fakes.clock import START
from tests.fakes.postgres import Postgres
from tests.stats.record.scenarios.recorders import MINUTE, Scenario


async def record_an_hour(scenario: Scenario, recorder: Recorder) -> None:
    """Ana works for half an hour, and half an hour later her server is culled."""
    await recorder.poll()
    scenario.pass_minutes(2)
    scenario.start("ana")
    for _ in range(6):
        scenario.pass_minutes(3)
        await recorder.poll()
        scenario.pass_minutes(2)
        scenario.touch("ana")
    for _ in range(6):
        scenario.pass_minutes(3)
        await recorder.poll()
        scenario.pass_minutes(2)
    scenario.stop("ana")
    scenario.pass_minutes(3)
    await recorder.poll()


async def test_work_idle_time_and_a_cull_are_recorded(scenario: Scenario) -> None:
    """Work, idle time and a cull are recorded exactly as they happened."""
    recorder = await scenario.leading()
    await record_an_hour(scenario, recorder)
    assert await scenario.work() == [(2, 30 * 60)]
    ((_, _, server, _, started, last, ended, *_),) = await scenario.rows(t.sessions)
    assert (server, started, last, ended) == (
        "",
        START + 2 * MINUTE,
        START + 32 * MINUTE,
        START + 62 * MINUTE,
    )


async def test_kill_loses_at_most_the_open_poll(scenario: Scenario) -> None:
    """After a recorder is killed, the next one continues the same session."""
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.pass_minutes(2)
    scenario.start("ana")
    scenario.pass_minutes(3)
    await recorder.poll()
    await recorder.lock.release()  # what the system does for a killed process
    recorder = await scenario.leading()
    scenario.pass_minutes(5)
    scenario.touch("ana")
    await recorder.poll()
    scenario.stop("ana")
    scenario.pass_minutes(5)
    await recorder.poll()
    assert await scenario.work() == [(2, 8 * 60)]
    assert len(await scenario.rows(t.sessions)) == 1


async def test_database_away_and_back(
    make_scenario: Callable[[str], Scenario],
    postgres: Postgres,
    postgres_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What happens while the database is away is written, once, when it is back."""
    scenario = make_scenario(postgres_url)
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.pass_minutes(2)
    scenario.start("ana")
    scenario.pass_minutes(3)
    await recorder.poll()
    postgres.stop()
    try:
        for _ in range(3):
            scenario.touch("ana")
            scenario.pass_minutes(5)
            result = await recorder.poll()
            assert not result.written
            assert "the database is unavailable" in result.error
    finally:
        postgres.start()
    assert (
        len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    )  # not at every poll
    scenario.stop("ana")
    scenario.pass_minutes(5)
    result = await recorder.poll()
    assert result.written
    assert result.error == ""
    assert await scenario.work() == [(2, 13 * 60)]
    [session] = await scenario.rows(t.sessions)
    assert session[6] == START + 20 * MINUTE
    assert len(await scenario.rows(t.polls)) == 6


async def test_backlog_is_bounded(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit polling stops; when the database is back, all polls are written."""
    recorder = await scenario.leading(RecorderSettings(backlog_rows=8))
    write = recorder.store.write

    async def away(*args: object, **kwargs: object) -> bool:
        raise StoreUnavailable("no route to host")

    monkeypatch.setattr(recorder.store, "write", away)
    results = []
    for _ in range(9):
        results.append(await recorder.poll())
        scenario.pass_minutes(5)
    assert results[-1].poll is None
    assert results[-1].backlog == 9
    monkeypatch.setattr(recorder.store, "write", write)
    assert (await recorder.poll()).written
    kept = [row[0] for row in await scenario.rows(t.polls)]
    assert len(kept) == sum(1 for result in results if result.poll) + 1


async def test_rejected_rows_do_not_stop_recording(scenario: Scenario) -> None:
    """Rows that the database always rejects are dropped, and the next poll is written."""
    recorder = await scenario.leading()
    await recorder.poll()
    recorder.pending.join(99, 99, START)
    scenario.pass_minutes(5)
    assert "FOREIGN KEY" in (await recorder.poll()).error
    scenario.pass_minutes(5)
    assert (await recorder.poll()).written


@pytest.mark.parametrize("name", ["q?x=1", "名前", "o'hara", "a\x00b", "%41", "x" * 300])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_any_name_is_recorded(
    make_scenario: Callable[[str], Scenario],
    request: pytest.FixtureRequest,
    db_url: str,
    name: str,
    kind: str,
) -> None:
    """A user, a server and a group are recorded whatever their name is."""
    url = db_url if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    scenario = make_scenario(url)
    scenario.fake.add_user(name, groups=[name])
    scenario.fake.add_server(name, name, user_options={"profile": name})
    recorder = await scenario.leading()
    result = await recorder.poll()
    assert (result.error, result.written) == ("", True)
    assert len(await scenario.rows(t.sessions)) == 1
    assert len(await scenario.rows(t.users)) == 3


async def test_closing_writes_what_is_pending(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes that could not be written during an outage are written at shutdown."""
    recorder = await scenario.leading()
    write = recorder.store.write

    async def away(*args: object, **kwargs: object) -> bool:
        raise StoreUnavailable("no route to host")

    monkeypatch.setattr(recorder.store, "write", away)
    assert not (await recorder.poll()).written
    monkeypatch.setattr(recorder.store, "write", write)
    await recorder.close()
    assert len(await scenario.rows(t.polls)) == 1
    assert not recorder.is_leader


async def test_old_records_are_pruned(scenario: Scenario, caplog: pytest.LogCaptureFixture) -> None:
    """Detailed records older than the retention time are deleted once their day is rolled up."""
    caplog.set_level(logging.INFO)
    recorder = await scenario.leading(RecorderSettings(retention=timedelta(days=3)))
    await recorder.poll()
    for _ in range(6):
        scenario.pass_minutes(24 * 60)
        await recorder.poll()
    polls = await scenario.rows(t.polls)
    assert polls[0][0] >= START + timedelta(days=1)  # type: ignore[operator]  # a row's time
    assert "Rolled up 2026-" in caplog.text
    assert "older than the retention time" in caplog.text


async def test_next_years_group_is_another_one(scenario: Scenario) -> None:
    """After a long time without members, the name starts again; the earlier records remain."""
    recorder = await scenario.leading(RecorderSettings(group_life=timedelta(days=60)))
    scenario.fake.users["ana"].groups = ["nbgrader-x"]
    await recorder.poll()
    scenario.fake.users["ana"].groups = []
    scenario.pass_minutes(24 * 60)
    await recorder.poll()
    left = recorder.state.last_poll
    assert left is not None
    scenario.pass_minutes(59 * 24 * 60)
    await recorder.poll()
    assert {row[1] for row in await scenario.rows(t.groups)} == {"nbgrader-x"}
    scenario.pass_minutes(2 * 24 * 60)
    await recorder.poll()
    ended = f"nbgrader-x (until {left.date()})"
    assert {row[1] for row in await scenario.rows(t.groups)} == {ended}
    scenario.fake.users["ben"].groups = ["nbgrader-x"]
    scenario.pass_minutes(6 * 60)
    await recorder.poll()
    names = {row[1]: row[0] for row in await scenario.rows(t.groups)}
    assert set(names) == {ended, "nbgrader-x"}
    members = {(row[0], row[1]) for row in await scenario.rows(t.memberships)}
    ana, ben = (recorder.state.people[name].id for name in ("ana", "ben"))
    assert members == {(names[ended], ana), (names["nbgrader-x"], ben)}
    assert (await recorder.store.load_state()).groups == recorder.state.groups


async def test_the_database_fails_after_someone_was_forgotten(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the recorder still knows of them is not written when the database is back."""
    recorder = await scenario.leading()
    scenario.start("ana")
    await recorder.poll()
    await forget(recorder.store, "ana")

    async def fail(_connection: object) -> State:
        raise StoreUnavailable("the database is away")

    scenario.pass_minutes(5)
    scenario.touch("ana")
    with monkeypatch.context() as away:
        away.setattr(store_module, "read_state", fail)
        assert not (await recorder.poll()).written
    scenario.pass_minutes(5)
    scenario.stop("ana")
    del scenario.fake.users["ana"]
    assert (await recorder.poll()).error == ""
    assert "ana" not in {row[1] for row in await scenario.rows(t.users)}
    assert await scenario.rows(t.sessions) == []


async def test_a_clock_that_was_wrong_for_one_poll(scenario: Scenario) -> None:
    """A server does not end in the future because the Hub's clock was once days ahead."""
    recorder = await scenario.leading()
    scenario.start("ana")
    await recorder.poll()
    scenario.pass_minutes(3 * 24 * 60)
    await recorder.poll()
    scenario.pass_minutes(5 - 3 * 24 * 60)
    await recorder.poll()
    scenario.fake.users["ana"].servers.clear()
    scenario.pass_minutes(5)
    await recorder.poll()
    ((_, _, _, _, _, _, ended, *_),) = await scenario.rows(t.sessions)
    assert ended == START + 10 * MINUTE
