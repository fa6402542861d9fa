"""The patterns of ``--exclude``."""

import pytest

from services.stats.settings.exclusion import Exclusion

STAFF = Exclusion(("admin", "test-*", "[ab]ot?", "group:staff", "group:ta-*", "admins"))


@pytest.mark.parametrize(
    ("name", "admin", "excluded"),
    [
        ("admin", False, True),
        ("Admin", False, False),
        ("administrator", False, False),
        ("test-1", False, True),
        ("a-test-1", False, False),
        ("test-\nx", False, True),
        ("bot1", False, True),
        ("cot1", False, False),
        ("bot", False, False),
        ("staff", False, False),
        ("admins", False, False),
        ("ana", True, True),
    ],
)
def test_users_by_name_glob_or_flag(name: str, admin: bool, excluded: bool) -> None:
    """Names and globs match whole names, as they are written; ``admins`` is the flag."""
    assert STAFF.matches(name, admin=admin) is excluded


def test_groups_match_by_name_or_glob() -> None:
    """The pattern of a group never matches a user, and the reverse."""
    assert [name for name in ("staff", "ta-x", "ta", "admin") if STAFF.matches_group(name)] == [
        "staff",
        "ta-x",
    ]


def test_a_database_keeps_the_patterns() -> None:
    """They return in the same order; without an entry, nobody is excluded."""
    problems: list[str] = []
    read = Exclusion.parse(["b", " a ", "b", "group:名前"], problems)
    assert (read.patterns, problems) == (("b", "a", "group:名前"), [])
    assert Exclusion.of(read.as_text()) == read
    assert not Exclusion.of(None)
    assert not Exclusion.of(Exclusion().as_text())


def test_names_are_hashed_and_globs_are_not() -> None:
    """The stored form hides names; it keeps globs, groups and the word for administrators."""
    hashed = STAFF.hashed(lambda name: f"p-{name[::-1]}")
    assert hashed.patterns == ("p-nimda", *STAFF.patterns[1:])


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "names nobody"),
        ("group:", "names nobody"),
        ("a,b", "once for each"),
        ("*", "matches everybody"),
        ("group:**", "matches everybody"),
        ("test-[ab", "without a"),
        ("test-[!]", "without a"),
        ("groups:staff", 'did you mean "group:staff"?'),
        ("Group:staff", 'did you mean "group:staff"?'),
        ("x" * 256, "is not a valid name"),
        ("a\0b", "is not a valid name"),
    ],
)
def test_invalid_patterns(pattern: str, problem: str) -> None:
    """Each mistake has a message that says what to write."""
    problems: list[str] = []
    Exclusion.parse([pattern, "fine", "[[]x]"], problems)
    assert len(problems) == 1
    assert problems[0].startswith("--exclude: ")
    assert problem in problems[0]


def test_patterns_that_match_nobody() -> None:
    """They are listed with a similar name, unless something else showed that they match."""
    excluded = Exclusion(("admn", "test-*", "bot-*", "group:stff", "group:ta-*", "ana", "admins"))
    assert excluded.unmatched(["admin", "ana", "test-1"], ["staff"], skip=["bot-*"]) == [
        'admn; did you mean "admin"?',
        'group:stff; did you mean "group:staff"?',
        "group:ta-*",
    ]
