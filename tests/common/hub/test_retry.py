"""Waits between retries, and which requests may be repeated."""

from datetime import UTC, datetime

import pytest

from common.hub.retry import NO_RETRY, Retry, may_repeat, parse_retry_after

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_waits_grow_with_jitter_up_to_a_limit() -> None:
    """Full jitter: anything between zero and a limit that doubles with each failure."""
    retry = Retry(base_seconds=1, max_seconds=10)
    for failures, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10), (5000, 10)):
        waits = [retry.wait_after(failures) for _ in range(300)]
        assert 0 <= min(waits) < most / 4
        assert most * 0.75 < max(waits) <= most


@pytest.mark.parametrize(("asked", "least"), [(3.0, 3.0), (0.0, 0.0), (3600.0, 10.0), (None, 0.0)])
def test_retry_after_is_respected_up_to_the_limit(asked: float | None, least: float) -> None:
    """A wait is as long as the server asks for, but never longer than the limit."""
    assert least <= Retry(max_seconds=10).wait_after(1, asked) <= 10


@pytest.mark.parametrize(
    ("failures", "wait", "repeatable", "gives_up"),
    [
        (1, 0.5, True, False),
        (2, 30.0, True, False),
        (3, 0.5, True, True),
        (1, 2.0, False, False),
        (1, 2.1, False, True),
        (3, 0.5, False, True),
    ],
)
def test_giving_up(failures: int, wait: float, repeatable: bool, gives_up: bool) -> None:
    """Retries end with the last attempt; an unrepeatable request is not sent after a long wait."""
    retry = Retry(attempts=3, unsafe_seconds=2.0)
    assert retry.gives_up(failures, wait, repeatable=repeatable) is gives_up


def test_no_retry() -> None:
    """Without retries the first failure is final."""
    assert NO_RETRY.gives_up(1, 0.0, repeatable=True)


@pytest.mark.parametrize(
    ("status", "safe", "unsafe"),
    [
        (429, True, True),
        (503, True, True),
        (500, True, False),
        (502, True, False),
        (504, True, False),
        (404, False, False),
        (409, False, False),
    ],
)
def test_which_statuses_are_retried(status: int, safe: bool, unsafe: bool) -> None:
    """An unrepeatable request is only retried if the server has not begun to process it."""
    assert may_repeat(status, repeatable=True) is safe
    assert may_repeat(status, repeatable=False) is unsafe


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("Mon, 02 Mar 2026 12:00:07 GMT", 7.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("\uff15", None),
        ("9" * 400, 999999999.0),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """The header holds seconds or a date on the server's clock (RFC 9110, 10.2.3)."""
    assert parse_retry_after(value, NOON) == seconds


def test_retry_after_with_a_date_needs_the_servers_clock() -> None:
    """A date cannot be used if the response itself has none."""
    assert parse_retry_after("Mon, 02 Mar 2026 12:00:07 GMT", None) is None
