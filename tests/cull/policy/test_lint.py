"""What check-policy remarks on: lawful, and hardly meant."""

from datetime import UTC, datetime

import pytest

from services.cull.policy.file import load_policy
from services.cull.policy.lint import remarks
from services.cull.policy.model import Flags

NOW = datetime(2026, 6, 2, 12, 0, tzinfo=UTC)
LONG = 'idle_timeout = "1h"'
SECOND = '[[rule]]\nname = "second"\nidle_timeout = "2h"\n'
NEVER_HOLDS = "rule 2 (second): never holds"


def remarked(text: str) -> str:
    return "\n".join(remarks(load_policy(text, Flags(timeout=3600)), NOW))


@pytest.mark.parametrize(
    "text",
    [
        f'[[rule]]\nname = "first"\nuser = "ana"\n{LONG}',
        f'[[rule]]\nname = "first"\nkind = "named"\n{LONG}\n{SECOND}',
        f'[[rule]]\nname = "first"\nadmin = true\n{LONG}\n{SECOND}admin = false',
        f'[[rule]]\nname = "first"\nuser = ["a*", "b*"]\n{LONG}\n{SECOND}user = "ana"',
        '[[rule]]\nname = "first"\naction = "never"\n'
        "between = {from = 2026-06-02T08:00:00Z, to = 2026-06-02T18:00:00Z}",
    ],
    ids=["one rule", "another kind", "others", "globs are not compared", "an exam under way"],
)
def test_a_sensible_policy_gets_no_remark(text: str) -> None:
    """Only what is surely pointless is remarked on."""
    assert remarked(text) == ""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", 'user = "ana"'),
        ('user = "*"', 'profile = "gpu"'),
        ('user = ["ana", "bob"]', 'user = "ana"'),
        ('kind = "named"', 'kind = "named"\nserver = "gpu"'),
        ("admin = true", 'admin = true\nuser = "root"'),
    ],
    ids=["everything twice", "everything", "every user", "fewer users", "kind", "admin"],
)
def test_a_rule_that_never_holds_is_remarked_on(first: str, second: str) -> None:
    """All that it matches is matched by one above it."""
    text = f'[[rule]]\nname = "first"\n{LONG}\n{first}\n{SECOND}{second}'
    assert NEVER_HOLDS in remarked(text)


def test_every_group_is_not_everybody() -> None:
    """Who is in no group is left for the next rule."""
    text = f'[[rule]]\nname = "first"\n{LONG}\ngroup = "*"\n{SECOND}'
    assert NEVER_HOLDS not in remarked(text)


def test_the_rule_of_the_flags_may_never_hold() -> None:
    """A last rule for everybody takes everything from the flags' one."""
    text = f'[[rule]]\nname = "all"\n{LONG}'
    assert "rule 2 (default)" not in remarked(text)


@pytest.mark.parametrize(("timeout", "told"), [("5m", True), ("6m", False)])
def test_a_timeout_shorter_than_the_servers_reports_is_remarked_on(
    timeout: str, told: bool
) -> None:
    """Servers report every five minutes; in between nobody is known to work."""
    text = f'[[rule]]\nname = "x"\nuser = "a"\nidle_timeout = "{timeout}"'
    assert ("rule 1 (x): an idle_timeout of 5 min" in remarked(text)) is told


def test_an_exam_that_is_over_is_remarked_on() -> None:
    """The rule of last term still stands in the file."""
    text = (
        '[[rule]]\nname = "exam"\naction = "never"\n'
        "between = [{from = 2026-06-01T08:00:00Z, to = 2026-06-02T12:00:00Z}]"
    )
    assert "rule 1 (exam): is over" in remarked(text)


def test_the_scope_that_groups_need_is_named() -> None:
    """The role is easily forgotten with the first rule on a group."""
    assert "read:users:groups" in remarked(f'[[rule]]\nname = "x"\ngroup = "ta"\n{LONG}')
