"""The policy as a value: its rules in order, its needs, and the protections."""

from dataclasses import replace

import msgspec
import pytest

from common.hub.models import Server
from services.cull.policy.decide import decide_user
from services.cull.policy.model import (
    Flags,
    Policy,
    Protections,
    default_rule,
    is_running,
)
from services.cull.policy.rules import Kind, Match, Rule, RuleAction
from tests.cull.policy.builders import (
    FLAGS,
    HOUR,
    IDLE,
    NOW,
    USER,
)


def test_a_rule_for_servers_does_not_apply_to_users() -> None:
    """A rule for a server's name or profile is skipped for users."""
    flags = replace(FLAGS, cull_users=True)
    rule = Rule("gpu", Match(profiles=("*",)), RuleAction.NEVER)
    policy = Policy((rule, default_rule(flags)), flags)
    user = msgspec.structs.replace(USER, last_activity=NOW - HOUR)
    assert decide_user(user, policy, NOW).rule == "default"


NEEDS = {
    "nothing": (Match(users=("a",), kind=Kind.NAMED), False, False),
    "groups": (Match(groups=("a",)), True, False),
    "profile": (Match(profiles=("a",)), False, True),
}


@pytest.mark.parametrize("case", NEEDS)
def test_a_policy_knows_what_it_needs(case: str) -> None:
    """Groups need a scope, and unknown profiles prevent decisions."""
    match, groups, profile = NEEDS[case]
    policy = Policy((Rule("r", match), default_rule(FLAGS)))
    assert (policy.needs_groups, policy.needs_profile) == (groups, profile)


def test_the_default_rule_is_made_of_the_flags() -> None:
    """A maximum age or an extension of 0 means none."""
    rule = default_rule(Flags(timeout=60, max_age=0, extend_by=0, extensions_per_day=2))
    assert (rule.name, rule.action, rule.match) == ("default", RuleAction.STOP, Match())
    assert (rule.idle_timeout, rule.max_age, rule.user_timeout) == (60, None, 60)
    assert (rule.extend_by, rule.extensions_per_day) == (None, 2)
    removing = default_rule(Flags(max_age=90, remove_named_servers=True))
    assert (removing.max_age, removing.user_max_age) == (90, 90)
    assert removing.action is RuleAction.REMOVE


def test_without_a_match_the_last_rule_applies() -> None:
    """A policy always has a rule for a server."""
    rule = Rule("other", Match(users=("bob",)))
    assert Policy((rule,)).rule_for(USER, IDLE, NOW) is rule


PROTECTIONS = Protections(
    extensions={("ana", ""): NOW, ("ana", "gpu"): NOW + HOUR, ("bob", ""): NOW + 9 * HOUR},
    server_holds={("ana", "gpu"): NOW + 2 * HOUR, ("bob", ""): NOW + 9 * HOUR},
    user_holds={"ana": NOW + HOUR, "bob": NOW + 9 * HOUR},
    group_holds={"nbgrader-c1": NOW, "staff": NOW + 9 * HOUR},
)


@pytest.mark.parametrize(
    ("server", "held", "extended"),
    [("", 1, 0), ("gpu", 2, 1), ("other", 1, None), (None, 2, 1)],
    ids=["default server", "named server", "server without extension", "user"],
)
def test_the_last_protection_counts(server: str | None, held: int, extended: int | None) -> None:
    """Of holds on server, user and groups the last one; for a user, of all their servers."""
    assert PROTECTIONS.held_until(USER, server) == NOW + held * HOUR
    until = None if extended is None else NOW + extended * HOUR
    assert PROTECTIONS.extended_until(USER, server) == until


def test_without_protections_nothing_is_held_or_extended() -> None:
    """None means no hold and no extension."""
    assert Protections().held_until(USER, "") is None
    assert Protections().extended_until(USER, None) is None


@pytest.mark.parametrize(
    ("server", "running"),
    [
        (Server(name="", ready=True), True),
        (Server(name="", pending="spawn"), True),
        (Server(name="", pending="stop", stopped=True), True),
        (Server(name="x", stopped=True), False),
        (Server(name="x"), True),
    ],
    ids=["ready", "starting", "stopping", "stopped", "unknown"],
)
def test_only_stopped_servers_are_not_running(server: Server, running: bool) -> None:
    """In doubt a server is running, so that its user is not deleted."""
    assert is_running(server) is running
