"""The file of terms."""

from datetime import date

import pytest

from common.errors import ConfigError
from services.stats.days import BETWEEN_TERMS, By, Period, periods
from services.stats.settings.terms import load_terms, terms_as_text, terms_of

WINTER = Period(date(2025, 10, 1), date(2026, 3, 31), "Winter 2025/26")
SUMMER = Period(date(2026, 4, 13), date(2026, 7, 31), "Sommer ü")

FILE = """
[[term]]
name = "Sommer ü"
from = 2026-04-13
until = 2026-07-31

[[term]]
name = "Winter 2025/26"
from = 2025-10-01
until = 2026-03-31
"""


def test_terms_are_sorted_and_kept_as_text() -> None:
    """The order in the file does not matter, and the database returns the same terms."""
    terms = load_terms(FILE)
    assert terms == (WINTER, SUMMER)
    assert terms_of(terms_as_text(terms)) == terms
    assert terms_of("") == ()


def test_every_mistake_is_reported_with_its_term() -> None:
    """All mistakes in the file are reported at once."""
    text = """
    [[term]]
    name = "A"
    from = 2026-01-01
    until = 2026-02-28
    [[term]]
    nmae = "B"
    from = "2026-03-01"
    until = 2026-03-01T10:00:00Z
    [[term]]
    name = "A"
    from = 2026-02-28
    until = 2026-05-01
    [[term]]
    name = "between terms"
    from = 2026-09-01
    until = 2026-08-01
    [[term]]
    name = "a\\u202eb"
    until = 0001-01-01
    [[terms]]
    """
    with pytest.raises(ConfigError) as raised:
        load_terms(text)
    assert sorted(raised.value.problems) == sorted(
        [
            'terms: unknown key; only [[term]] tables are allowed; did you mean "term"?',
            'term 2, nmae: unknown key; did you mean "name"?',
            'term 2, name: missing; give the term a name, such as name = "Winter 2025/26"',
            "term 2, from: write a day, without quotes: from = 2025-10-01",
            "term 2, until: write a day, without quotes: until = 2026-03-31",
            'term 4 ("between terms"), name: "between terms" is reserved for the other days',
            'term 4 ("between terms"), until: 2026-08-01 is before the first day, 2026-09-01;'
            " swap them",
            'term 5 ("a\u202eb"), name: write at most 60 printable characters',
            'term 5 ("a\u202eb"), from: missing; write from = 2025-10-01',
            'term 5 ("a\u202eb"), until: 0001-01-01 is out of range; write until = 2026-03-31',
            'term "A": duplicate name (2 terms)',
            'term 3 ("A"), from: 2026-02-28 is not after the last day of term 1 ("A"),'
            " 2026-02-28; terms must not overlap",
        ]
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file has no terms; start one with [[term]]"),
        ("[term]\nname = 1", "term: write each term as a separate table: [[term]]"),
        ("term = {", "not TOML"),
    ],
)
def test_a_file_without_terms_is_refused(text: str, problem: str) -> None:
    """An empty file, one table and a text that is not TOML each have their message."""
    with pytest.raises(ConfigError, match=problem.replace("[", "\\[")):
        load_terms(text)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(date(2025, 11, 1), date(2025, 11, 30), [(1, 30, WINTER.name)], id="inside"),
        pytest.param(
            date(2026, 3, 30),
            date(2026, 8, 2),
            [
                (30, 31, WINTER.name),
                (1, 12, BETWEEN_TERMS),
                (13, 31, SUMMER.name),
                (1, 2, BETWEEN_TERMS),
            ],
            id="across",
        ),
        pytest.param(date(2026, 8, 1), date(2026, 8, 9), [(1, 9, BETWEEN_TERMS)], id="after all"),
        pytest.param(date(2026, 8, 2), date(2026, 8, 1), [], id="empty"),
    ],
)
def test_days_between_terms_are_periods_of_their_own(
    first: date, last: date, expected: list[tuple[int, int, str]]
) -> None:
    """Every day is in exactly one period, which is cut at the ends of the range."""
    found = periods(first, last, By.TERM, (WINTER, SUMMER))
    assert [(one.first.day, one.last.day, one.name) for one in found] == expected


def test_adjacent_terms_have_nothing_between_them() -> None:
    """A term that follows at once leaves no period between."""
    terms = (WINTER, SUMMER._replace(first=date(2026, 4, 1)))
    names = [one.name for one in periods(date(2025, 10, 1), date(2026, 7, 31), By.TERM, terms)]
    assert names == ["Winter 2025/26", "Sommer ü"]
