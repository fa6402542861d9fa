"""The page for a meeting in sentences."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.query.cohort.standing import Standing, Standings
from services.stats.query.meeting import words
from services.stats.query.meeting.model import Meeting
from services.stats.query.periods import Summary
from services.stats.query.uncounted import Uncounted
from tests.stats.query.meeting.meetings import (
    FIRST,
    LAST,
    MEETING,
    meeting,
    person,
    standing,
    summary,
)

SINCE = date(2026, 3, 16)

TOTAL = MEETING.total
NOTHING = Summary(FIRST, LAST, 0.0)


def with_total(**values: Any) -> Meeting:
    return meeting(total=TOTAL._replace(**values))


def test_a_complete_period_is_not_called_incomplete() -> None:
    """There is nothing to say."""
    assert words.incomplete(MEETING) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"total": TOTAL._replace(complete=False, observed_percent=71.4)},
            "Incomplete: only 71.4% of the time was observed."
            " All counts and hours are lower bounds.",
        ),
        (
            {
                "total": TOTAL._replace(complete=False),
                "span": MEETING.span._replace(last_poll=datetime(2026, 3, 20, tzinfo=UTC)),
            },
            "Incomplete: the period is not over yet. All counts and hours are lower bounds.",
        ),
        ({"total": NOTHING}, "Nothing was observed on these days, so nothing is known about them."),
    ],
)
def test_why_a_period_is_incomplete(changes: dict[str, Any], said: str) -> None:
    """Each reason has its words."""
    assert words.incomplete(meeting(**changes)) == said


def gap(day: int, hour: float, hours: float) -> Interval:
    start = datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour)
    return Interval(start, start + timedelta(hours=hours))


def test_gaps_are_named_the_longest_first() -> None:
    """In the zone of the page, three of them, and how many more there are."""
    gaps = [gap(3, 1, 1), gap(5, 20, 8), gap(9, 8, 2), gap(12, 8, 1.5), gap(13, 8, 1)]
    said = " ".join(words.observed(meeting(gaps=gaps)))
    assert (
        "Nothing was observed for 14 h: 2026-03-05 21:00 to 2026-03-06 05:00,"
        " 2026-03-09 09:00 to 11:00, 2026-03-12 09:00 to 10:30, and in 2 shorter gaps." in said
    )
    assert "Nothing was observed" not in " ".join(words.observed(MEETING))


def test_what_is_known_of_the_period_before() -> None:
    """Without a complete one there is no comparison, and the page says why."""
    assert words.observed(MEETING) == ["100% of the time was observed."]
    assert "no records of the 28 days before." in words.observed(meeting(before=None))[-1]
    assert MEETING.before is not None
    partly = MEETING.before._replace(complete=False, observed_percent=40.0)
    assert words.observed(meeting(before=partly))[-1] == (
        "Of the 28 days before, 40% was observed, so there is no comparison."
    )


def test_where_the_records_begin() -> None:
    """The first recorded day, and days of which only totals are left, are named."""
    span = MEETING.span._replace(first_day=FIRST, timelines_from=LAST)
    said = words.observed(meeting(span=span))
    assert "These are the first days with records." in said
    assert "Of the days before 2026-03-29, only totals are kept." in said


def test_people() -> None:
    """Unique, compared, by week, new, and dropped off."""
    assert words.people(MEETING) == [
        "12 people worked in a server, 3 more than in the 28 days before.",
        "In an average week, 8.2 did.",
        "3 accounts were created.",
        "1 person worked earlier in this period, but not since 2026-03-16.",
    ]


@pytest.mark.parametrize(
    ("active", "said"),
    [
        (9, "9 people worked in a server, as many as in the 28 days before."),
        (1, "1 person worked in a server, 8 fewer than in the 28 days before."),
    ],
)
def test_people_compared(active: int, said: str) -> None:
    """More, fewer or as many."""
    assert words.people(with_total(active_users=active))[0] == said


def test_incomplete_periods_are_not_compared_in_words() -> None:
    """A lower bound may be below the truth."""
    said = words.people(with_total(complete=False, observed_percent=50.0))
    assert said[0] == "12 people worked in a server."


def test_nobody_dropped_off_where_nobody_worked() -> None:
    """Praise for everybody who came back needs somebody."""
    said = " ".join(words.people(with_total(active_users=0, newcomers=0)))
    assert "0 people worked in a server" in said
    assert "No accounts were created." in said
    assert "since" not in said
    everybody = meeting(
        standings=Standings(14, SINCE, rows=[standing("eva", Standing.NOT_STARTED)])
    )
    assert "Everybody who worked before 2026-03-16 has also worked since." in words.people(
        everybody
    )


def test_who_may_have_worked_did_not_drop_off() -> None:
    """Each sentence has its own people; those who never worked in the period are in none."""
    rows = [
        standing("ana", Standing.DROPPED_OFF, 3),
        standing("ben", Standing.PRESENT, 1),
        standing("eva", Standing.UNKNOWN, 2),
        standing("ida", Standing.UNKNOWN, 2),
        standing("zoe", Standing.UNKNOWN),
    ]
    assert words.people(meeting(standings=Standings(14, SINCE, rows=rows)))[3:] == [
        "1 person worked earlier in this period, but not since 2026-03-16.",
        "1 person worked earlier in this period and was at the Hub since 2026-03-16, but no work"
        " was observed.",
        "Of 2 people who worked earlier in this period, it is not known whether they have worked"
        " since 2026-03-16.",
    ]
    unknown = words.people(meeting(standings=Standings(14, SINCE, rows=rows[2:])))[3:]
    assert len(unknown) == 1
    assert words.people(meeting(standings=None))[3:] == []


def test_distribution() -> None:
    """Medians of those who worked, and how many did not. The upper tenth needs ten people."""
    assert words.distribution(MEETING) == [
        "Half of the people who worked did so for at most 10 min a week and on at most 2 days.",
        "1 person of 3 did not work.",
    ]
    many = [person(f"u{n}", 4, LAST, 60 * n) for n in range(1, 21)]
    assert "One in ten worked for 4 h 30 min a week or more." in words.distribution(
        meeting(people=many)
    )
    partly = with_total(complete=False)
    assert words.distribution(partly)[-1] == "1 person of 3 did not work, as far as was observed."


def test_busiest() -> None:
    """The hour of the week, and the day."""
    assert words.busiest(MEETING) == [
        "The busiest hour of the week was Monday, 10:00 to 11:00, with 1 person on average.",
        "The busiest day was Wednesday, 2026-03-11, with 5 people.",
    ]
    assert words.busiest(with_total(observed_percent=50.0))[1].startswith(
        "The busiest day that was observed was"
    )


def test_servers_and_sessions() -> None:
    """Hours in units for people, and times in the zone of the page."""
    assert words.servers(MEETING) == [
        "Servers ran for 120 h in total.",
        "The most at once: 9, on 2026-03-10 14:05.",
        "Users worked for 90 h, and had an idle server for 30 h.",
    ]
    assert words.sessions(MEETING) == [
        "20 servers were started.",
        "Half of the sessions that ended lasted at most 1 h 5 min, nine in ten at most 3 h.",
    ]
    imported = with_total(server_hours=None, sessions=None, saved_hours=None)
    assert words.servers(imported) == ["Nothing is known about servers on these days."]
    assert words.sessions(imported) == words.savings(imported) == []


def test_savings_are_called_an_estimate() -> None:
    """With what it assumes."""
    (said,) = words.savings(MEETING)
    assert "another 240 h: an estimate, which assumes" in said


def test_unobserved_time_was_not_counted() -> None:
    """It is neither work nor idle time."""
    assert words.not_counted(with_total(unobserved_hours=2.5))[0].startswith("2 h 30 min in which")
    assert "nothing was observed: neither" not in words.not_counted(MEETING)[0]


def test_who_is_excluded_is_counted_but_not_named() -> None:
    """On paper a list of staff has no place; that their servers ran has."""
    found = Uncounted(3, ("admin", "group:staff"), (), LAST)
    said = words.not_counted(meeting(uncounted=found, whole_hub=True))[0]
    assert said.startswith("3 users whom the hub's administrators exclude")
    assert found.included in said
    assert "This applies from 2026-03-29." in said
    assert "admin," not in said
    assert found.included not in words.not_counted(meeting(uncounted=found))[0]


@pytest.mark.parametrize(
    "made",
    [
        meeting(total=NOTHING, before=None, weeks=[], bars=[], days=[], people=[]),
        meeting(total=NOTHING, people=None),
        meeting(people=None),
        meeting(total=summary(FIRST, LAST, 0, sessions=0, median_minutes=None), people=[]),
        meeting(period=Period(FIRST, FIRST), weeks=[]),
    ],
    ids=["nothing", "nothing of a user", "a user", "nobody", "a day"],
)
def test_every_section_has_words_for_everything(made: Meeting) -> None:
    """No sentence fails, or shows a missing value."""
    sections = (
        words.observed,
        words.people,
        words.distribution,
        words.busiest,
        words.servers,
        words.sessions,
        words.savings,
        words.not_counted,
    )
    for section in sections:
        for said in section(made):
            assert "None" not in said
            assert said.endswith(".")
