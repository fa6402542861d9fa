"""Questions parsed from query strings: days, users, periods and time zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By
from services.stats.query.question import LONGEST_NAME, InvalidQuery, Question, Range, Span

SPAN = Span(date(2026, 3, 1), date(2026, 6, 30), datetime(2026, 6, 30, 12, tzinfo=UTC), date.min)


def test_empty_query_is_the_last_thirty_days_of_all_users() -> None:
    """An empty query is valid."""
    question = Question.parse({})
    assert (question.group, question.user, question.by, question.zone) == ("", "", By.DAY, None)
    assert question.days(SPAN) == (date(2026, 6, 1), date(2026, 6, 30))


def test_empty_form_fields_are_ignored() -> None:
    """Browsers send every field of a form, including empty ones."""
    fields = ("since", "until", "group", "user", "by", "timezone")
    assert Question.parse(dict.fromkeys(fields, "")) == Question.parse({})


def test_all_parameters() -> None:
    """All six parameters are parsed; names are kept unchanged, other parameters ignored."""
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
def test_days_are_limited_to_the_records(since: str, until: str, days: tuple[date, date]) -> None:
    """However wide the range, only days with records are returned."""
    assert Question.parse({"since": since, "until": until}).days(SPAN) == days


@pytest.mark.parametrize("name", ["a\u202eb", "\u200bb", "x" * 255])
def test_any_name_of_the_hub_can_be_asked_for(name: str) -> None:
    """The Hub accepts invisible characters in names, and the tables link to such users."""
    assert Question.parse({"user": name}).user == name


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"since": "yesterday"}, "since: 'yesterday' is not a date; write 2026-03-01, or 90d"),
        ({"since": "٣d"}, "since: '٣d' is not a date"),
        ({"until": "90d"}, "until: '90d' is not a date; write 2026-03-01."),
        ({"until": "0001-01-01"}, "until: 0001-01-01 is out of range"),
        ({"until": "9999-12-31"}, "until: 9999-12-31 is out of range"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "since: 2026-05-02 is after until, 2026-"),
        (
            {"by": "decade"},
            "by: 'decade' is not one of day, week, month, year, term, all.",
        ),
        ({"timezone": "Mars"}, "timezone: 'Mars' is not a time zone; write a name such as Europe/"),
        ({"timezone": "../../etc/passwd"}, "timezone: '../../etc/passwd' is not a time zone"),
        ({"timezone": "America"}, "timezone: 'America' is not a time zone"),
        ({"timezone": "a\0b"}, r"timezone: 'a\x00b' is not a time zone"),
        ({"user": "a\nb"}, r"user: 'a\nb' is not a valid user name."),
        ({"user": "a\u2028b"}, r"user: 'a\u2028b' is not a valid user name."),
        ({"group": "x" * (LONGEST_NAME + 1)}, "group: 'xxx"),
    ],
)
def test_invalid_values_are_reported(query: dict[str, str], message: str) -> None:
    """An invalid value is reported in one short line."""
    with pytest.raises(InvalidQuery) as caught:
        Question.parse(query)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200


def test_all_problems_are_reported_at_once() -> None:
    """Three invalid values give three problems."""
    with pytest.raises(InvalidQuery) as caught:
        Question.parse({"since": "x", "by": "y", "timezone": "z"})
    assert len(caught.value.problems) == 3


def test_command_line_options_keep_their_dashes() -> None:
    """The command line parses its range in the same way."""
    problems: list[str] = []
    Range.parse({"since": "x"}, problems)
    assert problems == ["--since: 'x' is not a date; write 2026-03-01, or 90d for 90 days."]
