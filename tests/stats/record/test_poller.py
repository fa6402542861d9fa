"""Which users a poll requests, and what an error of the Hub does to it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from aiohttp import web

from services.stats.record.poller import Poller
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.store import tables as t
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER
from tests.fakes.clock import START
from tests.stats.record.scenarios.recorders import MINUTE, Scenario


async def test_a_poll_reads_only_what_changed(scenario: Scenario) -> None:
    """After the first full listing, a poll reads running servers and recently active users."""
    for number in range(1000):
        scenario.fake.add_user(f"user{number}", last_activity=START - timedelta(days=1))
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.fake.seen.clear()
    scenario.pass_minutes(5)
    scenario.start("user7")
    result = await recorder.poll()
    assert result.poll
    assert (result.poll.users, result.poll.servers, result.poll.active) == (1002, 1, 1)
    asked = [seen.raw_path.partition("?")[2] for seen in scenario.fake.requests("GET", "/users")]
    assert asked[0] == "limit=200&state=active"
    assert asked[1] == "limit=200&sort=-last_activity"
    assert len(asked) <= 3  # the client reads one page ahead


async def test_a_hub_that_does_not_sort_is_read_to_the_end(scenario: Scenario) -> None:
    """JupyterHub 4 ignores the requested order, so all users are read and none is missed."""
    scenario.fake.version = "4.1.6"
    for number in range(500):
        scenario.fake.add_user(f"user{number:03}", last_activity=START - timedelta(days=number % 7))
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.fake.seen.clear()
    scenario.pass_minutes(5)
    await recorder.poll()
    asked = [seen.raw_path for seen in scenario.fake.requests("GET", "sort=-last_activity")]
    assert [path.partition("offset=")[2] for path in asked] == ["", "195", "390"]


async def test_deletion_is_found_by_the_full_listing(scenario: Scenario) -> None:
    """A deleted user is found at the full interval, which a restart does not reset."""
    recorder = await scenario.leading(RecorderSettings(full_interval=3600))
    await recorder.poll()
    del scenario.fake.users["ben"]
    scenario.pass_minutes(30)
    await recorder.poll()
    await recorder.close()
    assert {row[1]: row[4] for row in await scenario.rows(t.users)}["ben"] == FOREVER
    recorder = await scenario.leading(RecorderSettings(full_interval=3600))
    scenario.pass_minutes(31)
    await recorder.poll()
    assert {row[1]: row[4] for row in await scenario.rows(t.users)}["ben"] == START + 61 * MINUTE


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 403},
        {"kind": "body", "body": "<html>"},
        {"kind": "cut"},
        {"kind": "reset", "times": 5},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
@pytest.mark.parametrize("path", ["state=active", "sort=-last_activity"])
async def test_a_failing_hub_loses_nothing(
    scenario: Scenario, fault: dict[str, object], path: str
) -> None:
    """A failed poll is recorded as incomplete; the next one recovers the activity."""
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.start("ana")
    scenario.pass_minutes(5)
    await recorder.poll()
    scenario.touch("ana")
    scenario.pass_minutes(5)
    scenario.fake.fail(path=path, **fault)  # type: ignore[arg-type]  # fields by name
    result = await recorder.poll()
    scenario.fake.faults.clear()
    assert result.error
    assert result.poll
    assert not result.poll.whole
    assert recorder.state.running
    scenario.pass_minutes(5)
    scenario.touch("ana")
    assert (await recorder.poll()).error == ""
    assert await scenario.work() == [(0, 15 * 60)]
    assert [(row[3], row[6]) for row in await scenario.rows(t.polls)] == [
        (True, 0),
        (True, 1),
        (False, None),
        (True, 1),
    ]


async def test_a_listing_that_is_short_once_is_read_again(scenario: Scenario) -> None:
    """The second time everybody is listed, so nobody counts as deleted."""
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.pass_minutes(6 * 60)
    scenario.fake.hidden = {"ben"}

    def show_again(request: web.Request) -> None:
        if len(scenario.fake.requests("GET", "/users?limit=200")) > before + 2:
            scenario.fake.hidden = set()

    before = len(scenario.fake.requests("GET", "/users?limit=200"))
    scenario.fake.before = show_again
    result = await recorder.poll()
    assert (result.error, {row[1]: row[4] for row in await scenario.rows(t.users)}["ben"]) == (
        "",
        FOREVER,
    )


async def test_a_listing_that_stays_short_deletes_nobody(scenario: Scenario) -> None:
    """Users that the Hub counts but does not list stay users and members."""
    recorder = await scenario.leading()
    await recorder.poll()
    members = await scenario.rows(t.memberships)
    scenario.fake.hidden = {"ben"}
    scenario.pass_minutes(6 * 60)
    result = await recorder.poll()
    assert "shorter than its total" in result.error
    assert {row[1]: row[4] for row in await scenario.rows(t.users)}["ben"] == FOREVER
    assert await scenario.rows(t.memberships) == members
    scenario.fake.hidden = set()
    scenario.pass_minutes(5)
    assert (await recorder.poll()).error == ""


async def test_hub_away_and_back(scenario: Scenario) -> None:
    """While the Hub is away nothing is counted, and a server that keeps running never ends."""
    recorder = await scenario.leading()
    scenario.start("ana")
    await recorder.poll()
    await scenario.fake.stop()
    scenario.pass_minutes(5)
    assert (await recorder.poll()).error
    await scenario.fake.start()
    scenario.pass_minutes(5)
    await recorder.poll()
    [session] = await scenario.rows(t.sessions)
    assert session[6] == FOREVER


async def test_invalid_values_are_logged_once(
    scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    """An invalid time is logged once, not at every poll, and the server is still recorded."""
    recorder = await scenario.leading()
    scenario.fake.add_server("ana", last_activity="yesterday", started=None)
    for _ in range(3):
        await recorder.poll()
        scenario.pass_minutes(5)
    assert caplog.text.count("server ana/: invalid last_activity") == 1
    assert len(await scenario.rows(t.sessions)) == 1


async def test_large_group(scenario: Scenario) -> None:
    """A group of 5,000 is recorded with every member."""
    for number in range(5000):
        scenario.fake.add_user(f"student{number}", groups=["nbgrader-big"])
    recorder = await scenario.leading()
    await recorder.poll()
    assert len(await scenario.rows(t.memberships)) == 5001


async def test_groups_that_cannot_be_read_stay(scenario: Scenario) -> None:
    """If the token may not read groups, memberships stay and the poll is still complete."""
    recorder = await scenario.leading()
    await recorder.poll()
    recorder.ignore_groups()
    scenario.fake.users["ana"].groups = []
    scenario.touch_user("ana")
    scenario.pass_minutes(5)
    result = await recorder.poll()
    assert result.poll
    assert result.poll.whole
    ((*_, until),) = await scenario.rows(t.memberships)
    assert until == FOREVER


async def test_names_are_replaced_before_they_are_recorded(scenario: Scenario, db_url: str) -> None:
    """The recorder's ``rename`` applies to every user of every page."""
    store = await Store.open(db_url, ZoneInfo("UTC"))
    recorder = Recorder(
        scenario.hub,
        store,
        RecorderSettings(),
        clock=scenario.clock,
        rename=lambda user: msgspec.structs.replace(user, name=user.name.upper()),
    )
    scenario.recorders.append(recorder)
    assert await recorder.acquire_leadership()
    await recorder.poll()
    assert [row[1] for row in await scenario.rows(t.users)] == ["ANA", "BEN"]


async def test_many_invalid_values_are_counted(
    scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty problems are logged one by one, the rest as a number."""
    for number in range(30):
        scenario.fake.add_server(f"user{number}", started="yesterday")
    recorder = await scenario.leading()
    await recorder.poll()
    assert caplog.text.count("Unexpected response from the Hub: server") == 20
    assert "10 more unexpected values" in caplog.text


def test_waiting_for_metrics_is_no_gap(scenario: Scenario) -> None:
    """With the shortest interval, slow metrics do not delay the next poll."""
    poller = Poller(scenario.hub, interval=10, full_interval=3600)
    assert poller.counters.seconds == 2.5
