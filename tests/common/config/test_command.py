"""Subcommands: their arguments and options."""

import pytest

from common.config.command import Command
from common.config.flags import Takes

EXPLAIN = Command("Explain.", "explain", ("USER", "WHEN?"), {"by": "How."}, {"all": "All."})


@pytest.mark.parametrize(("count", "accepted"), [(0, False), (1, True), (2, True), (3, False)])
def test_the_number_of_arguments(count: int, accepted: bool) -> None:
    """Arguments that end in a question mark are optional."""
    assert EXPLAIN.accepts(count) is accepted


def test_usage() -> None:
    """Optional arguments are shown in brackets."""
    assert EXPLAIN.usage("explain") == "explain USER [WHEN]"
    assert Command("Check.", "check").usage("check") == "check"


def test_own_options() -> None:
    """Options take a value, switches take none."""
    assert EXPLAIN.takes() == {"by": Takes.VALUE, "all": Takes.NOTHING}
