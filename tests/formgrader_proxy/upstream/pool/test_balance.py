"""Which process gets a request, and when another one is started."""

import pytest

from services.formgrader_proxy.upstream.pool.balance import MOMENT, Load, least_busy, overloaded

IDLE = Load()
QUICK = Load(1, MOMENT / 2)
SLOW = Load(1, MOMENT * 2)


@pytest.mark.parametrize(
    ("loads", "number"),
    [
        ([IDLE], 0),
        ([IDLE, IDLE], 0),
        ([QUICK, IDLE], 1),
        ([SLOW, Load(5, MOMENT / 2)], 1),
        ([Load(2, MOMENT / 2), QUICK], 1),
        ([Load(3, MOMENT * 2), SLOW], 1),
        ([SLOW, Load(3, MOMENT * 1.5)], 1),
        ([Load(1, MOMENT), IDLE], 1),
    ],
    ids=[
        "one",
        "the first",
        "a free one",
        "not behind a slow one",
        "fewer",
        "all slow",
        "slowest",
        "limit",
    ],
)
def test_the_least_busy_process_is_used(loads: list[Load], number: int) -> None:
    """Slow requests count more than many quick ones."""
    assert least_busy(loads) == number


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([], True),
        ([SLOW], True),
        ([SLOW, SLOW], True),
        ([SLOW, QUICK], False),
        ([IDLE], False),
        ([Load(9, MOMENT)], False),
    ],
    ids=["none", "one", "all", "one is quick", "idle", "limit"],
)
def test_another_one_is_started_if_all_are_slow(loads: list[Load], expected: bool) -> None:
    """Many requests that end quickly need no further process."""
    assert overloaded(loads) is expected
