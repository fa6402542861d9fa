"""The JSON API: query strings."""

from datetime import UTC, date, datetime

import pytest
from multidict import MultiDict

from services.stats.query.question import InvalidQuery, Question, Span
from services.stats.store.store import Store
from services.stats.web.api.parameters import (
    MOST_DETAILED_DAYS,
    bounded_days,
    check_names,
    parse_points,
    required_since,
)
from tests.stats.course import ALL
from tests.stats.web.api.client import ask
from tests.stats.web.site import StatsSite


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("summary?since=soon", "since"),
        ("summary?until=2026-02-30", "until"),
        ("summary?since=2026-03-05&until=2026-03-01", "since"),
        ("summary?by=decade", "by"),
        ("summary?timezone=Mars", "timezone"),
        ("summary?timezone=../../etc/passwd", "timezone"),
        ("summary?gruop=nbgrader-x", "'gruop'"),
        ("summary?group=a&group=b", "group"),
        ("summary?group=a%00b", "group"),
        ("summary?user=" + "a" * 300, "user"),
        ("people?sort=x", "sort"),
        ("people?page=0", "page"),
        ("people?page=-1", "page"),
        ("people?q=" + "a" * 300, "q"),
        ("concurrency?points=1", "points"),
        ("concurrency?points=9999999", "points"),
        ("concurrency?points=x", "points"),
        ("concurrency?points=%D9%A3", "points"),
        ("inactive?since=", "since"),
        ("gaps?group=nbgrader-x", "'group'"),
        ("about?x=1", "'x'"),
    ],
)
async def test_invalid_query_is_explained(site: StatsSite, path: str, problem: str) -> None:
    """400, with a line that names the parameter and says what to write."""
    status, body = await ask(site, "root", path)
    assert status == 400
    assert set(body) == {"status", "message", "problems"}
    assert body["problems"][0].startswith(problem)
    assert len(body["message"]) < 500


async def test_all_problems_are_reported_at_once(site: StatsSite) -> None:
    """Three invalid parameters give three problems."""
    _, body = await ask(site, "root", "summary?since=soon&by=decade&timezone=Mars")
    assert len(body["problems"]) == 3


async def test_range_is_limited(site: StatsSite, store: Store) -> None:
    """A response covers at most three years, or one year of raw records."""
    async with store.writing() as connection:
        await store.write_meta(connection, first_day="2020-01-01")
    status, body = await ask(site, "root", "days?since=2020-01-01")
    assert (status, body["problems"]) == (
        400,
        ["since, until: the range is limited to 1100 days."],
    )
    assert (await ask(site, "root", "days?since=1100d"))[0] == 200
    for path in ("gaps", "concurrency", "timeline"):
        assert (await ask(site, "root", f"{path}?since=400d"))[0] == 400
    _, moments = await ask(site, "root", f"concurrency?{ALL}&points=2000")
    assert len(moments["moments"]) <= 2001


SPAN = Span(
    date(2026, 1, 1), date(2026, 6, 30), datetime(2026, 6, 30, 12, tzinfo=UTC), date(2026, 5, 1)
)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ([("gruop", "x")], "'gruop' is not a parameter here; known: group, user."),
        ([("group", "x"), ("group", "y")], "group: give it only once."),
    ],
)
def test_unknown_and_repeated_parameters(query: list[tuple[str, str]], problem: str) -> None:
    """A misspelt parameter is reported with the known ones, never ignored."""
    with pytest.raises(InvalidQuery) as caught:
        check_names(MultiDict(query), ("group", "user"))
    assert caught.value.problems == (problem,)


def test_xsrf_token_may_be_a_parameter() -> None:
    """Clients that cannot send the token in a header may send it in the address."""
    check_names(MultiDict([("_xsrf", "token")]), ())


@pytest.mark.parametrize(("text", "points"), [("", 500), ("2", 2), ("2000", 2000)])
def test_points(text: str, points: int) -> None:
    """The number of points has a default and bounds."""
    assert parse_points(MultiDict(points=text)) == points


@pytest.mark.parametrize(
    ("since", "detailed", "first"),
    [
        ("2025-01-01", False, date(2026, 1, 1)),
        ("2025-01-01", True, date(2026, 5, 1)),
        ("7d", True, date(2026, 6, 24)),
    ],
)
def test_days_with_records(since: str, detailed: bool, first: date) -> None:
    """Days without records, or without raw records, are left out."""
    question = Question.parse({"since": since})
    assert bounded_days(question, SPAN, detailed=detailed) == (first, SPAN.last_day)


def test_no_days_with_records() -> None:
    """Before the first poll, and outside the records, there are no days."""
    assert bounded_days(Question.parse({}), None) is None
    assert bounded_days(Question.parse({"until": "2025-01-01"}), SPAN) is None


def test_raw_records_of_a_year_at_most() -> None:
    """Raw records of more than a year are too many for one response."""
    span = SPAN._replace(first_day=date(2020, 1, 1), timelines_from=date(2020, 1, 1))
    with pytest.raises(InvalidQuery, match=f"limited to {MOST_DETAILED_DAYS} days"):
        bounded_days(Question.parse({"since": "2025-01-01"}), span, detailed=True)
    assert bounded_days(Question.parse({"since": "2025-01-01"}), span) is not None


@pytest.mark.parametrize(
    ("since", "span", "day"),
    [
        ("2026-03-01", SPAN, date(2026, 3, 1)),
        ("14d", SPAN, date(2026, 6, 17)),
        ("14d", None, None),
    ],
)
def test_required_since(since: str, span: Span | None, day: date | None) -> None:
    """A number of days counts back from the last day with records."""
    assert required_since(Question.parse({"since": since}), MultiDict(since=since), span) == day


def test_missing_since() -> None:
    """Without ``since`` there is no list of inactive users."""
    with pytest.raises(InvalidQuery, match="since: write a day"):
        required_since(Question.parse({}), MultiDict(), SPAN)
