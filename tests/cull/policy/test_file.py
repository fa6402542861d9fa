"""The policy file: what it means, and what is reported about mistakes."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from services.cull.policy.file import load_policy
from services.cull.policy.model import Flags
from services.cull.policy.rules import Kind, RuleAction
from tests.paths import ROOT

FLAGS = Flags(timeout=900, extend_by=1800)


COMPLETE = """
[[rule]]
name = "exam"
group = "nbgrader-*"
between = { from = 2026-06-01T08:00:00+02:00, to = 2026-06-01T12:00:00+02:00 }
action = "never"

[[rule]]
name = "gpu by night"
profile = ["gpu-*"]
kind = "named"
admin = false
hours = [{ days = "mon-fri", from = "22:00", to = 06:00:00, timezone = "Europe/Zurich" }]
idle_timeout = "1h 30m"
max_age = "2d"
action = "remove"
extend_by = "never"
extensions_per_day = 0

[[rule]]
name = "staff"
user = "ta-*"
user_timeout = "30d"
"""


def test_a_file_becomes_rules_in_its_order() -> None:
    """Every key is read, and the flags make the last rule."""
    exam, gpu, staff, default = load_policy(COMPLETE, FLAGS).rules
    assert (exam.name, exam.action, exam.match.groups) == (
        "exam",
        RuleAction.NEVER,
        ("nbgrader-*",),
    )
    assert exam.match.between[0].start == datetime(2026, 6, 1, 6, tzinfo=UTC)
    assert (gpu.idle_timeout, gpu.max_age, gpu.extend_by) == (5400, 172800, None)
    assert (gpu.match.kind, gpu.match.admin) == (Kind.NAMED, False)
    assert gpu.match.hours[0].days == {0, 1, 2, 3, 4}
    assert (gpu.match.hours[0].start, gpu.match.hours[0].end) == (time(22), time(6))
    assert (staff.user_timeout, gpu.extensions_per_day) == (30 * 86400, 0)
    assert (default.name, default.idle_timeout) == ("default", 900)


def test_defaults_come_from_the_flags() -> None:
    """A rule that sets only its idle timeout keeps the flags' extension."""
    rule = load_policy('[[rule]]\nname = "x"\nidle_timeout = 60', FLAGS).rules[0]
    assert (rule.idle_timeout, rule.extend_by, rule.action) == (60, 1800, RuleAction.STOP)


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_policy(text, FLAGS)
    return list(raised.value.problems)


BAD = {
    "no rule": ("", "has no rules"),
    "not TOML": ("[[rule", "not TOML"),
    "another table": ('[[rules]]\nname = "x"', 'did you mean "rule"'),
    "rule is a value": ("rule = 3", "[[rule]]"),
    "no name": ("[[rule]]\nidle_timeout = 1", "rule 1, name: missing"),
    "the default's name": (
        '[[rule]]\nname = "default"\nidle_timeout = 1',
        "reserved for the rule from the flags",
    ),
    "no effect": ('[[rule]]\nname = "x"\nuser = "ana"', "the rule has no effect"),
    "never and a time": (
        '[[rule]]\nname = "x"\naction = "never"\nidle_timeout = 1',
        'no effect with action = "never"',
    ),
    "never and extensions": (
        '[[rule]]\nname = "x"\naction = "never"\nextensions_per_day = 1',
        "extensions_per_day: has no effect",
    ),
    "no extension, three times": (
        '[[rule]]\nname = "x"\nextend_by = "never"\nextensions_per_day = 3',
        'has no effect with extend_by = "never"',
    ),
    "removing default servers": (
        '[[rule]]\nname = "x"\nkind = "default"\naction = "remove"',
        'only named servers can be removed; write action = "stop"',
    ),
    "a time for users by profile": (
        '[[rule]]\nname = "x"\nprofile = "gpu"\nuser_timeout = "30d"',
        "a rule with conditions for servers (profile) does not apply to users",
    ),
    "zero, which the flag takes for none": (
        '[[rule]]\nname = "x"\nmax_age = 0',
        'max_age: 0 is ambiguous; write "never" or a longer time',
    ),
    "unknown key": (
        '[[rule]]\nname = "x"\nidle_timout = 1\naction = "stop"',
        'rule 1 ("x"), idle_timout: unknown key; did you mean "idle_timeout"?',
    ),
    "unknown action": ('[[rule]]\nname = "x"\naction = "nevr"', 'did you mean "never"'),
    "action of another type": (
        '[[rule]]\nname = "x"\naction = 3',
        "invalid value 3; write one of stop, remove",
    ),
    "bad duration": ('[[rule]]\nname = "x"\nidle_timeout = "soon"', '"45m"'),
    "negative duration": ('[[rule]]\nname = "x"\nidle_timeout = -1', "between 0 and"),
    "true for a duration": ('[[rule]]\nname = "x"\nidle_timeout = true', "write seconds"),
    "infinite duration": ('[[rule]]\nname = "x"\nidle_timeout = inf', "between 0 and"),
    "not a number": ('[[rule]]\nname = "x"\nidle_timeout = nan', "between 0 and"),
    "bad count": ('[[rule]]\nname = "x"\nextensions_per_day = -1', "write an integer"),
    "a glob of another type": ('[[rule]]\nname = "x"\naction = "stop"\nuser = 3', "a string or"),
    "no users": ('[[rule]]\nname = "x"\naction = "stop"\nuser = []', "would match nothing"),
    "admin as a string": ('[[rule]]\nname = "x"\naction = "stop"\nadmin = "yes"', "true or false"),
    "a named default server": (
        '[[rule]]\nname = "x"\naction = "stop"\nkind = "default"\nserver = "a"',
        "has no name",
    ),
    "hours of another type": ('[[rule]]\nname = "x"\naction = "stop"\nhours = 3', "a table"),
    "a duplicate name": (
        '[[rule]]\nname = "x"\naction = "stop"\n[[rule]]\nname = "x"\naction = "stop"',
        "duplicate name (2 rules)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_reported_with_its_place_and_fix(case: str) -> None:
    """Every mistake is found, and its line says where it is and what to write."""
    text, words = BAD[case]
    assert any(words in problem for problem in problems_of(text)), problems_of(text)


USER_TIMES = {
    "longer than the flag": ('idle_timeout = "6h"', 6 * 3600, 8 * 3600),
    "shorter than the flag": ('idle_timeout = "5m"', 900, 8 * 3600),
    "servers are never idle": ('idle_timeout = "never"', None, 8 * 3600),
    "servers may grow old": ('max_age = "2d"', 900, 2 * 86400),
    "said for users": ('idle_timeout = "6h"\nuser_timeout = "1h"', 3600, 8 * 3600),
}


@pytest.mark.parametrize("case", USER_TIMES)
def test_users_are_not_deleted_sooner_than_their_server_would_stop(case: str) -> None:
    """A rule without times for users gives them at least its servers' times."""
    text, timeout, max_age = USER_TIMES[case]
    flags = Flags(timeout=900, max_age=8 * 3600)
    rule = load_policy(f'[[rule]]\nname = "x"\n{text}', flags).rules[0]
    assert (rule.user_timeout, rule.user_max_age) == (timeout, max_age)


@pytest.mark.parametrize(
    ("written", "action"),
    [("idle_timeout = 60", RuleAction.REMOVE), ('action = "stop"', RuleAction.STOP)],
)
def test_a_rule_with_action_stop_overrides_the_flag(written: str, action: RuleAction) -> None:
    """--remove-named-servers is a default for rules without an action."""
    text = f'[[rule]]\nname = "x"\n{written}'
    assert load_policy(text, Flags(remove_named_servers=True)).rules[0].action is action


def test_all_mistakes_are_reported_at_once() -> None:
    """A user can correct the file in one go."""
    text = """
    [[rule]]
    user = 3
    idle_timeout = "soon"
    [[rule]]
    name = "b"
    acton = "stop"
    max_age = -4
    """
    assert len(problems_of(text)) >= 5


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text causes any other error."""
    try:
        load_policy(text, FLAGS)
    except ConfigError as error:
        refused = error.problems
    else:
        return
    assert refused


def test_the_example_is_valid_and_is_in_the_documentation() -> None:
    """examples/policy.toml is what docs/policy.md shows."""
    root = ROOT
    example = (root / "examples" / "policy.toml").read_text(encoding="utf-8")
    assert len(load_policy(example, FLAGS).rules) == 6
    rules = example.partition("\n\n")[2]
    assert rules in (root / "docs" / "policy.md").read_text(encoding="utf-8")
