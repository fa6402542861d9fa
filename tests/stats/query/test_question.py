"""What a query string asks for: days, whom, by what, in which time zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By
from services.stats.query.question import LONGEST_NAME, InvalidQuery, Question, Range, Span

SPAN = Span(date(2026, 3, 1), date(2026, 6, 30), datetime(2026, 6, 30, 12, tzinfo=UTC), date.min)


def test_nothing_said_is_the_last_thirty_days_of_everybody() -> None:
    """An empty query is a good one."""
    question = Question.parse({})
    assert (question.group, question.user, question.by, question.zone) == ("", "", By.DAY, None)
    assert question.days(SPAN) == (date(2026, 6, 1), date(2026, 6, 30))


def test_empty_fields_of_a_form_are_as_good_as_none() -> None:
    """A form sends every field, also the empty ones."""
    fields = ("since", "until", "group", "user", "by", "timezone")
    assert Question.parse(dict.fromkeys(fields, "")) == Question.parse({})


def test_everything_said() -> None:
    """All six are read, and names are kept as they are."""
    question = Question.parse(
        {
            "since": "2026-04-01",
            "until": "2026-04-30",
            "group": "nbgrader-a b",
            "user": "Zoë <b>",
            "by": "week",
            "timezone": "Europe/Berlin",
            "page": "7",
        }
    )
    assert question.days(SPAN) == (date(2026, 4, 1), date(2026, 4, 30))
    assert (question.group, question.user, question.by) == ("nbgrader-a b", "Zoë <b>", By.WEEK)
    assert question.zone == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        pytest.param("7d", "", (date(2026, 6, 24), date(2026, 6, 30)), id="days back"),
        pytest.param("1d", "2026-05-01", (date(2026, 5, 1), date(2026, 5, 1)), id="one day"),
        pytest.param("99999d", "", (date(2026, 3, 1), date(2026, 6, 30)), id="before the first"),
        pytest.param("2020-01-01", "2030-01-01", (date(2026, 3, 1), date(2026, 6, 30)), id="wide"),
        pytest.param("99999d", "1970-01-02", (date(2026, 3, 1), date(1970, 1, 2)), id="no day"),
    ],
)
def test_days_end_where_the_records_do(since: str, until: str, days: tuple[date, date]) -> None:
    """However wide the range, no more days are counted than were recorded."""
    assert Question.parse({"since": since, "until": until}).days(SPAN) == days


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"since": "yesterday"}, "since: 'yesterday' is not a date; write 2026-03-01, or 90d"),
        ({"since": "٣d"}, "since: '٣d' is not a date"),
        ({"until": "90d"}, "until: '90d' is not a date; write 2026-03-01."),
        ({"until": "0001-01-01"}, "until: 0001-01-01 is out of range"),
        ({"until": "9999-12-31"}, "until: 9999-12-31 is out of range"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "since: 2026-05-02 is after until, 2026-"),
        ({"by": "year"}, "by: 'year' is not one of day, week, month."),
        ({"timezone": "Mars"}, "timezone: 'Mars' is not a time zone; write a name such as Europe/"),
        ({"timezone": "../../etc/passwd"}, "timezone: '../../etc/passwd' is not a time zone"),
        ({"timezone": "America"}, "timezone: 'America' is not a time zone"),
        ({"timezone": "a\0b"}, r"timezone: 'a\x00b' is not a time zone"),
        ({"user": "a\nb"}, r"user: 'a\nb' is not a valid user name."),
        ({"group": "x" * (LONGEST_NAME + 1)}, "group: 'xxx"),
    ],
)
def test_what_is_wrong_is_said(query: dict[str, str], told: str) -> None:
    """A line for a person, never a traceback."""
    with pytest.raises(InvalidQuery) as caught:
        Question.parse(query)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(told)
    assert len(str(caught.value)) < 200


def test_all_problems_are_told_at_once() -> None:
    """Nobody likes to mend one after the other."""
    with pytest.raises(InvalidQuery) as caught:
        Question.parse({"since": "x", "by": "y", "timezone": "z"})
    assert len(caught.value.problems) == 3


def test_options_are_told_with_their_dashes() -> None:
    """The command line reads its range the same way."""
    problems: list[str] = []
    Range.parse({"since": "x"}, problems)
    assert problems == ["--since: 'x' is not a date; write 2026-03-01, or 90d for 90 days."]
