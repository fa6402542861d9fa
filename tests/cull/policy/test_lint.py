"""What check-policy reports: valid, but probably unintended."""

from datetime import UTC, datetime

import pytest

from services.cull.policy.file import load_policy
from services.cull.policy.lint import lint_policy
from services.cull.policy.model import Flags

NOW = datetime(2026, 6, 2, 12, 0, tzinfo=UTC)
FLAGS = Flags(timeout=3600)
LONG = 'idle_timeout = "1h"'
SECOND = '[[rule]]\nname = "second"\nidle_timeout = "2h"\n'
NEVER_APPLIES = "rule 2 (second): never applies"


def findings(text: str, flags: Flags = FLAGS) -> str:
    return "\n".join(lint_policy(load_policy(text, flags), NOW))


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
def test_a_sensible_policy_has_no_findings(text: str) -> None:
    """Only what certainly has no effect is reported."""
    assert findings(text) == ""


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
def test_a_rule_that_never_applies_is_reported(first: str, second: str) -> None:
    """Everything it matches is matched by a rule above it."""
    text = f'[[rule]]\nname = "first"\n{LONG}\n{first}\n{SECOND}{second}'
    assert NEVER_APPLIES in findings(text)


def test_all_groups_are_not_all_users() -> None:
    """Users without a group are matched by the next rule."""
    text = f'[[rule]]\nname = "first"\n{LONG}\ngroup = "*"\n{SECOND}'
    assert NEVER_APPLIES not in findings(text)


def test_a_default_rule_that_never_applies_is_not_reported() -> None:
    """A last rule for all users leaves nothing for the default rule, on purpose."""
    text = f'[[rule]]\nname = "all"\n{LONG}'
    assert "rule 2 (default)" not in findings(text)


@pytest.mark.parametrize(("timeout", "reported"), [("5m", True), ("6m", False)])
def test_a_timeout_shorter_than_the_report_interval_is_reported(
    timeout: str, reported: bool
) -> None:
    """Servers report every five minutes; in between their activity is unknown."""
    text = f'[[rule]]\nname = "x"\nuser = "a"\nidle_timeout = "{timeout}"'
    assert ("rule 1 (x): an idle_timeout of 5 min" in findings(text)) is reported


def test_an_exam_that_is_over_is_reported() -> None:
    """The rule of the last term is still in the file."""
    text = (
        '[[rule]]\nname = "exam"\naction = "never"\n'
        "between = [{from = 2026-06-01T08:00:00Z, to = 2026-06-02T12:00:00Z}]"
    )
    assert "rule 1 (exam): is over" in findings(text)


def test_the_scope_for_groups_is_reported() -> None:
    """The role is easily forgotten with the first rule for a group."""
    assert "read:users:groups" in findings(f'[[rule]]\nname = "x"\ngroup = "ta"\n{LONG}')


def test_what_deleted_accounts_lose_is_reported() -> None:
    """And who is not deleted unless the flags say so."""
    text = f'[[rule]]\nname = "x"\nuser = "a"\n{LONG}'
    careful = findings(text, Flags(cull_users=True))
    assert "loses its groups" in careful
    assert "members of groups and users who have never signed in are not deleted" in careful
    careless = Flags(cull_users=True, cull_group_members=True, cull_unused_users=True)
    assert "are not deleted" not in findings(text, careless)
    assert "loses its groups" not in findings(text)
