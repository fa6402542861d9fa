"""Passes of the culler against the fake Hub: who is stopped, who is not, in which order."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from services.cull.passes.results import Outcome
from services.cull.policy.model import Action, Flags, Policy, Protections, Reason
from services.cull.policy.rules import Match, Rule, RuleAction
from tests.cull.passes.culler import HOUR, FakeStore, Seen, make_culler
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

NAMES = ["q?x=1", "h#frag", "%41", "名前", "sp ace", "a%2Fb", "..", "a&b=c;d", "+"]


async def test_the_idle_go_and_the_busy_stay(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """One pass stops who has been idle for the timeout, and nobody else."""
    fake_hub.add_server("idle", idle=HOUR)
    fake_hub.add_server("busy", idle=HOUR - 1)
    fake_hub.add_server("named", "lab", idle=2 * HOUR)
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert sorted(fake_hub.stopped) == [("idle", ""), ("named", "lab")]
    assert (result.seen, result.stopped, result.kept, result.failures) == (3, 2, 1, 0)
    assert result.good


async def test_names_are_taken_for_nobody_elses(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """An idle ``q?x=1`` costs the busy ``q`` nothing, and so on for every lawful name."""
    for name in NAMES:
        fake_hub.add_server(name, idle=2 * HOUR)
        fake_hub.add_server(name, "odd " + name, idle=2 * HOUR)
    for name in ("q", "h", "A", "a", "sp", "a/b"):
        fake_hub.add_server(name, idle=0)
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.good
    assert {user for user, _ in fake_hub.stopped} == set(NAMES)
    assert len(fake_hub.stopped) == 2 * len(NAMES)


async def test_the_oldest_idle_goes_first(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Where not all can go at once, those idle for longest do."""
    for name, hours in (("c", 3), ("a", 9), ("b", 5), ("d", 2)):
        fake_hub.add_server(name, idle=hours * HOUR, age=20 * HOUR)
    await make_culler(fake_hub, session, clock, concurrency=1).run_pass()
    assert [user for user, _ in fake_hub.stopped] == ["a", "b", "c", "d"]


async def test_stops_are_as_wide_as_asked_for(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Ten at a time means ten at a time: all ten are in flight at once, and no eleventh."""
    for number in range(30):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)
    fake_hub.stop_seconds = 0.05
    await make_culler(fake_hub, session, clock, concurrency=10).run_pass()
    assert len(fake_hub.stopped) == 30
    assert fake_hub.most_stopping == 10


def change_at_reread(fake_hub: FakeHub, **fields: Any) -> None:
    """Between listing and re-read, the server of ada changes."""

    def before(request: Any) -> None:
        if request.method == "GET" and "/users/ada" in request.path:
            server = fake_hub.users["ada"].servers[""]
            for name, value in fields.items():
                setattr(server, name, value)

    fake_hub.before = before


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"last_activity": START}, id="active"),
        pytest.param({"pending": "stop"}, id="stopping"),
        pytest.param({"pending": "spawn", "ready": False}, id="starting"),
        pytest.param({"started": START - timedelta(seconds=HOUR * 1.5)}, id="newer"),
        pytest.param({"ready": False}, id="stopped"),
    ],
)
@pytest.mark.parametrize("cull_users", [False, True])
async def test_a_server_that_changed_since_the_listing_is_left(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    fields: dict[str, Any],
    cull_users: bool,
) -> None:
    """Read again just before the stop, a server that is no longer the idle one is left."""
    fake_hub.add_server("ada", idle=2 * HOUR, age=3 * HOUR)
    change_at_reread(fake_hub, **fields)
    flags = Flags(timeout=HOUR, cull_users=cull_users)
    result = await make_culler(fake_hub, session, clock, flags=flags).run_pass()
    assert fake_hub.stopped == []
    assert fake_hub.deleted_users == []
    assert (result.stopped, result.deleted, result.failures) == (0, 0, 0)
    assert result.skipped >= 1


async def test_a_server_that_is_gone_is_left(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Somebody else was quicker: nothing to do and nothing wrong."""
    fake_hub.add_server("ada", idle=2 * HOUR)

    def before(request: Any) -> None:
        if "/users/ada" in request.path:
            fake_hub.users["ada"].servers.clear()

    fake_hub.before = before
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.good
    assert result.skipped == 1


async def test_a_hold_that_comes_between_is_honoured(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Extensions and holds are read anew for each stop, not once a pass."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ben", idle=2 * HOUR)
    store = FakeStore()

    def before(request: Any) -> None:
        if "/users/ada/server" in request.path:
            until = START + timedelta(hours=1)
            store.held = Protections(extensions={("ada", ""): until})

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, store=store).run_pass()
    assert fake_hub.stopped == [("ben", "")]


async def test_nobody_is_stopped_while_holds_cannot_be_read(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """With the database away, who is held is not known; and the pass says so."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    store = FakeStore()
    store.away = True
    culler = make_culler(fake_hub, session, clock, store=store)
    result = await culler.run_pass()
    assert fake_hub.stopped == []
    assert not result.good
    assert "database" in result.errors[0]
    store.away = False
    assert (await culler.run_pass()).stopped == 1


async def test_a_policy_that_changes_in_between_counts(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The decision at the stop is by the policy of that moment."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    policies = [Policy.from_flags(Flags(timeout=HOUR))]

    def before(request: Any) -> None:
        if "/users/ada" in request.path:
            policies.append(Policy.from_flags(Flags(timeout=3 * HOUR)))

    fake_hub.before = before
    culler = make_culler(fake_hub, session, clock, policy=lambda: policies[-1])
    await culler.run_pass()
    assert fake_hub.stopped == []


async def test_the_hubs_clock_counts(fake_hub: FakeHub, session: aiohttp.ClientSession) -> None:
    """A machine whose clock is a day ahead stops nobody for that."""
    fake_hub.add_server("ada", idle=0)
    clock = FakeClock(START + timedelta(days=1), skip=True)
    await make_culler(fake_hub, session, clock).run_pass()
    assert fake_hub.stopped == []


async def test_named_servers_are_removed_where_asked(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """--remove-named-servers removes named ones; a default one is only stopped."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ada", "lab", idle=2 * HOUR)
    flags = Flags(timeout=HOUR, remove_named_servers=True)
    result = await make_culler(fake_hub, session, clock, flags=flags).run_pass()
    assert fake_hub.removed == [("ada", "lab")]
    assert (result.stopped, result.removed) == (1, 1)


async def test_slow_stops_are_followed_until_done(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A 202 is looked after until the server is gone, and only then called done."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=3)
    store = FakeStore()
    result = await make_culler(fake_hub, session, clock, store=store).run_pass()
    assert not fake_hub.users["ada"].active
    assert (result.slow, result.stopped, result.failures) == (1, 1, 0)
    assert [event.outcome for event in store.events] == ["done"]


async def test_a_slow_stop_is_not_followed_for_ever(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Past the deadline it is reported, and tried again later."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=10_000)
    store = FakeStore()
    culler = make_culler(fake_hub, session, clock, store=store)
    result = await culler.run_pass()
    assert result.failures == 1
    assert "more than 300 s" in result.errors[0]
    assert [event.outcome for event in store.events] == ["overdue"]
    assert culler.failing == 1


async def test_a_slow_stop_that_the_hub_gives_up_is_a_failure(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The server is ready again, as it was before: the stop has failed."""
    server = fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=5)
    reads = 0

    def before(request: Any) -> None:
        nonlocal reads
        reads += request.method == "GET" and "/users/ada" in request.path
        if reads == 3:
            server.ready, server.pending = True, None

    fake_hub.before = before
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.failures == 1
    assert "gave up" in result.errors[0]


async def test_slow_stops_take_no_slot_and_outlive_the_pass(
    fake_hub: FakeHub, session: aiohttp.ClientSession
) -> None:
    """As a service, a pass ends while the Hub still stops; the next one leaves that alone."""
    for number in range(5):
        fake_hub.add_server(f"slow{number}", idle=3 * HOUR, age=9 * HOUR, slow_stop=2)
    fake_hub.add_server("quick", idle=2 * HOUR)
    clock = FakeClock()
    culler = make_culler(fake_hub, session, clock, concurrency=1, period=300.0)
    async with asyncio.timeout(10):
        first = await culler.run_pass()
        assert (first.slow, first.stopped) == (5, 1)
        second = await culler.run_pass()
    assert (second.slow, second.stopped, second.failures) == (0, 0, 0)
    assert len(fake_hub.requests("DELETE")) == 6
    async with asyncio.timeout(10):
        finishing = asyncio.create_task(culler.finish())
        while not finishing.done():
            clock.advance(10.0)
            await asyncio.sleep(0.005)
    assert not any(user.active for user in fake_hub.users.values())


async def test_a_failing_stop_is_tried_again_ever_more_rarely(
    fake_hub: FakeHub, session: aiohttp.ClientSession
) -> None:
    """Each failure doubles the pause; the others are stopped all the same."""
    fake_hub.add_server("ada", idle=3 * HOUR, age=9 * HOUR)
    fake_hub.add_server("ben", idle=2 * HOUR)
    fake_hub.fail("status", method="DELETE", path="/users/ada/", status=500, times=100)
    clock = FakeClock()
    culler = make_culler(fake_hub, session, clock, period=60.0, first_backoff=50.0)
    tried = []
    for minute in range(20):
        before = len(fake_hub.requests("DELETE", "/users/ada/"))
        result = await culler.run_pass()
        if len(fake_hub.requests("DELETE", "/users/ada/")) > before:
            tried.append(minute)
        assert result.stopped == (1 if minute == 0 else 0)
        clock.advance(60.0)
    assert tried == [0, 1, 3, 7, 14]
    fake_hub.faults.clear()
    clock.advance(HOUR)
    assert (await culler.run_pass()).stopped == 1
    assert culler.failing == 0


async def test_a_rate_limit_spreads_the_stops(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """With 10 stops a minute, 25 take two minutes; those that are left cost no turn."""
    for number in range(30):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)

    def before(request: Any) -> None:
        if request.method == "GET" and ("/users/" in request.path or "sort" in request.query):
            for number in range(5):
                fake_hub.users[f"user{number:02}"].servers[""].last_activity = START

    fake_hub.before = before
    culler = make_culler(fake_hub, session, clock, max_stops_per_minute=10, concurrency=1)
    result = await culler.run_pass()
    assert result.stopped == 25
    assert 120.0 <= clock.monotonic() < 180.0


async def test_a_pass_that_lasts_its_period_leaves_the_rest(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Its listing is old by then: what is left is found again by the next pass."""
    for number in range(30):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)
    culler = make_culler(fake_hub, session, clock, max_stops_per_minute=10, period=100.0)
    result = await culler.run_pass()
    assert (result.stopped, result.skipped) == (20, 10)
    assert clock.monotonic() < 100.0
    assert result.good


async def test_a_server_without_a_time_is_told_of_once_and_never_stopped(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is in the numbers of every pass, and in the log once."""
    fake_hub.add_server("ada", last_activity="yesterday", started="long ago")
    culler = make_culler(fake_hub, session, clock)
    for _ in range(3):
        result = await culler.run_pass()
        assert result.states == {"no_time": 1}
    assert fake_hub.stopped == []
    assert sum("no usable time" in line for line in caplog.messages) == 1


async def test_every_stop_is_in_the_audit_log(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who, what, why and by which rule: in the log "audit" and in the store."""
    caplog.set_level(logging.INFO)
    fake_hub.add_server("ada", "lab", idle=2 * HOUR)
    store = FakeStore()
    await make_culler(fake_hub, session, clock, store=store).run_pass()
    [event] = store.events
    assert (event.who, event.action, event.target) == ("culler", "stop", "server")
    assert (event.name, event.server, event.rule, event.outcome) == (
        "ada",
        "lab",
        "default",
        "done",
    )
    assert event.reason.startswith("idle")
    [line] = [record.getMessage() for record in caplog.records if record.name == "audit"]
    for word in ("culler", "stop", "ada/lab", "idle", "default", "done"):
        assert word in line


async def test_an_audit_log_that_is_away_stops_nothing(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The line is in the log all the same."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    store = FakeStore()

    def before(request: Any) -> None:
        store.away = store.away or request.method == "DELETE"

    fake_hub.before = before
    assert (await make_culler(fake_hub, session, clock, store=store).run_pass()).stopped == 1


async def test_a_dry_survey_stops_nothing(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """It tells who would go, and sends nothing but reads."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    survey = await make_culler(fake_hub, session, clock, keep_servers=True).survey()
    assert [candidate.user.name for candidate in survey.ordered()] == ["ada"]
    assert {seen.method for seen in fake_hub.seen} == {"GET"}


async def test_rows_are_those_of_the_last_whole_listing(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A listing that breaks off does not empty the administrator's table."""
    fake_hub.add_server("ada", idle=60, user_options={"profile": "small"})
    fake_hub.users["ada"].groups = ["course"]
    culler = make_culler(fake_hub, session, clock, keep_servers=True)
    await culler.run_pass()
    fake_hub.fail("status", path="/users?", times=10)
    await culler.run_pass()
    [row] = culler.servers()
    assert (row.user, row.groups, row.admin, row.server.profile) == (
        "ada",
        ("course",),
        False,
        "small",
    )
    assert row.decision.reason is Reason.ACTIVE
    assert culler.as_of == START
    assert [result.complete for result in culler.history] == [True, False]


async def test_a_listing_costs_no_more_than_it_must(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Only those with running servers are asked for, 200 at a time, and nothing else."""
    for number in range(450):
        fake_hub.add_server(f"user{number:03}", idle=0)
    fake_hub.add_user("away")
    await make_culler(fake_hub, session, clock).run_pass()
    assert len(fake_hub.seen) == 3
    assert all("state=ready" in seen.raw_path for seen in fake_hub.seen)
    assert all("limit=200" in seen.raw_path for seen in fake_hub.seen)


async def test_rules_decide_by_group(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The first rule that matches holds, also at the re-read, where no group is told."""
    fake_hub.add_user("ada", groups=["exam"])
    fake_hub.add_user("ben", groups=["course"])
    for name in ("ada", "ben"):
        fake_hub.add_server(name, idle=2 * HOUR)
    default = Policy.from_flags(Flags(timeout=9 * HOUR))
    rules = (
        Rule(name="exam", match=Match(groups=("exam",)), action=RuleAction.NEVER),
        Rule(name="course", match=Match(groups=("course",)), idle_timeout=HOUR),
    )
    policy = replace(default, rules=rules + default.rules)
    store = FakeStore()
    await make_culler(fake_hub, session, clock, policy=lambda: policy, store=store).run_pass()
    assert fake_hub.stopped == [("ben", "")]
    assert store.events[0].rule == "course"


@pytest.mark.parametrize("why", ["rule", "hold"])
async def test_nobody_is_stopped_while_groups_count_and_are_not_seen(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, why: str
) -> None:
    """A token that may not read groups would make every rule and hold of a group void."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    policy = Policy.from_flags(Flags(timeout=HOUR))
    store = FakeStore()
    if why == "rule":
        exam = Rule(name="exam", match=Match(groups=("exam",)), action=RuleAction.NEVER)
        policy = replace(policy, rules=(exam, *policy.rules))
    else:
        store.held = Protections(group_holds={"exam": START + timedelta(hours=1)})
    culler = make_culler(fake_hub, session, clock, policy=lambda: policy, store=store)
    result = await culler.run_pass()
    assert fake_hub.stopped == []
    assert "read:users:groups" in result.errors[0]
    fake_hub.scopes.append("read:users:groups!group=exam")
    assert (await culler.run_pass()).stopped == 1


async def test_the_observer_hears_of_everything(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Metrics are fed by what is told, with the reason and the outcome."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("old", idle=0, age=9 * HOUR)
    seen = Seen()
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    await make_culler(fake_hub, session, clock, flags=flags, observer=seen).run_pass()
    assert sorted((done.user, done.reason, done.outcome) for done in seen.all) == [
        ("ada", Reason.IDLE, Outcome.DONE),
        ("old", Reason.MAX_AGE, Outcome.DONE),
    ]
    assert {done.action for done in seen.all} == {Action.STOP}


async def test_abandoned_passes_begin_nothing_more(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """At SIGTERM what was begun is finished, and the rest is left."""
    for number in range(20):
        fake_hub.add_server(f"user{number:02}", idle=2 * HOUR)
    culler = make_culler(fake_hub, session, clock, concurrency=2)

    def before(request: Any) -> None:
        if request.method == "DELETE":
            culler.abandon()

    fake_hub.before = before
    result = await culler.run_pass()
    assert 1 <= len(fake_hub.stopped) <= 3
    assert result.stopped == len(fake_hub.stopped)
    assert result.skipped == 20 - result.stopped


# -- the arbiter of jupyterhub-idle-culler's configuration files


async def test_the_arbiter_replaces_the_timeout(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """It is asked with time, limit and the Hub's own model, at the listing and at the stop."""
    fake_hub.add_server("short", idle=10, user_options={"profile": "small"})
    fake_hub.add_server("long", idle=9 * HOUR, user_options={"profile": "unlimited"})
    asked: list[tuple[timedelta, int, str]] = []

    def arbiter(*, inactive: timedelta, inactive_limit: int, server: dict[str, Any]) -> bool:
        asked.append((inactive, inactive_limit, server["user_options"]["profile"]))
        return bool(server["user_options"]["profile"] != "unlimited")

    result = await make_culler(fake_hub, session, clock, arbiter=arbiter).run_pass()
    assert fake_hub.stopped == [("short", "")]
    assert asked.count((timedelta(seconds=10), 3600, "small")) == 2
    assert result.reasons[Reason.ARBITER] == 1


async def test_the_arbiter_may_be_async(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """As in jupyterhub-idle-culler."""
    fake_hub.add_server("ada", idle=10)

    async def arbiter(**_: object) -> bool:
        await asyncio.sleep(0)
        return True

    await make_culler(fake_hub, session, clock, arbiter=arbiter).run_pass()
    assert fake_hub.stopped == [("ada", "")]


async def test_an_arbiter_that_fails_costs_one_user(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Its error is reported; that user is spared and the others are culled."""
    fake_hub.add_server("ada", idle=2 * HOUR, user_options={})
    fake_hub.add_server("ben", idle=2 * HOUR, user_options={"profile": "x"})

    def arbiter(*, server: dict[str, Any], **_: object) -> bool:
        return bool(server["user_options"]["profile"])

    result = await make_culler(fake_hub, session, clock, arbiter=arbiter).run_pass()
    assert fake_hub.stopped == [("ben", "")]
    assert result.failures == 1
    assert "ada" in result.errors[0]


async def test_age_stops_whatever_the_arbiter_says(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The hook is about idleness; --max-age is not its business."""
    fake_hub.add_server("ada", idle=0, age=9 * HOUR)
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    culler = make_culler(fake_hub, session, clock, flags=flags, arbiter=lambda **_: False)
    await culler.run_pass()
    assert fake_hub.stopped == [("ada", "")]


# -- users


def user_flags(**fields: Any) -> Flags:
    return Flags(timeout=HOUR, cull_users=True, **fields)


def idle_user(fake_hub: FakeHub, name: str, idle: float = 2 * HOUR, **fields: Any) -> None:
    fake_hub.add_user(name, last_activity=START - timedelta(seconds=idle), **fields)


async def test_idle_users_are_deleted(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """With --cull-users, who is idle goes; who is not, stays; admins stay."""
    idle_user(fake_hub, "idle")
    idle_user(fake_hub, "q?x=1")
    idle_user(fake_hub, "busy", idle=60)
    idle_user(fake_hub, "q", idle=60)
    idle_user(fake_hub, "boss", admin=True)
    result = await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert sorted(fake_hub.deleted_users) == ["idle", "q?x=1"]
    assert result.deleted == 2


async def test_admins_are_deleted_only_where_asked(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """--cull-admin-users spares nobody."""
    idle_user(fake_hub, "boss", admin=True)
    flags = user_flags(cull_admin_users=True)
    await make_culler(fake_hub, session, clock, flags=flags).run_pass()
    assert fake_hub.deleted_users == ["boss"]


async def test_a_user_goes_with_their_servers_in_one_pass(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Our own stop, which the Hub takes for activity, does not keep the user alive."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ada", "lab", idle=3 * HOUR)
    result = await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert len(fake_hub.stopped) == 2
    assert fake_hub.deleted_users == ["ada"]
    assert (result.stopped, result.deleted) == (2, 1)


async def test_a_user_who_came_back_during_the_stop_stays(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Activity later than our stop is the user's own."""
    fake_hub.add_server("ada", idle=2 * HOUR)

    def before(request: Any) -> None:
        if request.method == "GET" and ("ada", "") in fake_hub.stopped:
            fake_hub.users["ada"].last_activity = START + timedelta(seconds=30)

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.stopped == [("ada", "")]
    assert fake_hub.deleted_users == []


async def test_a_user_who_was_active_without_a_server_stays(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A page view between listing and re-read counts."""
    idle_user(fake_hub, "ada")

    def before(request: Any) -> None:
        if request.path.endswith("/users/ada"):
            fake_hub.users["ada"].last_activity = START

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.deleted_users == []


async def test_a_user_who_started_a_server_stays(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Between listing and re-read a server came to be: the user is left alone."""
    idle_user(fake_hub, "ada")

    def before(request: Any) -> None:
        if request.path.endswith("/users/ada") and not fake_hub.users["ada"].servers:
            last = fake_hub.users["ada"].last_activity
            fake_hub.add_server("ada", idle=0, ready=False, pending="spawn")
            fake_hub.users["ada"].last_activity = last

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.deleted_users == []
    assert fake_hub.stopped == []


async def test_a_user_with_a_server_that_stays_stays(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """One idle server goes, one busy one keeps the user."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ada", "lab", idle=0)
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.stopped == [("ada", "")]
    assert fake_hub.deleted_users == []


async def test_a_user_whose_server_stops_slowly_goes_in_a_later_pass(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Not while it stops; and the stop does not count as the user's activity afterwards."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=2)
    culler = make_culler(fake_hub, session, clock, flags=user_flags())
    first = await culler.run_pass()
    assert (first.stopped, first.deleted) == (1, 0)
    assert fake_hub.users["ada"].last_activity == START
    second = await culler.run_pass()
    assert second.deleted == 1


async def test_a_user_with_an_extension_stays(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A held user is not deleted."""
    idle_user(fake_hub, "ada")
    until: datetime = START + timedelta(hours=1)
    store = FakeStore(Protections(user_holds={"ada": until}))
    await make_culler(fake_hub, session, clock, flags=user_flags(), store=store).run_pass()
    assert fake_hub.deleted_users == []


async def test_old_hubs_work_too(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    """JupyterHub 5 reads no single server: the user is read instead."""
    async with FakeHub(version="5.4.0") as fake_hub:
        fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=2)
        fake_hub.add_server("ben", idle=2 * HOUR)
        result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.stopped == 2
