"""What happens to a server or a user: a baseline, and rows that change one thing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.hub.models import Server, User
from services.cull.policy.decide import decide_server, decide_user
from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal, next_extension
from services.cull.policy.model import Action, Flags, Policy, Protections, Reason, default_rule
from services.cull.policy.rules import Kind, Match, Rule, RuleAction
from services.cull.policy.windows import Span

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
USER = User(name="ana", groups=("nbgrader-c1",), created=NOW - 100 * HOUR)
IDLE = Server(name="", ready=True, started=NOW - 5 * HOUR, last_activity=NOW - HOUR)
FLAGS = Flags(timeout=600)


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def decided(
    *,
    flags: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    rules: tuple[Rule, ...] = (),
    **options: Any,
) -> tuple[Action, Reason]:
    set_flags = replace(FLAGS, **(flags or {}))
    policy = Policy((*rules, default_rule(set_flags)), set_flags)
    decision = decide_server(
        msgspec.structs.replace(USER, **(user or {})),
        msgspec.structs.replace(IDLE, **(server or {})),
        policy,
        NOW,
        **options,
    )
    return decision.action, decision.reason


CASES: dict[str, tuple[dict[str, Any], Action, Reason]] = {
    "idle": ({}, Action.STOP, Reason.IDLE),
    "active": ({"server": {"last_activity": ago(seconds=10)}}, Action.KEEP, Reason.ACTIVE),
    "exactly the timeout is due": (
        {"server": {"last_activity": ago(seconds=600)}},
        Action.STOP,
        Reason.IDLE,
    ),
    "a moment less is not": (
        {"server": {"last_activity": ago(seconds=599.999)}},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "pending": ({"server": {"pending": "stop"}}, Action.KEEP, Reason.PENDING),
    "not ready": ({"server": {"ready": False}}, Action.KEEP, Reason.NOT_READY),
    "no activity yet counts from the start": (
        {"server": {"last_activity": None}},
        Action.STOP,
        Reason.IDLE,
    ),
    "no time at all": (
        {"server": {"last_activity": None, "started": None}},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "garbage for the activity is not no activity": (
        {"server": {"last_activity": None, "problems": ("last_activity",)}},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "garbage for the activity does not hide an age": (
        {
            "server": {"last_activity": None, "problems": ("last_activity",)},
            "flags": {"max_age": 3600},
        },
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "activity ahead of now": (
        {"server": {"last_activity": NOW + HOUR}},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "too old though active": (
        {"server": {"last_activity": NOW}, "flags": {"max_age": 5 * 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "default servers spared": (
        {"flags": {"cull_default_servers": False}},
        Action.KEEP,
        Reason.DEFAULT_SPARED,
    ),
    "spared from idleness, not from age": (
        {"flags": {"cull_default_servers": False, "max_age": 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "named servers spared": (
        {"server": {"name": "gpu"}, "flags": {"cull_named_servers": False}},
        Action.KEEP,
        Reason.NAMED_SPARED,
    ),
    "named servers removed": (
        {"server": {"name": "gpu"}, "flags": {"remove_named_servers": True}},
        Action.REMOVE,
        Reason.IDLE,
    ),
    "default servers never removed": (
        {"flags": {"remove_named_servers": True}},
        Action.STOP,
        Reason.IDLE,
    ),
    "a rule that says stop beats the flag that removes": (
        {
            "server": {"name": "gpu"},
            "flags": {"remove_named_servers": True},
            "rules": (Rule("keep files", action=RuleAction.STOP),),
        },
        Action.STOP,
        Reason.IDLE,
    ),
    "a rule removes": (
        {"server": {"name": "gpu"}, "rules": (Rule("tidy", action=RuleAction.REMOVE),)},
        Action.REMOVE,
        Reason.IDLE,
    ),
    "a rule cannot remove a default server": (
        {"rules": (Rule("tidy", action=RuleAction.REMOVE),)},
        Action.STOP,
        Reason.IDLE,
    ),
    "a rule says never": (
        {"rules": (Rule("exam", Match(users=("a*",)), RuleAction.NEVER),)},
        Action.KEEP,
        Reason.NEVER,
    ),
    "a rule for others says never": (
        {"rules": (Rule("exam", Match(users=("b*",)), RuleAction.NEVER),)},
        Action.STOP,
        Reason.IDLE,
    ),
    "a rule without timeout": (
        {"rules": (Rule("free", idle_timeout=None),)},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "a profile that is not told": (
        {"rules": (Rule("gpu", Match(profiles=("gpu",)), RuleAction.NEVER),)},
        Action.KEEP,
        Reason.NO_PROFILE,
    ),
    "no profile": (
        {
            "server": {"user_options": {}},
            "rules": (Rule("gpu", Match(profiles=("gpu",)), RuleAction.NEVER),),
        },
        Action.STOP,
        Reason.IDLE,
    ),
    "the first match wins": (
        {
            "rules": (
                Rule("long", Match(groups=("nbgrader-*",)), idle_timeout=7200),
                Rule("short", idle_timeout=60),
            )
        },
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "the arbiter says stop": (
        {"server": {"last_activity": NOW}, "arbiter": True},
        Action.STOP,
        Reason.IDLE,
    ),
    "the arbiter says keep": ({"arbiter": False}, Action.KEEP, Reason.ARBITER),
    "the arbiter is asked again at the timeout": (
        {"server": {"last_activity": NOW}, "arbiter": False},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "the arbiter has no say on age": (
        {"arbiter": False, "flags": {"max_age": 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "the arbiter does not beat a spared kind": (
        {"arbiter": True, "flags": {"cull_default_servers": False}},
        Action.KEEP,
        Reason.DEFAULT_SPARED,
    ),
    "settling": ({"trust_idle_from": NOW + HOUR}, Action.KEEP, Reason.SETTLING),
    "settled at this moment": ({"trust_idle_from": NOW}, Action.STOP, Reason.IDLE),
    "an arbiter is not believed while settling": (
        {"arbiter": True, "trust_idle_from": NOW + HOUR},
        Action.KEEP,
        Reason.SETTLING,
    ),
    "an age does not settle": (
        {"trust_idle_from": NOW + HOUR, "flags": {"max_age": 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "extended": (
        {"protections": Protections(extensions={("ana", ""): NOW + HOUR})},
        Action.KEEP,
        Reason.EXTENDED,
    ),
    "extended until now": (
        {"protections": Protections(extensions={("ana", ""): NOW})},
        Action.STOP,
        Reason.IDLE,
    ),
    "another's extension": (
        {"protections": Protections(extensions={("bob", ""): NOW + HOUR})},
        Action.STOP,
        Reason.IDLE,
    ),
    "another server's extension": (
        {"protections": Protections(extensions={("ana", "gpu"): NOW + HOUR})},
        Action.STOP,
        Reason.IDLE,
    ),
    "held by server": (
        {"protections": Protections(server_holds={("ana", ""): NOW + HOUR})},
        Action.KEEP,
        Reason.HELD,
    ),
    "held by user": (
        {"protections": Protections(user_holds={"ana": NOW + HOUR})},
        Action.KEEP,
        Reason.HELD,
    ),
    "held by group": (
        {"protections": Protections(group_holds={"nbgrader-c1": NOW + HOUR})},
        Action.KEEP,
        Reason.HELD,
    ),
    "the longest hold counts": (
        {
            "protections": Protections(
                server_holds={("ana", ""): NOW - HOUR}, group_holds={"nbgrader-c1": NOW + HOUR}
            )
        },
        Action.KEEP,
        Reason.HELD,
    ),
    "held until now, and active": (
        {
            "server": {"last_activity": NOW},
            "protections": Protections(user_holds={"ana": NOW}),
        },
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "a hold beats an age": (
        {
            "protections": Protections(user_holds={"ana": NOW + HOUR}),
            "flags": {"max_age": 60},
        },
        Action.KEEP,
        Reason.HELD,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_server_is_decided(case: str) -> None:
    """Each row changes one thing of an idle server that would be stopped."""
    given_case, action, reason = CASES[case]
    assert decided(**given_case) == (action, reason)


def test_no_time_is_made_up_while_the_hub_has_not_been_seen() -> None:
    """Nobody can say when idleness will be believed, and datetime.max is no answer."""
    end = datetime.max.replace(tzinfo=UTC)
    decision = decide_server(USER, IDLE, Policy.from_flags(FLAGS), NOW, trust_idle_from=end)
    assert (decision.reason, decision.due) == (Reason.SETTLING, None)


MATCHES: dict[str, tuple[Match, bool]] = {
    "nothing asked": (Match(), True),
    "user": (Match(users=("b*", "an?")), True),
    "user in other case": (Match(users=("ANA",)), False),
    "group": (Match(groups=("nbgrader-c1",)), True),
    "another group": (Match(groups=("nbgrader-c2",)), False),
    "server": (Match(servers=("gp*",)), True),
    "another server": (Match(servers=("",)), False),
    "named": (Match(kind=Kind.NAMED), True),
    "default": (Match(kind=Kind.DEFAULT), False),
    "administrator": (Match(admin=True), False),
    "no administrator": (Match(admin=False), True),
    "profile": (Match(profiles=("gpu-*",)), True),
    "another profile": (Match(profiles=("cpu",)), False),
    "all conditions": (Match(users=("ana",), kind=Kind.NAMED, profiles=("gpu-*",)), True),
    "all but one": (Match(users=("ana",), kind=Kind.NAMED, profiles=("cpu",)), False),
}


@pytest.mark.parametrize("case", MATCHES)
def test_a_rule_matches(case: str) -> None:
    """All conditions must hold, and of one condition's values any."""
    match, holds = MATCHES[case]
    server = msgspec.structs.replace(IDLE, name="gpu", user_options={"profile": "gpu-large"})
    assert match.holds_for(USER, server, NOW) is holds


@pytest.mark.parametrize(
    "match", [Match(servers=("*",)), Match(profiles=("*",))], ids=["server", "profile"]
)
def test_a_glob_for_everything_matches_only_what_is_there(match: Match) -> None:
    """A default server has no name, and without a profile list there is no profile."""
    assert not match.holds_for(USER, IDLE, NOW)
    named = msgspec.structs.replace(IDLE, name="gpu", user_options={"profile": "p"})
    assert match.holds_for(USER, named, NOW)


USERS: dict[str, tuple[dict[str, Any], dict[str, Any], Action, Reason]] = {
    "idle": ({}, {}, Action.DELETE_USER, Reason.IDLE),
    "users are not culled": ({}, {"cull_users": False}, Action.KEEP, Reason.NOT_CULLED),
    "active": ({"last_activity": NOW}, {}, Action.KEEP, Reason.ACTIVE),
    "never active counts from creation": (
        {"last_activity": None},
        {},
        Action.DELETE_USER,
        Reason.IDLE,
    ),
    "no time": ({"last_activity": None, "created": None}, {}, Action.KEEP, Reason.NO_TIME),
    "garbage": (
        {"last_activity": None, "problems": ("last_activity",)},
        {},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "a running server": ({"servers": {"": IDLE}}, {}, Action.KEEP, Reason.SERVERS_RUNNING),
    "servers not told": ({"problems": ("servers",)}, {}, Action.KEEP, Reason.SERVERS_RUNNING),
    "a server that may be running": (
        {"servers": {"": Server(name="", problems=("ready",))}},
        {},
        Action.KEEP,
        Reason.SERVERS_RUNNING,
    ),
    "a starting server": (
        {"servers": {"": Server(name="", pending="spawn")}},
        {},
        Action.KEEP,
        Reason.SERVERS_RUNNING,
    ),
    "a stopped named server": (
        {"servers": {"x": Server(name="x", stopped=True)}},
        {},
        Action.DELETE_USER,
        Reason.IDLE,
    ),
    "administrator": ({"admin": True}, {}, Action.KEEP, Reason.ADMIN_SPARED),
    "administrator, asked for": (
        {"admin": True},
        {"cull_admin_users": True},
        Action.DELETE_USER,
        Reason.IDLE,
    ),
    "too old": (
        {"last_activity": NOW},
        {"max_age": 3600},
        Action.DELETE_USER,
        Reason.MAX_AGE,
    ),
    "no person": ({"kind": "service"}, {}, Action.KEEP, Reason.NOT_CULLED),
}


@pytest.mark.parametrize("case", USERS)
def test_a_user_is_decided(case: str) -> None:
    """Each row changes one thing of an idle user who would be deleted."""
    changes, flag_changes, action, reason = USERS[case]
    user = msgspec.structs.replace(USER, **({"last_activity": NOW - HOUR} | changes))
    flags = replace(FLAGS, **({"cull_users": True} | flag_changes))
    decision = decide_user(user, Policy.from_flags(flags), NOW)
    assert (decision.action, decision.reason) == (action, reason)


def test_a_rule_for_servers_says_nothing_on_users() -> None:
    """A rule that asks for a server's name or profile is passed over for the user."""
    flags = replace(FLAGS, cull_users=True)
    rule = Rule("gpu", Match(profiles=("*",)), RuleAction.NEVER)
    policy = Policy((rule, default_rule(flags)), flags)
    user = msgspec.structs.replace(USER, last_activity=NOW - HOUR)
    assert decide_user(user, policy, NOW).rule == "default"


def protected(kind: str, server: str, until: datetime) -> Protections:
    ends = {("ana", server): until}
    if kind == "extensions":
        return Protections(extensions=ends)
    return Protections(server_holds=ends)


@pytest.mark.parametrize("kind", ["extensions", "server_holds"])
def test_whoever_keeps_a_server_keeps_the_user(kind: str) -> None:
    """An extension or a hold on any of the user's servers spares the user too."""
    flags = replace(FLAGS, cull_users=True)
    user = msgspec.structs.replace(USER, last_activity=NOW - HOUR)
    protections = protected(kind, "gpu", NOW + HOUR)
    decision = decide_user(user, Policy.from_flags(flags), NOW, protections=protections)
    assert decision.action is Action.KEEP


times = st.integers(-10_000, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
servers = st.builds(
    lambda name, started, active: Server(
        name=name, ready=True, started=started, last_activity=active
    ),
    st.sampled_from(["", "gpu"]),
    st.none() | times,
    st.none() | times,
)
flag_sets = st.builds(
    Flags,
    timeout=st.integers(0, 5000),
    max_age=st.sampled_from([0, 100, 9000]),
    cull_default_servers=st.booleans(),
    cull_named_servers=st.booleans(),
)


@given(servers, flag_sets, st.none() | times)
def test_nothing_is_stopped_before_it_is_due(
    server: Server, flags: Flags, trust_idle_from: datetime | None
) -> None:
    """What is kept is kept until its due time and stopped at it, if nothing changes."""
    policy = Policy.from_flags(flags)
    decision = decide_server(USER, server, policy, NOW, trust_idle_from=trust_idle_from)
    if decision.action is not Action.KEEP:
        assert decision.due is not None
        assert decision.due <= NOW
    elif decision.due is not None:
        assert decision.due > NOW
        then = decide_server(USER, server, policy, decision.due, trust_idle_from=trust_idle_from)
        assert then.action is not Action.KEEP


@given(servers, flag_sets, times, st.sampled_from(["extensions", "server_holds"]))
def test_a_protection_only_ever_delays(
    server: Server, flags: Flags, until: datetime, kind: str
) -> None:
    """With an extension or a hold no server is stopped that would not be without it."""
    policy = Policy.from_flags(flags)
    protections = protected(kind, server.name, until)
    plain = decide_server(USER, server, policy, NOW)
    kept = decide_server(USER, server, policy, NOW, protections=protections)
    if plain.action is Action.KEEP or until > NOW:
        assert kept.action is Action.KEEP
    else:
        assert kept.action is plain.action


@given(servers, flag_sets, times, times)
def test_a_server_that_is_due_stays_due(
    server: Server, flags: Flags, one: datetime, other: datetime
) -> None:
    """Time alone never takes a stop back."""
    earlier, later = sorted((one, other))
    policy = Policy.from_flags(flags)
    if decide_server(USER, server, policy, earlier).action is not Action.KEEP:
        assert decide_server(USER, server, policy, later).action is not Action.KEEP


windows = st.builds(
    lambda start, hours: Span(NOW + timedelta(seconds=start), NOW + timedelta(hours=hours)),
    st.integers(-20_000, -1),
    st.integers(1, 9),
)
matches = st.builds(
    Match,
    users=st.sampled_from([(), ("a*",), ("bob",)]),
    groups=st.sampled_from([(), ("nbgrader-*",), ("staff",)]),
    kind=st.none() | st.sampled_from(Kind),
    between=st.just(()) | windows.map(lambda one: (one,)),
)
some_rules = st.lists(
    st.builds(
        Rule,
        name=st.uuids().map(str),
        match=matches,
        action=st.sampled_from(RuleAction),
        idle_timeout=st.none() | st.integers(0, 9000),
        max_age=st.none() | st.integers(0, 20_000),
    ),
    max_size=4,
)


@given(servers, some_rules, flag_sets, times)
def test_the_first_rule_that_matches_holds(
    server: Server, rules: list[Rule], flags: Flags, now: datetime
) -> None:
    """Whatever stands below it changes nothing, and there is always one."""
    policy = Policy((*rules, default_rule(flags)), flags)
    decision = decide_server(USER, server, policy, now)
    matching = [rule for rule in policy.rules if rule.match.holds_for(USER, server, now)]
    assert decision.rule == matching[0].name
    assert decision == decide_server(USER, server, Policy((matching[0],), flags), now)


@given(servers, some_rules, flag_sets, times, st.none() | times, times)
def test_no_decision_acts_before_its_time(
    server: Server,
    rules: list[Rule],
    flags: Flags,
    now: datetime,
    trust_idle_from: datetime | None,
    until: datetime,
) -> None:
    """Whatever the rules and protections, what acts is due, and what is kept is not."""
    policy = Policy((*rules, default_rule(flags)), flags)
    protections = Protections(
        extensions={("ana", server.name): until}, group_holds={"nbgrader-c1": until}
    )
    decision = decide_server(
        USER, server, policy, now, protections=protections, trust_idle_from=trust_idle_from
    )
    if decision.action is Action.KEEP:
        assert decision.due is None or decision.due > now
        return
    assert decision.due is not None
    assert max(decision.due, until) <= now
    if decision.reason is Reason.IDLE:
        assert trust_idle_from is None or trust_idle_from <= now


@given(
    servers, st.builds(Rule, name=st.just("r"), extend_by=st.none() | st.integers(1, 9000)), times
)
def test_an_extension_always_moves_the_stop_and_never_far(
    server: Server, rule: Rule, now: datetime
) -> None:
    """An offer is later than the stop, and at most the timeout and one step from now."""
    decision = decide_server(USER, server, Policy((rule,)), now)
    offer = next_extension(rule, decision, now, 0)
    if not isinstance(offer, ExtensionOffer):
        return
    assert decision.due is not None
    assert rule.extend_by is not None
    assert rule.idle_timeout is not None
    assert max(decision.due, now) < offer.until
    assert offer.until <= now + timedelta(seconds=rule.idle_timeout + rule.extend_by)
    kept = decide_server(
        USER,
        server,
        Policy((rule,)),
        now,
        protections=Protections(extensions={("ana", server.name): offer.until}),
    )
    assert (kept.action, kept.due) == (Action.KEEP, offer.until)


RULE = Rule("r", idle_timeout=600, extend_by=3600, extensions_per_day=2)


def offered(rule: Rule = RULE, used: int = 0, **server: Any) -> ExtensionOffer | ExtensionRefusal:
    changed = msgspec.structs.replace(IDLE, **({"last_activity": NOW} | server))
    decision = decide_server(USER, changed, Policy((rule,)), NOW)
    return next_extension(rule, decision, NOW, used)


def test_an_extension_moves_the_stop_by_its_step() -> None:
    """The stop would come in ten minutes, and comes an hour later."""
    offer = offered()
    assert offer == ExtensionOffer(NOW + timedelta(seconds=600 + 3600), 1)


def test_an_extension_of_what_is_due_counts_from_now() -> None:
    """Who presses in the last moment gets the whole step."""
    assert offered(last_activity=ago(hours=3)) == ExtensionOffer(NOW + HOUR, 1)


@pytest.mark.parametrize(
    ("rule", "used", "refusal"),
    [
        (replace(RULE, action=RuleAction.NEVER), 0, ExtensionRefusal.NEVER_STOPS),
        (replace(RULE, extend_by=None), 0, ExtensionRefusal.NOT_ALLOWED),
        (replace(RULE, extensions_per_day=0), 0, ExtensionRefusal.NOT_ALLOWED),
        (RULE, 2, ExtensionRefusal.USED_UP),
    ],
)
def test_an_extension_is_refused(rule: Rule, used: int, refusal: ExtensionRefusal) -> None:
    """Each refusal has its word."""
    assert offered(rule, used) is refusal


@pytest.mark.parametrize(
    "server", [{"pending": "stop"}, {"ready": False}], ids=["pending", "not ready"]
)
def test_what_is_not_known_now_is_not_called_never(server: dict[str, Any]) -> None:
    """A server that starts is stopped some day: the page must not say that it is not."""
    assert offered(**server) is ExtensionRefusal.NOT_NOW


def test_an_age_is_extended_a_step_at_a_time() -> None:
    """Where only age stops a server, the step counts from now, and only near the end."""
    rule = replace(RULE, idle_timeout=None, max_age=8 * 3600)
    assert offered(rule) is ExtensionRefusal.FAR_ENOUGH
    assert offered(rule, started=ago(hours=7.5)) == ExtensionOffer(NOW + HOUR, 1)


def test_extending_twice_at_once_does_not_add_up() -> None:
    """The stop is never further away than the timeout and one step."""
    offer = offered()
    assert isinstance(offer, ExtensionOffer)
    protections = Protections(extensions={("ana", ""): offer.until})
    server = msgspec.structs.replace(IDLE, last_activity=NOW)
    decision = decide_server(USER, server, Policy((RULE,)), NOW, protections=protections)
    assert next_extension(RULE, decision, NOW, 1) is ExtensionRefusal.FAR_ENOUGH
