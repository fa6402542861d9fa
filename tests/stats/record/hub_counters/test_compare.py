"""What two readings of the Hub's counters say about the time between them."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from services.stats.record.hub_counters.compare import count_spawns
from services.stats.record.hub_counters.parse import Reading, parse
from services.stats.recorder_state import State
from services.stats.records import Changes
from tests.stats.record.scenarios.hub_metrics import metrics_page
from tests.stats.record.scenarios.polled_hub import START, at

LONGEST = timedelta(minutes=12.5)
UTC_DAYS = ZoneInfo("UTC")


def reading(
    successes: int, *, failures: int = 0, hub_started: float | None = START.timestamp() - 3600
) -> Reading:
    """A reading after spawns of 2 s each."""
    spawns = [("success", "", 2.0)] * successes + [("error", "", 40.0)] * failures
    return parse(metrics_page(spawns, hub_started=hub_started).encode())


class Counted:
    """A state to which readings are applied."""

    def __init__(self, zone: ZoneInfo = UTC_DAYS) -> None:
        self.state, self.zone = State(), zone
        self.written = Changes()

    def read(self, minutes: float, what: Reading) -> "Counted":
        """A reading at this minute after START, which is 8:00."""
        changes = Changes()
        count_spawns(self.state, changes, what, at(minutes), LONGEST, self.zone)
        self.state.apply(changes)
        self.written.update(changes)
        return self

    @property
    def rows(self) -> list[tuple[float, float, str, int]]:
        """Since and until in minutes, outcome and number."""
        minute = timedelta(minutes=1)
        return [
            ((row.since - START) / minute, (row.until - START) / minute, row.outcome, row.number)
            for row in self.written.spawns.values()
        ]

    @property
    def known(self) -> list[tuple[float, float]]:
        """When the counters were known."""
        minute = timedelta(minutes=1)
        return [
            ((row.since - START) / minute, (row.until - START) / minute)
            for row in self.written.spawn_counters.values()
        ]


def test_first_reading_counts_nothing() -> None:
    """The Hub may have counted for weeks before it was first polled."""
    counted = Counted().read(5, reading(400))
    assert counted.rows == []
    assert counted.known == [(5, 5)]


def test_readings_of_an_hour_are_one_row() -> None:
    """What is read between 8:00 and 9:00 counts for that hour, and so on."""
    counted = Counted().read(0, reading(7))
    for minute, number in ((5, 8), (10, 8), (60, 10), (65, 15)):
        counted.read(minute, reading(number))
    counted.read(70, reading(15, failures=1))
    assert counted.rows == [(0, 60, "success", 3), (60, 120, "success", 5), (60, 120, "failure", 1)]
    assert counted.known == [(0, 70)]
    (first, *_) = counted.written.spawns.values()
    assert (first.seconds, first.lengths) == (6.0, {2.5: 3})


def test_hours_of_the_local_clock() -> None:
    """In India, days begin at half past an hour in UTC; no row crosses midnight."""
    counted = Counted(ZoneInfo("Asia/Kolkata")).read(25, reading(0)).read(35, reading(2))
    assert counted.rows == [(30, 90, "success", 2)]


def test_a_gap_is_kept_as_a_whole() -> None:
    """It is known how many servers started in a gap, and not when."""
    counted = Counted().read(10, reading(1)).read(190, reading(5)).read(195, reading(6))
    assert counted.rows == [(10, 190, "success", 4), (180, 240, "success", 1)]
    assert counted.known == [(10, 195)]


def test_a_gap_within_an_hour_needs_no_row_of_its_own() -> None:
    """The hour is all that is kept anyway."""
    assert Counted().read(10, reading(1)).read(50, reading(5)).rows == [(0, 60, "success", 4)]


def test_restart_of_the_hub() -> None:
    """The counters begin at zero. What they counted since the last reading is lost."""
    counted = Counted().read(0, reading(400)).read(5, reading(401))
    counted.read(10, reading(3, hub_started=at(8).timestamp()))
    assert counted.rows == [(0, 60, "success", 4)]
    assert counted.known == [(0, 5), (8, 10)]


def test_restart_that_only_the_numbers_show() -> None:
    """Where the start of the process is unknown, a smaller number shows it."""
    counted = Counted().read(0, reading(400, hub_started=None))
    counted.read(5, reading(3, hub_started=None)).read(10, reading(4, hub_started=None))
    assert counted.rows == [(0, 60, "success", 4)]
    assert counted.known == [(0, 0), (5, 10)]


def test_restart_while_the_recorder_was_away() -> None:
    """What is known begins with the Hub's start, not with the last reading."""
    counted = Counted().read(0, reading(10))
    counted.read(600, reading(12, hub_started=at(500).timestamp()))
    assert counted.rows == [(500, 600, "success", 12)]
    assert counted.known == [(0, 0), (500, 600)]


def test_clocks_that_disagree() -> None:
    """A start before the last reading, or after this one, is put between them."""
    counted = Counted().read(0, reading(10)).read(5, reading(1, hub_started=at(-9).timestamp()))
    counted.read(10, reading(2, hub_started=at(99).timestamp()))
    assert counted.known == [(0, 5), (10, 10)]
    assert sum(row[3] for row in counted.rows) == 3


def test_the_same_reading_twice_is_one() -> None:
    """Writing or reading again adds nothing."""
    counted = Counted().read(0, reading(1)).read(5, reading(4)).read(5, reading(9))
    assert [row[3] for row in counted.rows] == [3]
