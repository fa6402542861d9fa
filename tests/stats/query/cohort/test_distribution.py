"""How active users are, compared with each other."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.query.cohort.distribution import (
    HISTOGRAMS,
    Distribution,
    Share,
    days_active,
    effort,
    last_seen,
    people,
    quartiles_of,
)

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 29)


def users(*minutes: float, weeks: int = 4) -> list[Share]:
    """Users who worked this many minutes per week, on one day more than the one before."""
    return [
        Share(f"u{number}", weeks, round(value * 60 * weeks), number, LAST - timedelta(days=number))
        for number, value in enumerate(minutes)
    ]


def of(shares: list[Share], **more: int) -> Distribution:
    return Distribution(FIRST, LAST, weeks=4, users=shares, **more)  # type: ignore[arg-type]  # fields by name


def test_zero_has_its_own_bin() -> None:
    """Nothing is not the same as a little; a limit belongs to the bin that it begins."""
    found = effort(of(users(0, 0, 0.1, 14.9, 15, 60, 119, 480, 5000)))
    assert {one.label: [user.name for user in one.users] for one in found.bins if one.users} == {
        "none": ["u0", "u1"],
        "under 15 min": ["u2", "u3"],
        "15 to 30 min": ["u4"],
        "1 to 2 h": ["u5", "u6"],
        "8 h or more": ["u7", "u8"],
    }


def test_the_most_important_in_words() -> None:
    """The sentences hold exactly: numbers are rounded down for "at least", up for "at most"."""
    assert effort(of(users(10.5, 80.9, 80.9, 300))).sentences == [
        "Half of the 4 users worked at least 1 h 20 min a week.",
        "A quarter worked at least 5 h a week.",
        "A quarter worked at most 11 min a week.",
    ]
    assert effort(of(users(0, 0, 0, 659))).sentences == [
        "A quarter worked at least 10 h a week.",
        "3 of the 4 users did not work in these weeks.",
    ]
    assert effort(of(users(80, 0))).sentences == [
        "Half of the 2 users worked at least 1 h 20 min a week.",
        "1 of the 2 users did not work in these weeks.",
    ]
    assert effort(of(users(80))).sentences == ["The one user worked 1 h 20 min a week."]


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40))
def test_quartiles_are_what_they_are_said_to_be(minutes: list[int]) -> None:
    found = quartiles_of(of(users(*minutes)))
    assert found is not None
    assert 2 * sum(value >= found.median for value in minutes) >= len(minutes)
    assert 4 * sum(value >= found.upper for value in minutes) >= len(minutes)
    assert 4 * sum(value <= found.lower for value in minutes) >= len(minutes)
    assert found.lower <= found.median <= found.upper


@given(st.lists(st.integers(0, 3000), max_size=40))
def test_everybody_is_in_one_bin(minutes: list[int]) -> None:
    found = of(users(*minutes))
    for make in HISTOGRAMS.values():
        names = [user.name for one in make(found).bins for user in one.users]
        assert sorted(names) == sorted(user.name for user in found.users)


def test_without_a_complete_week_there_are_no_minutes() -> None:
    """They would be a lower bound; users who joined later are counted, not shown as zero."""
    nobody = effort(of(users(0, 0, weeks=0), left_out=2))
    assert (nobody.bins, nobody.sentences) == ([], [])
    assert "2 weeks are left out" in nobody.note
    assert quartiles_of(of(users(0, 0, weeks=0))) is None
    some = effort(of([*users(60), *users(0, weeks=0)]))
    assert sum(len(one.users) for one in some.bins) == 1
    assert "1 user joined after the last complete week." in some.note
    assert quartiles_of(of([])) is None


def test_days_active() -> None:
    """There is no bin for more days than the range has; gaps make the days lower bounds."""
    found = days_active(of(users(*range(12)), unobserved=2))
    assert [(one.label, len(one.users)) for one in found.bins] == [
        *(("0 days", 1), ("1 day", 1), ("2 days", 1), ("3 to 4 days", 2), ("5 to 9 days", 5)),
        *(("10 to 19 days", 2), ("20 to 28 days", 0)),
    ]
    assert "Nothing was observed on 2 days, so users may have worked on more." in found.note
    _, one = days_active(Distribution(FIRST, FIRST, users=users(0, 0))).bins
    assert (one.label, len(one.users)) == ("1 day", 1)


@pytest.mark.parametrize(
    ("ago", "label"),
    [
        *((0, "today"), (1, "1 to 6 days ago"), (6, "1 to 6 days ago"), (7, "1 to 2 weeks ago")),
        *((13, "1 to 2 weeks ago"), (14, "2 to 4 weeks ago"), (28, "4 to 13 weeks ago")),
        *((90, "4 to 13 weeks ago"), (91, "more than 13 weeks ago"), (None, "never")),
    ],
)
def test_last_seen(ago: int | None, label: str) -> None:
    day = None if ago is None else LAST - timedelta(days=ago)
    found = last_seen(of([Share("ana", 4, 0, 0, day)]))
    assert [one.label for one in found.bins if one.users] == [label]


def test_an_earlier_day_is_not_called_today() -> None:
    labels = [one.label for one in last_seen(of(users(1), today=0)).bins]
    assert labels[:2] == ["on that day", "1 to 6 days before"]


def test_file_of_all_people() -> None:
    found = people(of([*users(80), Share("eva", 0, 0, 0, None)]))
    assert [column.key for column in found.columns][:3] == ["name", "weeks", "minutes_per_week"]
    assert found.rows == [
        ["u0", 4, 80.0, "1 to 2 h", 0, "0 days", LAST, "today"],
        ["eva", 0, None, None, 0, "0 days", None, "never"],
    ]
