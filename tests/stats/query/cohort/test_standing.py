"""Who dropped off, who has not started, and of whom it is not known."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.stats.query.cohort.doubt import DOUBTS, Doubt, gaps_between
from services.stats.query.cohort.standing import (
    DEFAULT_DAYS,
    Standing,
    StandingQuery,
    StandingRow,
    Standings,
    StandingSort,
    parse_days,
    standing_of,
)
from services.stats.query.people import TableQuery
from services.stats.query.question import InvalidQuery
from services.stats.records import Poll

SINCE = date(2026, 3, 10)
BEFORE, LATER = date(2026, 3, 9), date(2026, 3, 11)
ANA = StandingRow("Ana", Standing.DROPPED_OFF, BEFORE, BEFORE, 3, 7200, date(2026, 3, 1))
BEN = StandingRow("ben", Standing.NOT_STARTED, None, None, 0, 0, None)
EVA = StandingRow(
    *("eva", Standing.UNKNOWN, date(2026, 3, 2), BEFORE, 9, 3600, date(2026, 3, 2), Doubt.SERVER)
)
FOUND = Standings(14, SINCE, 3, [ANA, BEN, EVA])


@pytest.mark.parametrize(
    ("active", "present", "doubt", "standing"),
    [
        (BEFORE, BEFORE, None, Standing.DROPPED_OFF),
        (BEFORE, BEFORE, Doubt.SERVER, Standing.UNKNOWN),
        (BEFORE, LATER, None, Standing.PRESENT),
        (BEFORE, SINCE, Doubt.ACCOUNT, Standing.PRESENT),
        (SINCE, SINCE, None, None),
        (LATER, LATER, Doubt.AWAY, None),
        (None, None, None, Standing.NOT_STARTED),
        (None, None, Doubt.AWAY, Standing.UNKNOWN),
        (None, BEFORE, None, Standing.NOT_STARTED),
        (None, LATER, Doubt.AWAY, Standing.PRESENT),
    ],
)
def test_standing(
    active: date | None, present: date | None, doubt: Doubt | None, standing: Standing | None
) -> None:
    """Nobody "dropped off" who may have worked while nothing was observed."""
    assert standing_of(active, present, SINCE, doubt) is standing


def test_the_doubt_is_explained() -> None:
    assert FOUND.words(EVA) == "not known: their server was stopped while nothing was observed"
    assert FOUND.words(ANA) == "dropped off"
    assert FOUND.doubt == "1 user: their server was stopped while nothing was observed"
    assert set(DOUBTS) == set(Doubt)
    assert FOUND.counts() == {
        Standing.DROPPED_OFF: 1,
        Standing.NOT_STARTED: 1,
        Standing.PRESENT: 0,
        Standing.UNKNOWN: 1,
    }


def test_gaps() -> None:
    """Two and a half intervals are none; only the recorder's own polls compare the times."""
    times = (0, 5, 17, 30, 60, 90)
    polls = [
        Poll(
            datetime(2026, 3, 10, 12, tzinfo=UTC) + timedelta(minutes=minute),
            *(300, 50),
            whole=True,
            full=True,
            servers=None if minute == 30 else 0,
        )
        for minute in times
    ]
    gaps = gaps_between(polls)
    assert [(gap.start.minute, gap.compared) for gap in gaps] == [
        *((17, False), (30, False), (0, True))
    ]


def test_hours_per_week_are_those_of_the_active_time() -> None:
    """From the first to the last active day: 2 hours in 9 days; less than a week counts as one."""
    assert ANA.hours_per_week == round(2 / (9 / 7), 2)
    assert EVA.hours_per_week == 1
    assert BEN.hours_per_week is None


@pytest.mark.parametrize(
    ("sort", "names"),
    [("name", "Ana ben eva"), ("-last_active", "Ana eva ben"), ("-days_active", "eva Ana ben")],
)
def test_order(sort: str, names: str) -> None:
    query = StandingQuery.parse({"sort": sort, "standing": "all"})
    assert " ".join(row.name for row in query.select(FOUND)) == names


def test_selection() -> None:
    """By default those who dropped off are listed, the ones who were active last first."""
    query = StandingQuery.parse({})
    assert (query.days, query.standing) == (DEFAULT_DAYS, Standing.DROPPED_OFF)
    assert query.table == TableQuery("", StandingSort.LAST_ACTIVE, descending=True)
    assert query.select(FOUND) == [ANA]
    assert StandingQuery.parse({"standing": "all", "q": "V"}).select(FOUND) == [EVA]


def test_all_mistakes_are_reported() -> None:
    with pytest.raises(InvalidQuery) as caught:
        StandingQuery.parse({"days": "0", "standing": "gone", "sort": "sessions", "page": "x"})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        *("days", "standing", "sort", "page")
    ]


@pytest.mark.parametrize(
    "text", ["0", "-1", "14.5", "soon", "99999", "\uff11\uff14", "14dd", "d", "1 4"]
)
def test_invalid_numbers_of_days(text: str) -> None:
    problems: list[str] = []
    parse_days("--dropped-off", text, problems)
    assert "write 14d, for example." in problems[0]
