"""Reads the query strings of the JSON API, strictly: what is misspelt is told. Pure.

A parameter that is not understood must not be passed over: of ``?gruop=x`` the answer would be
about the whole hub.
"""

from collections.abc import Collection
from datetime import date, timedelta

from multidict import MultiMapping

from services.stats.query.answers import Span
from services.stats.query.periods import Asked, BadQuery

MOST_DAYS = 1100
"""Three years: more days are not answered at once."""

MOST_RAW_DAYS = 366
"""What is read out of the raw records is bounded to a year."""

MOST_POINTS = 2000
USUAL_POINTS = 500

RANGE = ("since", "until", "timezone")
WHO = ("group", "user")
PAGED = ("q", "sort", "page")


def check_names(query: MultiMapping[str], known: Collection[str]) -> None:
    """Raise BadQuery for parameters that are unknown or stand there twice."""
    problems = []
    for name in dict.fromkeys(query):
        if name == "_xsrf":
            continue  # who has no header to send it in may send it so
        if name not in known:
            choices = f"there are: {', '.join(known)}" if known else "there are none"
            problems.append(f"{name[:60]!r} is no parameter of this; {choices}.")
        elif len(query.getall(name)) > 1:
            problems.append(f"{name}: write it once.")
    if problems:
        raise BadQuery(problems)


def parse_points(query: MultiMapping[str]) -> int:
    """How many moments. Raises BadQuery."""
    said = query.get("points") or str(USUAL_POINTS)
    if said.isascii() and said.isdecimal() and len(said) < 7 and 2 <= int(said) <= MOST_POINTS:
        return int(said)
    raise BadQuery([f"points: write a number from 2 to {MOST_POINTS}."])


def bounded_days(asked: Asked, span: Span | None, *, raw: bool = False) -> tuple[date, date] | None:
    """First and last day of which there is a record; None if there is none. Raises BadQuery.

    raw: of which there is a raw record. What was pruned is no gap.
    """
    if span is None:
        return None
    first, last = asked.days(span)
    if raw:
        first = max(first, span.raw_from)
    most = MOST_RAW_DAYS if raw else MOST_DAYS
    if (last - first).days >= most:
        raise BadQuery([f"since, until: ask for at most {most} days at once."])
    return (first, last) if first <= last else None


def since_day(asked: Asked, query: MultiMapping[str], span: Span | None) -> date | None:
    """The day of ``since``, which must be there; None before the first poll. Raises BadQuery."""
    if not query.get("since", "").strip():
        raise BadQuery(["since: write a day, as 2026-03-01, or how far back, as 14d."])
    since = asked.range.since
    if isinstance(since, timedelta):
        return span.last_day - since + timedelta(days=1) if span else None
    return since
