"""Which users and servers a rule matches."""

import msgspec
import pytest

from services.cull.policy.rules import Kind, Match, kind_of
from services.cull.policy.windows import Span
from tests.cull.policy.builders import HOUR, IDLE, NOW, USER

MATCHES: dict[str, tuple[Match, bool]] = {
    "no conditions": (Match(), True),
    "user": (Match(users=("b*", "an?")), True),
    "user in other case": (Match(users=("ANA",)), False),
    "group": (Match(groups=("nbgrader-c1",)), True),
    "another group": (Match(groups=("nbgrader-c2",)), False),
    "server": (Match(servers=("gp*",)), True),
    "another server": (Match(servers=("",)), False),
    "named": (Match(kind=Kind.NAMED), True),
    "default": (Match(kind=Kind.DEFAULT), False),
    "administrator": (Match(admin=True), False),
    "not administrator": (Match(admin=False), True),
    "profile": (Match(profiles=("gpu-*",)), True),
    "another profile": (Match(profiles=("cpu",)), False),
    "all conditions": (Match(users=("ana",), kind=Kind.NAMED, profiles=("gpu-*",)), True),
    "all but one": (Match(users=("ana",), kind=Kind.NAMED, profiles=("cpu",)), False),
}


@pytest.mark.parametrize("case", MATCHES)
def test_all_conditions_must_match(case: str) -> None:
    """All conditions must match, each by any of its values."""
    match, holds = MATCHES[case]
    server = msgspec.structs.replace(IDLE, name="gpu", user_options={"profile": "gpu-large"})
    assert match.matches(USER, server, NOW) is holds


@pytest.mark.parametrize(
    "match", [Match(servers=("*",)), Match(profiles=("*",))], ids=["server", "profile"]
)
def test_a_glob_does_not_match_a_missing_name_or_profile(match: Match) -> None:
    """A default server has no name, and without a profile list there is no profile."""
    assert not match.matches(USER, IDLE, NOW)
    named = msgspec.structs.replace(IDLE, name="gpu", user_options={"profile": "p"})
    assert match.matches(USER, named, NOW)


USER_MATCHES = {
    "no conditions": (Match(), True),
    "user": (Match(users=("an?",)), True),
    "another user": (Match(users=("bob",)), False),
    "group": (Match(groups=("other", "nbgrader-*")), True),
    "another group": (Match(groups=("staff",)), False),
    "not administrator": (Match(admin=False), True),
    "administrator": (Match(admin=True), False),
    "now": (Match(between=(Span(NOW, NOW + HOUR),)), True),
    "over": (Match(between=(Span(NOW - HOUR, NOW),)), False),
    "one of two times": (Match(between=(Span(NOW - HOUR, NOW), Span(NOW, NOW + HOUR))), True),
}


@pytest.mark.parametrize("case", USER_MATCHES)
def test_conditions_on_user_and_time(case: str) -> None:
    """For users, only these conditions count."""
    match, matches = USER_MATCHES[case]
    assert match.matches_user(USER, NOW) is matches


@pytest.mark.parametrize(
    ("match", "only_servers", "everything"),
    [
        (Match(), False, True),
        (Match(users=("*",)), False, False),
        (Match(servers=("*",)), True, False),
        (Match(profiles=("*",)), True, False),
        (Match(kind=Kind.DEFAULT), True, False),
        (Match(admin=False), False, False),
    ],
)
def test_conditions_for_servers_are_known(
    match: Match, only_servers: bool, everything: bool
) -> None:
    """A rule with a condition that only servers can match is skipped for users."""
    assert (match.only_servers, match.everything) == (only_servers, everything)


def test_a_server_with_a_name_is_a_named_one() -> None:
    """The default server has an empty name."""
    assert kind_of(IDLE) is Kind.DEFAULT
    assert kind_of(msgspec.structs.replace(IDLE, name="gpu")) is Kind.NAMED
