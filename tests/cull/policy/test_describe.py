"""A policy in words."""

import pytest

from services.cull.policy.describe import describe_policy
from services.cull.policy.file import load_policy
from services.cull.policy.model import Flags

FLAGS = Flags(timeout=3600)
POLICY = load_policy(
    """
    [[rule]]
    name = "lesson"
    group = "nbgrader-*"
    hours = { days = "mon-fri", from = "08:00", to = "14:00", timezone = "Europe/Zurich" }
    idle_timeout = "2h"
    [[rule]]
    name = "staff"
    user = ["ta-*"]
    action = "never"
    """,
    FLAGS,
)


def test_every_rule_of_a_policy_is_described() -> None:
    """Each rule comes with its effect and its conditions, the rule of the flags last."""
    text = "\n".join(describe_policy(POLICY))
    assert "1. lesson: stop after 2 h without activity; a user may add 1 h, 3 times a day" in text
    assert "for groups nbgrader-*, Mon,Tue,Wed,Thu,Fri 08:00-14:00 (Europe/Zurich)" in text
    assert "2. staff: never stop" in text
    assert "for everything else" in text


RULES = {
    "stop": ("idle_timeout = '1h'", "stop after 1 h without activity; a user may add 1 h, 3 times"),
    "age": ("idle_timeout = 'never'\nmax_age = '8h'", "x: stop at an age of 8 h; a user"),
    "both": ("max_age = '8h'", "stop after 1 h without activity or at an age of 8 h"),
    "neither": ("idle_timeout = 'never'", "x: never stop (neither idle_timeout nor max_age)"),
    "once": ("extensions_per_day = 1", "a user may add 1 h, once a day"),
    "no extension": ("extend_by = 'never'", "x: stop after 1 h without activity\n"),
    "remove": ("action = 'remove'", "x: stop, and remove if named, after 1 h"),
    "remove named": ("action = 'remove'\nkind = 'named'", "x: remove after 1 h without"),
    "everything": ("action = 'never'", "x: never stop\n     for everything\n"),
    "admins": ("action = 'never'\nadmin = true", "for administrators"),
    "no admins": ("action = 'never'\nadmin = false", "for who is no administrator"),
    "servers": ("action = 'never'\nserver = ['a', 'b*']", "for servers a or b*"),
    "whole days": (
        "action = 'never'\nhours = {days = 'sat-sun', timezone = 'UTC'}",
        "for Sat,Sun all day (UTC)",
    ),
    "a day from morning to morning": (
        "action = 'never'\nhours = {days = 'mon', from = '08:00', to = '08:00', timezone = 'UTC'}",
        "for Mon 08:00-08:00 (UTC)",
    ),
    "an exam": (
        "action = 'never'\nbetween = {from = 2026-06-01T08:00:00+02:00, to = 2026-06-01T12:00:00Z}",
        "for from 2026-06-01 06:00 to 2026-06-01 12:00 UTC",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_every_key_of_a_rule_is_described(case: str) -> None:
    """A mistake in a value shows in the words."""
    text, words = RULES[case]
    policy = load_policy(f"[[rule]]\nname = 'x'\n{text}", FLAGS)
    assert words in "\n".join(describe_policy(policy)), describe_policy(policy)
