"""Taking a command line apart, and telling everything that is wrong with it."""

import pytest

from common.config.flags import Takes, split

KNOWN = {
    "timeout": Takes.VALUE,
    "cull-users": Takes.TRUTH,
    "debug": Takes.NOTHING,
    "h": Takes.NOTHING,
}


@pytest.mark.parametrize(
    ("argv", "options", "words"),
    [
        (["--timeout=5"], [("timeout", "5")], []),
        (["--timeout", "5"], [("timeout", "5")], []),
        (["--timeout", "-5"], [("timeout", "-5")], []),
        (["--timeout="], [("timeout", "")], []),
        (["--timeout=a=b"], [("timeout", "a=b")], []),
        (["--cull-users"], [("cull-users", None)], []),
        (["--cull-users=true"], [("cull-users", "true")], []),
        (["--cull-users", "False"], [("cull-users", "False")], []),
        (["--cull-users", "report"], [("cull-users", None)], ["report"]),
        (["--debug", "x"], [("debug", None)], ["x"]),
        (["-h"], [("h", None)], []),
        (["--Culler.timeout=5"], [("Culler.timeout", "5")], []),
        (["--Culler.timeout", "5"], [("Culler.timeout", "5")], []),
        (["check", "FILE", "--timeout", "5"], [("timeout", "5")], ["check", "FILE"]),
        (["--", "--timeout=5", "-x"], [], ["--timeout=5", "-x"]),
        (["-"], [], ["-"]),
        ([], [], []),
    ],
)
def test_split(argv: list[str], options: list[tuple[str, str | None]], words: list[str]) -> None:
    """Options may be written with = or with a space; the rest are words."""
    line = split(argv, KNOWN)
    assert (line.options, line.words, line.problems) == (options, words, [])


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--timeuot=5"], "Unknown option --timeuot; did you mean --timeout?"),
        (["--zzz"], "Unknown option --zzz; --help-all lists every option."),
        (["-zzz"], "Unknown option -zzz; --help-all lists every option."),
        (["--timeout"], "--timeout needs a value. Write --timeout=VALUE."),
        (["--timeout", "--debug"], "--timeout needs a value. Write --timeout=VALUE."),
        (["--debug=1"], "--debug takes no value. Write --debug alone."),
    ],
)
def test_mistakes(argv: list[str], problem: str) -> None:
    """Each mistake says what to write instead."""
    assert split(argv, KNOWN).problems == [problem]


def test_all_mistakes_are_reported() -> None:
    """Parsing continues after a mistake, and valid options are still read."""
    line = split(["--zzz", "--debug=1", "--timeout=7", "--yyy=3"], KNOWN)
    assert len(line.problems) == 3
    assert line.options == [("timeout", "7")]


def test_value_of_an_unknown_option_is_not_repeated() -> None:
    """A secret given to a misspelled option is not shown."""
    assert "s3cret" not in "".join(split(["--tokne=s3cret"], KNOWN).problems)
