"""Exponential back-off after a failed stop."""

import pytest

from services.cull.passes.backoff import MAX_SECONDS, Backoff


@pytest.fixture
def backoff() -> Backoff[str]:
    """A minute after the first failure."""
    return Backoff(60.0)


def test_the_pause_doubles_with_each_failure(backoff: Backoff[str]) -> None:
    """Each failure doubles the pause, up to the maximum."""
    assert [backoff.failed("ada", 0.0) for _ in range(8)] == [
        60.0,
        120.0,
        240.0,
        480.0,
        960.0,
        1920.0,
        MAX_SECONDS,
        MAX_SECONDS,
    ]


def test_a_first_backoff_above_the_maximum_is_kept() -> None:
    """A period of several hours has a first pause of more than an hour, which never shrinks."""
    backoff: Backoff[str] = Backoff(2 * MAX_SECONDS)
    assert [backoff.failed("ada", 0.0) for _ in range(2)] == [2 * MAX_SECONDS] * 2


def test_a_target_is_retried_when_its_pause_ends(backoff: Backoff[str]) -> None:
    """The pause includes its start but not its end, and applies to the failed target only."""
    backoff.failed("ada", 100.0)
    assert backoff.active("ada", 100.0)
    assert backoff.active("ada", 159.9)
    assert not backoff.active("ada", 160.0)
    assert not backoff.active("ben", 100.0)


def test_the_pause_stays_bounded_after_weeks_of_failures(backoff: Backoff[str]) -> None:
    """The pause does not overflow, however often a target has failed."""
    for _ in range(5000):
        assert backoff.failed("ada", 0.0) <= MAX_SECONDS


def test_success_resets_the_back_off(backoff: Backoff[str]) -> None:
    """After a success the next failure counts as the first."""
    backoff.failed("ada", 0.0)
    backoff.succeeded("ada")
    assert not backoff.active("ada", 0.0)
    assert backoff.failed("ada", 0.0) == 60.0


def test_targets_that_are_no_longer_due_are_forgotten(backoff: Backoff[str]) -> None:
    """The memory holds only targets that still fail."""
    backoff.failed("ada", 0.0)
    backoff.failed("ben", 0.0)
    backoff.keep_only(["ben", "chloe"])
    assert len(backoff) == 1
    assert backoff.active("ben", 0.0)
