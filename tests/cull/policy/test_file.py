"""The policy file: what it means, and what is said of a bad one."""

from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.settings_file import Reload
from common.durations import format_duration, parse_duration
from common.errors import ConfigError
from services.cull.policy.file import PolicyFile, load_policy
from services.cull.policy.model import Flags
from services.cull.policy.rules import Kind, RuleAction
from tests.paths import ROOT

FLAGS = Flags(timeout=900, extend_by=1800)
WHOLE = """
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
    """Every key arrives, and the flags make the last rule."""
    exam, gpu, staff, default = load_policy(WHOLE, FLAGS).rules
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


def test_what_a_rule_leaves_out_comes_from_the_flags() -> None:
    """A rule that sets only its idle timeout keeps the flags' extension."""
    rule = load_policy('[[rule]]\nname = "x"\nidle_timeout = 60', FLAGS).rules[0]
    assert (rule.idle_timeout, rule.extend_by, rule.action) == (60, 1800, RuleAction.STOP)


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_policy(text, FLAGS)
    return list(raised.value.problems)


BAD = {
    "no rule": ("", "has no rule"),
    "not TOML": ("[[rule", "not TOML"),
    "another table": ('[[rules]]\nname = "x"', 'did you mean "rule"'),
    "rule is a value": ("rule = 3", "[[rule]]"),
    "no name": ("[[rule]]\nidle_timeout = 1", "rule 1, name: missing"),
    "the default's name": ('[[rule]]\nname = "default"\nidle_timeout = 1', "the flags make"),
    "says nothing": ('[[rule]]\nname = "x"\nuser = "ana"', "says nothing"),
    "never and a time": (
        '[[rule]]\nname = "x"\naction = "never"\nidle_timeout = 1',
        'no meaning with action = "never"',
    ),
    "never and extensions": (
        '[[rule]]\nname = "x"\naction = "never"\nextensions_per_day = 1',
        "extensions_per_day: has no meaning",
    ),
    "no extension, three times": (
        '[[rule]]\nname = "x"\nextend_by = "never"\nextensions_per_day = 3',
        'has no meaning with extend_by = "never"',
    ),
    "removing default servers": (
        '[[rule]]\nname = "x"\nkind = "default"\naction = "remove"',
        'only named servers can be removed; write action = "stop"',
    ),
    "a time for users by profile": (
        '[[rule]]\nname = "x"\nprofile = "gpu"\nuser_timeout = "30d"',
        "no rule that asks for a server (profile) holds for users",
    ),
    "zero, which the flag takes for none": (
        '[[rule]]\nname = "x"\nmax_age = 0',
        'max_age: 0 could mean at once or not at all; write "never" or more',
    ),
    "unknown key": (
        '[[rule]]\nname = "x"\nidle_timout = 1\naction = "stop"',
        'rule 1 ("x"), idle_timout: unknown; did you mean "idle_timeout"?',
    ),
    "unknown action": ('[[rule]]\nname = "x"\naction = "nevr"', 'did you mean "never"'),
    "action of another type": ('[[rule]]\nname = "x"\naction = 3', "none of stop, remove"),
    "bad duration": ('[[rule]]\nname = "x"\nidle_timeout = "soon"', '"45m"'),
    "negative duration": ('[[rule]]\nname = "x"\nidle_timeout = -1', "between 0 and"),
    "true for a duration": ('[[rule]]\nname = "x"\nidle_timeout = true', "write seconds"),
    "infinite duration": ('[[rule]]\nname = "x"\nidle_timeout = inf', "between 0 and"),
    "not a number": ('[[rule]]\nname = "x"\nidle_timeout = nan', "between 0 and"),
    "bad count": ('[[rule]]\nname = "x"\nextensions_per_day = -1', "whole number"),
    "a glob of another type": ('[[rule]]\nname = "x"\naction = "stop"\nuser = 3', "a text or"),
    "nobody": ('[[rule]]\nname = "x"\naction = "stop"\nuser = []', "would match nobody"),
    "admin as a text": ('[[rule]]\nname = "x"\naction = "stop"\nadmin = "yes"', "true or false"),
    "a named default server": (
        '[[rule]]\nname = "x"\naction = "stop"\nkind = "default"\nserver = "a"',
        "has no name",
    ),
    "no zone": ('[[rule]]\nname = "x"\naction = "stop"\nhours = {from = "08:00"}', "timezone"),
    "unknown zone": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {timezone = "Mars/Olympus"}',
        "no time zone",
    ),
    "a zone with a slip": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {timezone = "Europe/Zurch"}',
        'did you mean "Europe/Zurich"?',
    ),
    "a zone that is a path": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {timezone = "../../etc/passwd"}',
        "no time zone",
    ),
    "bad hour": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {from = "25:00", timezone = "UTC"}',
        "no time of day",
    ),
    "bad day": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {days = "someday", timezone = "UTC"}',
        "no weekday",
    ),
    "a word that begins like a day": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {days = "monkey", timezone = "UTC"}',
        "'monkey' is no weekday",
    ),
    "a range of days without end": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {days = "mon-", timezone = "UTC"}',
        "'mon-' is no weekday",
    ),
    "the first moment of the calendar": (
        '[[rule]]\nname = "x"\naction = "stop"\n'
        "between = {from = 0001-01-01T00:00:00+02:00, to = 2026-06-01T09:00:00Z}",
        "between.from",
    ),
    "unknown key of hours": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {form = "08:00", timezone = "UTC"}',
        'did you mean "from"',
    ),
    "hours of another type": ('[[rule]]\nname = "x"\naction = "stop"\nhours = 3', "a table"),
    "a span without offset": (
        '[[rule]]\nname = "x"\naction = "stop"\n'
        "between = {from = 2026-06-01T08:00:00, to = 2026-06-01T09:00:00Z}",
        "offset",
    ),
    "a span without end": (
        '[[rule]]\nname = "x"\naction = "stop"\nbetween = {from = 2026-06-01T08:00:00Z}',
        "between.to: missing",
    ),
    "a span that ends first": (
        '[[rule]]\nname = "x"\naction = "stop"\n'
        "between = {from = 2026-06-01T08:00:00Z, to = 2026-06-01T08:00:00Z}",
        "ends before",
    ),
    "a name twice": (
        '[[rule]]\nname = "x"\naction = "stop"\n[[rule]]\nname = "x"\naction = "stop"',
        "stands 2 times",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_named_with_what_to_write(case: str) -> None:
    """Every mistake is found, and its line says where and what."""
    text, words = BAD[case]
    assert any(words in problem for problem in problems_of(text)), problems_of(text)


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ('"mon-fri"', {0, 1, 2, 3, 4}),
        ('"Friday - Monday"', {4, 5, 6, 0}),
        ('["tue", "thursday"]', {1, 3}),
        ('"sun"', {6}),
        ('"wed-wed"', {2}),
    ],
)
def test_weekdays_are_read(written: str, days: set[int]) -> None:
    """Short or whole names, lists and ranges, also across the end of the week."""
    text = f'[[rule]]\nname = "x"\naction = "stop"\nhours = {{days = {written}, timezone = "UTC"}}'
    assert load_policy(text, FLAGS).rules[0].match.hours[0].days == days


USER_TIMES = {
    "longer than the flag": ('idle_timeout = "6h"', 6 * 3600, 8 * 3600),
    "shorter than the flag": ('idle_timeout = "5m"', 900, 8 * 3600),
    "servers are never idle": ('idle_timeout = "never"', None, 8 * 3600),
    "servers may grow old": ('max_age = "2d"', 900, 2 * 86400),
    "said for users": ('idle_timeout = "6h"\nuser_timeout = "1h"', 3600, 8 * 3600),
}


@pytest.mark.parametrize("case", USER_TIMES)
def test_nobody_is_deleted_sooner_than_their_server_would_stop(case: str) -> None:
    """A rule that says nothing of users gives them at least its servers' time."""
    text, timeout, max_age = USER_TIMES[case]
    flags = Flags(timeout=900, max_age=8 * 3600)
    rule = load_policy(f'[[rule]]\nname = "x"\n{text}', flags).rules[0]
    assert (rule.user_timeout, rule.user_max_age) == (timeout, max_age)


@pytest.mark.parametrize(
    ("written", "action"),
    [("idle_timeout = 60", RuleAction.REMOVE), ('action = "stop"', RuleAction.STOP)],
)
def test_a_rule_that_says_stop_is_not_overruled_by_a_flag(written: str, action: RuleAction) -> None:
    """--remove-named-servers is what holds where a rule says nothing else."""
    text = f'[[rule]]\nname = "x"\n{written}'
    assert load_policy(text, Flags(remove_named_servers=True)).rules[0].action is action


def test_a_mark_at_the_start_of_a_file_is_no_mistake(tmp_path: Path) -> None:
    """Some editors begin every file with a byte order mark."""
    path = tmp_path / "policy.toml"
    path.write_text(WHOLE, encoding="utf-8-sig")
    assert len(PolicyFile(path, FLAGS).policy.rules) == 4


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to mend a file one line at a time."""
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
    """No file whatever breaks the reader."""
    try:
        load_policy(text, FLAGS)
    except ConfigError as error:
        refused = error.problems
    else:
        return
    assert refused


def test_a_bad_file_leaves_the_last_good_policy(tmp_path: Path) -> None:
    """Refused once, with its problems; mended, it is loaded."""
    path = tmp_path / "policy.toml"
    path.write_text(WHOLE)
    file = PolicyFile(path, FLAGS)
    good = file.policy
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text("[[rule]]")
    assert file.reload_if_changed() is Reload.REFUSED
    assert file.problems
    assert file.policy is good
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text('[[rule]]\nname = "new"\nidle_timeout = 1')
    assert file.reload_if_changed() is Reload.LOADED
    assert file.problems == ()
    assert file.policy.rules[0].name == "new"


def test_a_file_that_goes_away_leaves_the_last_good_policy(tmp_path: Path) -> None:
    """Editors that write anew leave a moment without the file; nothing is lost in it."""
    path = tmp_path / "policy.toml"
    path.write_text(WHOLE)
    file = PolicyFile(path, FLAGS)
    path.unlink()
    assert file.reload_if_changed() is Reload.REFUSED
    assert len(file.policy.rules) == 4
    path.write_text(WHOLE)
    file.reload_if_changed()
    assert file.problems == ()


def test_no_file_is_a_clear_error(tmp_path: Path) -> None:
    """At the start there is no good policy to fall back on."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        PolicyFile(tmp_path / "nowhere.toml", FLAGS)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0),
        (90, 90),
        ("90", 90),
        ("45m", 2700),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("2d", 172800),
    ],
)
def test_lengths_of_time_are_read(written: object, seconds: float) -> None:
    """As seconds, or with units."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", ["", " ", "m", "5 x", "1h x", "-1", None, [], True, 1e300])
def test_what_is_no_length_of_time_is_refused(written: object) -> None:
    """With a ValueError that says what to write."""
    with pytest.raises(ValueError, match=r"write|between"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0, "0 s"),
        (59.6, "1 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (90061, "1 day 1 h"),
        (86400 * 1234, "1,234 days"),
    ],
)
def test_lengths_of_time_are_written(seconds: float | None, text: str) -> None:
    """The two largest units are enough."""
    assert format_duration(seconds) == text


def test_the_example_is_good_and_is_the_documentations() -> None:
    """examples/policy.toml is what docs/policy.md shows."""
    root = ROOT
    example = (root / "examples" / "policy.toml").read_text(encoding="utf-8")
    assert len(load_policy(example, FLAGS).rules) == 6
    rules = example.partition("\n\n")[2]
    assert rules in (root / "docs" / "policy.md").read_text(encoding="utf-8")
