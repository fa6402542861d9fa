"""Decisions on servers and users: a baseline, and cases that change one thing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.hub.models import Server
from services.cull.policy.decide import decide_server, decide_user
from services.cull.policy.model import (
    Action,
    Flags,
    Policy,
    Protections,
    Reason,
    default_rule,
)
from services.cull.policy.rules import Kind, Match, Rule, RuleAction
from services.cull.policy.windows import Span
from tests.cull.policy.builders import (
    FLAGS,
    HOUR,
    IDLE,
    NOW,
    USER,
    ago,
    flag_sets,
    servers,
    times,
)


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
    "a moment less than the timeout is not due": (
        {"server": {"last_activity": ago(seconds=599.999)}},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "pending": ({"server": {"pending": "stop"}}, Action.KEEP, Reason.PENDING),
    "not ready": ({"server": {"ready": False}}, Action.KEEP, Reason.NOT_READY),
    "without activity the start counts": (
        {"server": {"last_activity": None}},
        Action.STOP,
        Reason.IDLE,
    ),
    "no time at all": (
        {"server": {"last_activity": None, "started": None}},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "unusable activity is not missing activity": (
        {"server": {"last_activity": None, "problems": ("last_activity",)}},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "unusable activity does not hide the age": (
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
    "an active server at its maximum age": (
        {"server": {"last_activity": NOW}, "flags": {"max_age": 5 * 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "default servers exempt": (
        {"flags": {"cull_default_servers": False}},
        Action.KEEP,
        Reason.DEFAULT_SPARED,
    ),
    "exempt from the idle timeout, not from the maximum age": (
        {"flags": {"cull_default_servers": False, "max_age": 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "named servers exempt": (
        {"server": {"name": "gpu"}, "flags": {"cull_named_servers": False}},
        Action.KEEP,
        Reason.NAMED_SPARED,
    ),
    "named servers removed": (
        {"server": {"name": "gpu"}, "flags": {"remove_named_servers": True}},
        Action.REMOVE,
        Reason.IDLE,
    ),
    "default servers are never removed": (
        {"flags": {"remove_named_servers": True}},
        Action.STOP,
        Reason.IDLE,
    ),
    "a rule with action stop overrides the flag for removal": (
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
    "a rule with action never": (
        {"rules": (Rule("exam", Match(users=("a*",)), RuleAction.NEVER),)},
        Action.KEEP,
        Reason.NEVER,
    ),
    "a rule for other users": (
        {"rules": (Rule("exam", Match(users=("b*",)), RuleAction.NEVER),)},
        Action.STOP,
        Reason.IDLE,
    ),
    "a rule without timeout": (
        {"rules": (Rule("free", idle_timeout=None),)},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "an unknown profile": (
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
    "the timeout stays due after the arbiter says keep": (
        {"server": {"last_activity": NOW}, "arbiter": False},
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "the arbiter does not override the maximum age": (
        {"arbiter": False, "flags": {"max_age": 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "the arbiter does not override an exempt kind": (
        {"arbiter": True, "flags": {"cull_default_servers": False}},
        Action.KEEP,
        Reason.DEFAULT_SPARED,
    ),
    "settling": ({"trust_idle_from": NOW + HOUR}, Action.KEEP, Reason.SETTLING),
    "settling ends at this moment": ({"trust_idle_from": NOW}, Action.STOP, Reason.IDLE),
    "the arbiter does not override settling": (
        {"arbiter": True, "trust_idle_from": NOW + HOUR},
        Action.KEEP,
        Reason.SETTLING,
    ),
    "the maximum age applies while settling": (
        {"trust_idle_from": NOW + HOUR, "flags": {"max_age": 3600}},
        Action.STOP,
        Reason.MAX_AGE,
    ),
    "extended": (
        {"protections": Protections(extensions={("ana", ""): NOW + HOUR})},
        Action.KEEP,
        Reason.EXTENDED,
    ),
    "an extension that ends now": (
        {"protections": Protections(extensions={("ana", ""): NOW})},
        Action.STOP,
        Reason.IDLE,
    ),
    "an extension of another user": (
        {"protections": Protections(extensions={("bob", ""): NOW + HOUR})},
        Action.STOP,
        Reason.IDLE,
    ),
    "an extension of another server": (
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
    "a hold that ends now, on an active server": (
        {
            "server": {"last_activity": NOW},
            "protections": Protections(user_holds={"ana": NOW}),
        },
        Action.KEEP,
        Reason.ACTIVE,
    ),
    "a hold overrides the maximum age": (
        {
            "protections": Protections(user_holds={"ana": NOW + HOUR}),
            "flags": {"max_age": 60},
        },
        Action.KEEP,
        Reason.HELD,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_decision_on_a_server(case: str) -> None:
    """Each case changes one thing of an idle server that would be stopped."""
    given_case, action, reason = CASES[case]
    assert decided(**given_case) == (action, reason)


def test_the_stop_time_is_unknown_until_the_hub_has_been_seen_up() -> None:
    """When settling ends is unknown, and datetime.max is not an answer."""
    end = datetime.max.replace(tzinfo=UTC)
    decision = decide_server(USER, IDLE, Policy.from_flags(FLAGS), NOW, trust_idle_from=end)
    assert (decision.reason, decision.due) == (Reason.SETTLING, None)


USERS: dict[str, tuple[dict[str, Any], dict[str, Any], Action, Reason]] = {
    "idle": ({}, {}, Action.DELETE_USER, Reason.IDLE),
    "users are not culled": ({}, {"cull_users": False}, Action.KEEP, Reason.NOT_CULLED),
    "active": ({"last_activity": NOW}, {}, Action.KEEP, Reason.ACTIVE),
    "never signed in": ({"last_activity": None}, {}, Action.KEEP, Reason.UNUSED_SPARED),
    "never signed in, with the flag": (
        {"last_activity": None},
        {"cull_unused_users": True},
        Action.DELETE_USER,
        Reason.IDLE,
    ),
    "no time": (
        {"last_activity": None, "created": None},
        {"cull_unused_users": True},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "member of a group": ({"groups": ("grade-1",)}, {}, Action.KEEP, Reason.MEMBER_SPARED),
    "unknown groups": ({"problems": ("groups",)}, {}, Action.KEEP, Reason.MEMBER_SPARED),
    "member of a group, with the flag": (
        {"groups": ("grade-1",)},
        {"cull_group_members": True},
        Action.DELETE_USER,
        Reason.IDLE,
    ),
    "unusable activity": (
        {"last_activity": None, "problems": ("last_activity",)},
        {},
        Action.KEEP,
        Reason.NO_TIME,
    ),
    "a running server": ({"servers": {"": IDLE}}, {}, Action.KEEP, Reason.SERVERS_RUNNING),
    "unknown servers": ({"problems": ("servers",)}, {}, Action.KEEP, Reason.SERVERS_RUNNING),
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
    "administrator with the flag": (
        {"admin": True},
        {"cull_admin_users": True},
        Action.DELETE_USER,
        Reason.IDLE,
    ),
    "an active user at the maximum age": (
        {"last_activity": NOW},
        {"max_age": 3600},
        Action.DELETE_USER,
        Reason.MAX_AGE,
    ),
    "a service": ({"kind": "service"}, {}, Action.KEEP, Reason.NOT_CULLED),
}


@pytest.mark.parametrize("case", USERS)
def test_decision_on_a_user(case: str) -> None:
    """Each case changes one thing of an idle user who would be deleted."""
    changes, flag_changes, action, reason = USERS[case]
    alone: dict[str, Any] = {"groups": (), "last_activity": NOW - HOUR}
    user = msgspec.structs.replace(USER, **(alone | changes))
    flags = replace(FLAGS, **({"cull_users": True} | flag_changes))
    decision = decide_user(user, Policy.from_flags(flags), NOW)
    assert (decision.action, decision.reason) == (action, reason)


def protected(kind: str, server: str, until: datetime) -> Protections:
    ends = {("ana", server): until}
    if kind == "extensions":
        return Protections(extensions=ends)
    return Protections(server_holds=ends)


@pytest.mark.parametrize("kind", ["extensions", "server_holds"])
def test_a_protected_server_keeps_its_user(kind: str) -> None:
    """An extension or a hold on any of the user's servers protects the user as well."""
    flags = replace(FLAGS, cull_users=True)
    user = msgspec.structs.replace(USER, last_activity=NOW - HOUR)
    protections = protected(kind, "gpu", NOW + HOUR)
    decision = decide_user(user, Policy.from_flags(flags), NOW, protections=protections)
    assert decision.action is Action.KEEP


@given(servers, flag_sets, st.none() | times)
def test_nothing_is_stopped_before_it_is_due(
    server: Server, flags: Flags, trust_idle_from: datetime | None
) -> None:
    """A kept server is kept until it is due and stopped then, if nothing changes."""
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
def test_a_protection_only_delays(server: Server, flags: Flags, until: datetime, kind: str) -> None:
    """An extension or a hold never causes a stop."""
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
def test_the_first_matching_rule_applies(
    server: Server, rules: list[Rule], flags: Flags, now: datetime
) -> None:
    """The rules below it change nothing, and one rule always matches."""
    policy = Policy((*rules, default_rule(flags)), flags)
    decision = decide_server(USER, server, policy, now)
    matching = [rule for rule in policy.rules if rule.match.matches(USER, server, now)]
    assert decision.rule == matching[0].name
    assert decision == decide_server(USER, server, Policy((matching[0],), flags), now)


@given(servers, some_rules, flag_sets, times, st.none() | times, times)
def test_no_decision_acts_early(
    server: Server,
    rules: list[Rule],
    flags: Flags,
    now: datetime,
    trust_idle_from: datetime | None,
    until: datetime,
) -> None:
    """Whatever the rules and protections, only servers that are due are stopped."""
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
