"""The survey: which servers and users are listed, decided on and due."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace as replace_struct

from common.hub.models import Server, User
from services.cull.passes.listing.survey import STATES, Candidate, DueServer, Survey, state_of
from services.cull.passes.results import Tally
from services.cull.policy.model import Action, Decision, Flags, Policy, Protections, Reason
from services.cull.policy.rules import Match, Rule, RuleAction
from tests.cull.culler import HOUR, IDLE, FakeStore, make_culler, run_pass, stopped
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

NAMES = ["q?x=1", "h#frag", "%41", "名前", "sp ace", "a%2Fb", "..", "a&b=c;d", "+"]


async def test_unusual_names_are_not_confused(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """An idle ``q?x=1`` does not affect the busy ``q``, and so on for every valid name."""
    for name in NAMES:
        fake_hub.add_server(name, idle=2 * HOUR)
        fake_hub.add_server(name, "unusual " + name, idle=2 * HOUR)
    for name in ("q", "h", "A", "a", "sp", "a/b"):
        fake_hub.add_server(name, idle=0)
    result = await make_culler(fake_hub, session, clock).run_pass()
    assert result.good
    assert {user for user, _ in fake_hub.stopped} == set(NAMES)
    assert len(fake_hub.stopped) == 2 * len(NAMES)


async def test_idle_times_are_measured_by_the_hubs_clock(
    fake_hub: FakeHub, session: aiohttp.ClientSession
) -> None:
    """A machine whose clock is a day ahead stops no server because of that."""
    fake_hub.add_server("ada", idle=0)
    clock = FakeClock(START + timedelta(days=1), skip=True)
    await make_culler(fake_hub, session, clock).run_pass()
    assert fake_hub.stopped == []


async def test_no_server_is_stopped_while_holds_cannot_be_read(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """While the database is unavailable, holds are unknown; the pass reports the error."""
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


async def test_a_server_without_a_usable_time_is_logged_once_and_never_stopped(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every pass counts it, but only the first one logs it."""
    fake_hub.add_server("ada", last_activity="yesterday", started="long ago")
    culler = make_culler(fake_hub, session, clock)
    for _ in range(3):
        result = await culler.run_pass()
        assert result.states == {"no_time": 1}
    assert fake_hub.stopped == []
    assert sum("no usable time" in line for line in caplog.messages) == 1


async def test_a_survey_only_reads(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """It lists what is due and sends only GET requests."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    survey = await make_culler(fake_hub, session, clock, keep_servers=True).survey()
    assert [candidate.user.name for candidate in survey.ordered()] == ["ada"]
    assert {seen.method for seen in fake_hub.seen} == {"GET"}


async def test_a_listing_requests_only_users_with_running_servers(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Pages of 200 users with running servers are read, and nothing else."""
    for number in range(450):
        fake_hub.add_server(f"user{number:03}", idle=0)
    fake_hub.add_user("away")
    await make_culler(fake_hub, session, clock).run_pass()
    assert len(fake_hub.seen) == 3
    assert all("state=ready" in seen.raw_path for seen in fake_hub.seen)
    assert all("limit=200" in seen.raw_path for seen in fake_hub.seen)


async def test_rules_for_groups_apply(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The first matching rule applies, also at the re-read, whose model has no groups."""
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
async def test_no_server_is_stopped_while_groups_matter_but_are_hidden(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, why: str
) -> None:
    """Without read:users:groups every rule and hold for a group would be ignored."""
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


async def test_a_failing_arbiter_affects_one_user(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Its error is reported; that user is kept and the others are culled."""
    fake_hub.add_server("ada", idle=2 * HOUR, user_options={})
    fake_hub.add_server("ben", idle=2 * HOUR, user_options={"profile": "x"})

    def arbiter(*, server: dict[str, Any], **_: object) -> bool:
        return bool(server["user_options"]["profile"])

    result = await make_culler(fake_hub, session, clock, arbiter=arbiter).run_pass()
    assert fake_hub.stopped == [("ben", "")]
    assert result.failures == 1
    assert "ada" in result.errors[0]


OLD = START - timedelta(hours=2)


@pytest.mark.parametrize(
    ("last_activity", "stops"),
    [
        pytest.param("2026-03-02T10:00:00.000000Z", True, id="as-the-hub-writes"),
        pytest.param("2026-03-02T10:00:00", True, id="naive-is-utc-idle"),
        pytest.param("2026-03-02T11:30:00", False, id="naive-is-utc-busy"),
        pytest.param("2026-03-02T11:00:00+01:00", True, id="offset-idle"),
        pytest.param("2026-03-02T10:00:00-01:30", False, id="offset-busy"),
        pytest.param("2027-03-02T10:00:00Z", False, id="future"),
        pytest.param("9999-12-31T23:59:59-12:00", False, id="end-of-time"),
        pytest.param("0001-01-01T00:00:00+12:00", False, id="before-time"),
        pytest.param("yesterday", False, id="garbage"),
        pytest.param("", False, id="empty"),
        pytest.param(12345678, False, id="number"),
        pytest.param({"at": "10:00"}, False, id="object"),
        pytest.param(None, True, id="null-counts-from-start"),
    ],
)
async def test_only_usable_times_stop_a_server(
    hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    last_activity: Any,
    stops: bool,
) -> None:
    """A server with an unusable time is kept; the others are culled either way."""
    hub.add_server("other", last_activity=last_activity, started=OLD - timedelta(hours=1))
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == sorted(IDLE + (["other"] if stops else []))
    assert result.good


@pytest.mark.parametrize("started", [None, "soon", "2030-01-01T00:00:00Z"])
async def test_a_server_without_activity_and_start_is_kept(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, started: Any
) -> None:
    """With neither time, nothing shows that it is idle."""
    hub.add_server("other", last_activity=None, started=started)
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    await run_pass(make_culler(hub, session, clock, flags=flags))
    assert stopped(hub) == IDLE


@pytest.mark.parametrize(
    "field", ["last_activity", "started", "pending", "ready", "stopped", "url", "user_options"]
)
async def test_a_missing_field_does_not_stop_a_busy_server(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, field: str
) -> None:
    """An incomplete model is used as far as it goes."""
    hub.add_server("other", idle=0, drop=(field,))
    result = await run_pass(make_culler(hub, session, clock))
    assert set(stopped(hub)) - {"other"} == set(IDLE)
    assert result.good
    if field not in {"last_activity"}:
        assert "other" not in stopped(hub)


# -- candidates

DUE = Decision(Action.STOP, Reason.IDLE, "default", START, START - timedelta(hours=2))
KEPT = Decision(Action.KEEP, Reason.ACTIVE, "default", START + timedelta(hours=1), START)
DELETE = Decision(Action.DELETE_USER, Reason.IDLE, "default", START, START - timedelta(hours=3))


def user_with(*servers: str, groups: tuple[str, ...] = ()) -> User:
    models = {name: Server(name=name, ready=True, started=OLD) for name in servers}
    return User(name="ada", groups=groups, servers=models)


def test_each_due_server_is_a_candidate() -> None:
    """Where users are not culled, servers of one user are stopped independently."""
    survey = Survey(Tally(), by_user=False, keep_servers=False)
    survey.add(user_with("", "a", "b"), {"": DUE, "a": KEPT, "b": DUE}, DELETE)
    assert [candidate.first[0] for candidate in survey.candidates] == ["", "b"]
    assert {candidate.delete for candidate in survey.candidates} == {None}
    assert (survey.tally.users, survey.tally.seen, survey.tally.kept) == (1, 3, 1)


def test_a_user_and_their_servers_are_one_candidate_where_users_are_culled() -> None:
    """The user's own activity has to be read before any of their servers is stopped."""
    survey = Survey(Tally(), by_user=True, keep_servers=False)
    survey.add(user_with("", "a"), {"": DUE, "a": DUE}, DELETE)
    [candidate] = survey.candidates
    assert [server.name for server in candidate.servers] == ["", "a"]
    assert candidate.delete is DELETE
    assert candidate.since == DELETE.idle_since


def test_a_user_without_servers_is_a_candidate_only_for_deletion() -> None:
    """A kept user is no candidate, a due one is one without servers."""
    survey = Survey(Tally(), by_user=True, keep_servers=False)
    survey.add(user_with(), {}, Decision(Action.KEEP, Reason.ACTIVE, "default"))
    assert survey.candidates == []
    survey.add(user_with(), {}, DELETE)
    assert survey.candidates[0].first == (None, DELETE)


@pytest.mark.parametrize(
    ("servers", "delete", "key"),
    [
        (("a",), None, ("ada", "a")),
        (("a", "b"), None, ("ada", None)),
        (("a",), DELETE, ("ada", None)),
        ((), DELETE, ("ada", None)),
    ],
)
def test_a_candidate_backs_off_as_one(
    servers: tuple[str, ...], delete: Decision | None, key: tuple[str, str | None]
) -> None:
    """A candidate for one server backs off alone; otherwise the user does."""
    due = tuple(DueServer(name, OLD, DUE) for name in servers)
    assert Candidate(user_with(*servers), due, delete, START).key == key


def test_a_candidate_has_a_target() -> None:
    """A candidate without server and user is a bug."""
    with pytest.raises(ValueError, match="server or a user"):
        _ = Candidate(user_with(), (), None, START).first


def test_candidates_are_ordered_by_their_last_activity() -> None:
    """The longest idle comes first; without activity the start counts, without both it is first."""
    survey = Survey(Tally(), by_user=False, keep_servers=False)
    without = replace_struct(DUE, idle_since=None)
    survey.add(user_with("active"), {"active": DUE})
    survey.add(user_with("started"), {"started": without})
    timeless = User(name="ben", servers={"timeless": Server(name="timeless", ready=True)})
    survey.add(timeless, {"timeless": without})
    survey.add(user_with("equal"), {"equal": DUE})
    assert [candidate.first[0] for candidate in survey.ordered()] == [
        "timeless",
        "active",
        "started",
        "equal",
    ]


def test_kept_servers_share_their_owner() -> None:
    """Each server is kept with its decision; the owner is stored once, and without servers."""
    survey = Survey(Tally(), by_user=False, keep_servers=True)
    survey.add(user_with("", "a", groups=("course",)), {"": DUE, "a": KEPT})
    first, second = survey.servers
    assert (first.server.name, first.decision, second.decision) == ("", DUE, KEPT)
    assert first.owner is second.owner
    assert first.owner == replace_struct(user_with(groups=("course",)), servers={})


@pytest.mark.parametrize(
    ("server", "reason", "state"),
    [
        (Server(name="", ready=True), Reason.ACTIVE, "ready"),
        (Server(name="", ready=True, pending="stop"), Reason.PENDING, "pending"),
        (Server(name="", pending="spawn"), Reason.PENDING, "pending"),
        (Server(name=""), Reason.NOT_READY, "not_ready"),
        (Server(name="", ready=True), Reason.NO_TIME, "no_time"),
    ],
)
def test_every_server_has_one_state(server: Server, reason: Reason, state: str) -> None:
    """The states are the labels of a metric."""
    assert state_of(server, Decision(Action.KEEP, reason, "default")) == state
    assert state in STATES
