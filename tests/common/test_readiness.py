"""Which parts of a service are not ready."""

from common.readiness import Readiness


def test_ready_at_first() -> None:
    """A service is ready until a part reports a reason."""
    assert Readiness().reasons() == {}


def test_reasons_by_part() -> None:
    """Each part has one reason, the last one, until it is ready again."""
    readiness = Readiness()
    readiness.set("hub", "down")
    readiness.set("database", "locked")
    readiness.set("hub", "still down")
    assert readiness.reasons() == {"hub": "still down", "database": "locked"}
    readiness.set("hub", None)
    readiness.set("never", None)
    assert readiness.reasons() == {"database": "locked"}


def test_reasons_are_a_copy() -> None:
    """Changing the result does not change the readiness."""
    readiness = Readiness()
    readiness.reasons()["hub"] = "down"
    assert readiness.reasons() == {}
