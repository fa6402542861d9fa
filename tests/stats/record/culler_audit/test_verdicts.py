"""Which sessions the culler stopped: by the audit log, if it covers the time."""

from datetime import timedelta

import pytest

from services.stats.intervals import Interval
from services.stats.record.culler_audit.verdicts import Ended, Stop, decide
from services.stats.records import Session
from tests.stats.record.scenarios.polled_hub import at

KEY = (1, "lab")
COMPLETE = Interval(at(0), at(1000))
SESSION = Session(7, 1, "lab", None, started=at(10), last_activity=at(40), ended=at(100))
ENDED = Ended(SESSION, noticed=at(102))


def decided(
    *stops: Stop,
    complete: Interval | None = COMPLETE,
    running: Session | None = None,
    ended: Ended = ENDED,
) -> bool | None:
    """Whether the culler stopped the server; None: not decided."""
    servers = {} if running is None else {KEY: running}
    found = decide([ended], servers, stops, complete)
    return found[0].culled if found else None


def stop(minutes: float, *, certain: bool = True, key: tuple[int, str] = KEY) -> Stop:
    """A stop at this minute."""
    return Stop(at(minutes), key, certain)


@pytest.mark.parametrize(
    ("stops", "complete", "culled"),
    [
        pytest.param([stop(100.02)], COMPLETE, True, id="stopped by the culler"),
        pytest.param([stop(100.02)], None, True, id="a stop is enough"),
        pytest.param([], COMPLETE, False, id="not in a log that covers the time"),
        pytest.param([], None, None, id="the log never covers anything"),
        pytest.param([], Interval(at(0), at(101)), None, id="the log ends before the poll"),
        pytest.param([], Interval(at(101), at(200)), None, id="the log begins after the end"),
        pytest.param([stop(100, key=(1, ""))], COMPLETE, False, id="another server"),
        pytest.param([stop(100, key=(2, "lab"))], COMPLETE, False, id="another user"),
        pytest.param([stop(9)], COMPLETE, False, id="an earlier run of the server"),
        pytest.param([stop(30)], COMPLETE, False, id="before the last activity"),
        pytest.param([stop(100, certain=False)], COMPLETE, None, id="a stop that failed"),
        pytest.param([stop(60, certain=False), stop(100)], COMPLETE, True, id="a second attempt"),
    ],
)
def test_one_session(stops: list[Stop], complete: Interval | None, culled: bool | None) -> None:
    """Stops in the log, their outcome, and what the log covers."""
    assert decided(*stops, complete=complete) is culled


def test_a_stop_belongs_to_the_session_before_it() -> None:
    """The server was started again and stopped again: each stop has its own session."""
    again = Session(8, 1, "lab", None, started=at(110), last_activity=at(112), ended=at(120))
    both = [ENDED, Ended(again, noticed=at(122))]
    (first, second) = decide(both, {}, [stop(119.9)], COMPLETE)
    assert (first.culled, second.culled) == (False, True)
    running = again._replace(ended=None)
    assert decided(stop(119.9), running=running) is False


def test_the_log_corrects_an_end_in_a_gap() -> None:
    """After a gap the end is only known to be later than the last poll; the log has the time."""
    ended = Ended(SESSION, noticed=at(400))
    (found,) = decide([ended], {}, [stop(300)], COMPLETE)
    assert (found.culled, found.ended) == (True, at(300))
    (found,) = decide([ended], {}, [stop(100.5)], COMPLETE)
    assert found.ended == at(100)
    late = ended._replace(noticed=at(250))
    (found,) = decide([late], {}, [stop(300)], COMPLETE)
    assert found.ended == at(250)


def test_starts_are_whole_seconds() -> None:
    """A stop in the second in which the next run of the server began is still of the first."""
    running = Session(8, 1, "lab", None, started=at(100.1), last_activity=at(100.1))
    just = Stop(running.started + timedelta(milliseconds=900), KEY, certain=True)
    assert decided(just, running=running) is True
