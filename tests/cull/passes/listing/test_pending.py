"""Servers that start or stop for too long."""

from datetime import timedelta

from services.cull.passes.listing.pending import STUCK_AFTER, Pending
from tests.fakes.clock import START

MINUTE = timedelta(minutes=1)


def test_a_server_is_reported_once_after_an_hour() -> None:
    """It counts for as long as it is stuck."""
    pending = Pending()
    assert pending.update([("ada", "")], START) == []
    assert pending.update([("ada", ""), ("ben", "x")], START + STUCK_AFTER - MINUTE) == []
    assert pending.update([("ada", ""), ("ben", "x")], START + STUCK_AFTER) == [("ada", "")]
    assert pending.update([("ada", ""), ("ben", "x")], START + STUCK_AFTER + MINUTE) == []
    assert pending.stuck == 1


def test_a_server_that_was_ready_in_between_is_not_stuck() -> None:
    """Two starts within an hour are no problem."""
    pending = Pending()
    pending.update([("ada", "")], START)
    pending.update([], START + 30 * MINUTE)
    assert pending.update([("ada", "")], START + STUCK_AFTER) == []
    assert pending.stuck == 0
