"""Parses the query strings of the JSON API, strictly. Pure.

Unknown parameters are rejected, not ignored: ``?gruop=x`` would otherwise return the numbers of
the whole hub.
"""

from collections.abc import Collection
from datetime import date, timedelta

from multidict import MultiMapping

from services.stats.query.question import InvalidQuery, Question, Span

MOST_DAYS = 1100
"""Three years: the most days in one response."""

MOST_DETAILED_DAYS = 366
"""The most days in a response that is read from the raw records."""

MOST_POINTS = 2000
DEFAULT_POINTS = 500

RANGE = ("since", "until", "timezone")
WHO = ("group", "user")
PAGED = ("q", "sort", "page")


def check_names(query: MultiMapping[str], known: Collection[str]) -> None:
    """Raise InvalidQuery for parameters that are unknown or repeated."""
    problems = []
    for name in dict.fromkeys(query):
        if name == "_xsrf":
            continue  # for clients that cannot send it in a header
        if name not in known:
            choices = f"known: {', '.join(known)}" if known else "there are none"
            problems.append(f"{name[:60]!r} is not a parameter here; {choices}.")
        elif len(query.getall(name)) > 1:
            problems.append(f"{name}: give it only once.")
    if problems:
        raise InvalidQuery(problems)


def parse_points(query: MultiMapping[str]) -> int:
    """The number of points in time. Raises InvalidQuery."""
    text = query.get("points") or str(DEFAULT_POINTS)
    if text.isascii() and text.isdecimal() and len(text) < 7 and 2 <= int(text) <= MOST_POINTS:
        return int(text)
    raise InvalidQuery([f"points: write a number from 2 to {MOST_POINTS}."])


def bounded_days(
    question: Question, span: Span | None, *, detailed: bool = False
) -> tuple[date, date] | None:
    """First and last day with records, or None if there are none. Raises InvalidQuery.

    ``detailed``: only days whose raw records are still kept. Pruned days are not gaps.
    """
    if span is None:
        return None
    first, last = question.days(span)
    if detailed:
        first = max(first, span.timelines_from)
    most = MOST_DETAILED_DAYS if detailed else MOST_DAYS
    if (last - first).days >= most:
        raise InvalidQuery([f"since, until: the range is limited to {most} days."])
    return (first, last) if first <= last else None


def required_since(question: Question, query: MultiMapping[str], span: Span | None) -> date | None:
    """The day of ``since``, which is required; None before the first poll. Raises InvalidQuery."""
    if not query.get("since", "").strip():
        raise InvalidQuery(
            ["since: write a day such as 2026-03-01, or a number of days such as 14d."]
        )
    since = question.range.since
    if isinstance(since, timedelta):
        return span.last_day - since + timedelta(days=1) if span else None
    return since
