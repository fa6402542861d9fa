"""A first screen in words."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import Period
from services.stats.query.glance.headline import (
    Headline,
    Latest,
    NotStarted,
    Peak,
    People,
    is_current,
    weeks,
)
from services.stats.query.glance.own_week import OwnWeek
from services.stats.query.glance.words import Card, cards, week_words

NOW = datetime(2026, 3, 4, 10, 5, tzinfo=UTC)  # a Wednesday
BERLIN = ZoneInfo("Europe/Berlin")
THIS, LAST = weeks(NOW.date())
BASE = Headline(
    this_week=People(THIS, 34, whole=True),
    last_week=People(LAST, 41, whole=True),
    latest=Latest(NOW, 300, 12),
    now=True,
    peak_today=Peak(20, NOW - timedelta(hours=1)),
    peak_week=Peak(1061, NOW - timedelta(days=2)),
    not_started=NotStarted(7, 0, 60, date(2026, 2, 1)),
)


def card(figures: Headline, key: str, *, group: bool = False) -> Card:
    (found,) = (one for one in cards(figures, NOW, BERLIN, group=group) if one.key == key)
    return found


def test_weeks() -> None:
    """This week goes to today, and last week to the same weekday."""
    assert Period(date(2026, 3, 2), date(2026, 3, 4)) == THIS
    assert Period(date(2026, 2, 23), date(2026, 2, 25)) == LAST


def test_people() -> None:
    """The same weekdays are compared, and an unfinished week is called so."""
    assert card(BASE, "people") == Card(
        "people",
        "People this week",
        "34",
        (
            "active so far, Monday to Wednesday",
            "7 fewer than on these days last week (41)",
        ),
    )


@pytest.mark.parametrize(
    ("this", "last", "value", "note"),
    [
        (34, 34, "34", "as many as on these days last week (34)"),
        (1034, 34, "1,034", "1,000 more than on these days last week (34)"),
        (0, 34, "0", "34 fewer than on these days last week (34)"),
        (None, 34, "not observed", "on these days last week: 34"),
        (34, None, "34", "on these days last week: not observed"),
    ],
)
def test_people_compared(this: int | None, last: int | None, value: str, note: str) -> None:
    """Only numbers that are known are compared."""
    figures = Headline(
        **{
            **vars(BASE),
            "this_week": People(THIS, this, whole=True),
            "last_week": People(LAST, last, whole=True),
        }
    )
    found = card(figures, "people")
    assert found.value == value
    assert found.notes[1].endswith(note)


def test_lower_bounds_are_not_compared() -> None:
    """A number from days that were partly observed is "at least", without a difference."""
    figures = Headline(**{**vars(BASE), "this_week": People(THIS, 34, whole=False)})
    found = card(figures, "people")
    assert found.value == "at least 34"
    assert found.notes[1] == "on these days last week: 41"


def test_records_that_begin_this_week() -> None:
    """There is nothing to compare with."""
    figures = Headline(**{**vars(BASE), "last_week": None})
    assert card(figures, "people").notes[1] == "no records of last week"


def test_servers() -> None:
    """Times are in the page's zone; another day is named."""
    found = card(BASE, "servers-now")
    assert found.value == "12"
    assert found.notes == (
        "most today: 20 at 10:05",
        "most this week: 1,061 on Monday at 11:05",
    )


def test_servers_of_a_stopped_recorder() -> None:
    """The last poll says nothing about now, and is shown as what it is."""
    latest = Latest(NOW - timedelta(days=9), 300, 12)
    figures = Headline(
        **{
            **vars(BASE),
            "latest": latest,
            "now": is_current(latest, NOW),
            "peak_today": Peak(),
            "peak_week": Peak(),
        }
    )
    found = card(figures, "servers-now")
    assert found.value == "not observed"
    assert found.notes == (
        "last observed: 12 at 2026-02-23 11:05",
        "most today: not observed",
        "most this week: not observed",
    )


@pytest.mark.parametrize(("minutes", "current"), [(0, True), (12, True), (13, False)])
def test_is_current(minutes: int, current: bool) -> None:
    """Two and a half intervals without a poll are a gap."""
    assert is_current(Latest(NOW - timedelta(minutes=minutes), 300, 1), NOW) is current


def test_servers_that_were_never_seen() -> None:
    """Imported records have no servers."""
    figures = Headline(**{**vars(BASE), "latest": Latest(NOW, 300, None)})
    assert card(figures, "servers-now").value == "not observed"


def test_not_started() -> None:
    """The number says of how many, since when, and how many were at the Hub."""
    assert card(BASE, "not-started").notes == (
        "of 60 users: never active since records began on 2026-02-01",
    )
    figures = Headline(
        **{**vars(BASE), "not_started": NotStarted(7, 1, 1, date(2026, 2, 1))},
    )
    assert card(figures, "not-started", group=True).notes == (
        "of 1 member: never active since records began on 2026-02-01",
        "1 of them was at the Hub, no work observed",
    )


@pytest.mark.parametrize(
    ("changes", "this", "words"),
    [
        ({}, True, ("So far this week you worked 5 h 20 min on 3 days.",)),
        ({}, False, ("Last week you worked 5 h 20 min on 3 days.",)),
        ({"active_days": 1}, False, ("Last week you worked 5 h 20 min on 1 day.",)),
        (
            {"minutes": 0, "active_days": 0},
            True,
            ("You have not worked this week so far.",),
        ),
        ({"minutes": 0, "active_days": 0}, False, ("You did not work last week.",)),
        ({"minutes": None}, True, ("Nothing was observed this week.",)),
        (
            {"unobserved_days": 2},
            False,
            ("Last week you worked at least 5 h 20 min on 3 days.", "Not observed: 2 days."),
        ),
        (
            {"unobserved_days": 1, "partly_days": 1, "unobserved_minutes": 125},
            True,
            (
                "So far this week you worked at least 5 h 20 min on 3 days.",
                "Not observed: 1 day, parts of 1 day and 2 h 5 min in which your server ran.",
            ),
        ),
        (
            {"minutes": 0, "active_days": 0, "unobserved_days": 1},
            True,
            ("No work of yours was recorded this week so far.", "Not observed: 1 day."),
        ),
    ],
)
def test_week_words(changes: dict[str, Any], this: bool, words: tuple[str, ...]) -> None:
    """A week in a sentence, and what was not observed in a second one."""
    week = OwnWeek(THIS, 320, 3, 0, 0, 0)
    assert week_words(week._replace(**changes), this=this) == words
