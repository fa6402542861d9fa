"""A question: days, users, granularity and time zone, parsed from text. Pure.

Command-line options and the query strings of pages and API are parsed here. Every invalid value
is reported, not just the first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from unicodedata import category
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import ServiceError
from services.stats.days import By

DEFAULT_DAYS = 30
"""The length of the range if ``since`` is not given."""

LONGEST_NAME = 255
"""Most characters in the name of a user, group or time zone; the Hub's names are no longer."""

_UNUSABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that no name has: control characters, surrogates and line separators."""

EARLIEST, LATEST = date(1970, 1, 2), date(9998, 12, 31)
"""Days outside this range are rejected: nothing is recorded there and date arithmetic fails."""


class InvalidQuery(ServiceError):
    """The question cannot be answered. ``problems`` lists everything wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Span(NamedTuple):
    """The time for which there are records."""

    first_day: date
    last_day: date
    last_poll: datetime
    timelines_from: date
    """Earlier days have daily totals only: no timelines, no exact times."""


@dataclass(frozen=True)
class Range:
    """The requested days; None where nothing was requested."""

    since: date | timedelta | None = None
    """The first day, or the number of days up to the last one."""
    until: date | None = None

    @classmethod
    def parse(
        cls, options: Mapping[str, str], problems: list[str], *, dashes: str = "--"
    ) -> "Range":
        """``since`` as a day or a number of days back (``90d``), ``until`` as a day.

        Appends mistakes to ``problems``. ``dashes`` is what precedes an option's name in them.
        """
        since: date | timedelta | None = None
        text = options.get("since", "").strip()
        option = dashes + "since"
        if match := re.fullmatch(r"(\d{1,5})d", text, re.ASCII):
            since = timedelta(days=int(match[1]))
        elif text:
            since = parse_day(option, text, problems, hint="2026-03-01, or 90d for 90 days")
        until = options.get("until", "").strip()
        last = parse_day(dashes + "until", until, problems) if until else None
        if isinstance(since, date) and last and since > last and not problems:
            problems.append(f"{option}: {since} is after {dashes}until, {last}; swap them.")
        return cls(since, last)

    def days(self, today: date) -> tuple[date, date]:
        """First and last day, both included."""
        last = self.until or today
        if isinstance(self.since, timedelta):
            return last - self.since + timedelta(days=1), last
        return self.since or last - timedelta(days=DEFAULT_DAYS - 1), last


@dataclass(frozen=True)
class Question:
    """What a query string asks for. Parameters that were not given are empty or None."""

    range: Range = Range()
    group: str = ""
    user: str = ""
    by: By = By.DAY
    zone: ZoneInfo | None = None
    """The time zone for times of day. Days always begin at the recorder's midnight."""
    excluded: bool = False
    """Whether a list of users also has those who are not counted."""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Question":
        """From ``since``, ``until``, ``group``, ``user``, ``by``, ``timezone`` and ``excluded``.

        Other parameters are ignored. Raises InvalidQuery.
        """
        problems: list[str] = []
        question = cls(
            range=Range.parse(query, problems, dashes=""),
            group=parse_name("group", query.get("group", ""), problems),
            user=parse_name("user", query.get("user", ""), problems),
            by=By(one_of("by", query.get("by") or By.DAY, list(By), problems)),
            zone=parse_zone("timezone", query.get("timezone", "").strip(), problems),
            excluded=one_of("excluded", query.get("excluded") or "0", ("0", "1"), problems) == "1",
        )
        if problems:
            raise InvalidQuery(problems)
        return question

    def days(self, span: Span) -> tuple[date, date]:
        """First and last day with records. There are none if first is after last."""
        first, last = self.range.days(span.last_day)
        return max(first, span.first_day), min(last, span.last_day)


def parse_day(option: str, text: str, problems: list[str], *, hint: str = "2026-03-01") -> date:
    """A day. Appends a mistake to ``problems``."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        problems.append(f"{option}: {_quoted(text)} is not a date; write {hint}.")
        return LATEST
    if not EARLIEST <= day <= LATEST:
        problems.append(f"{option}: {day} is out of range; write {hint}.")
    return day


def one_of(option: str, text: str, choices: Sequence[str], problems: list[str]) -> str:
    """One of the choices. Appends a mistake to ``problems``."""
    if text not in choices:
        problems.append(f"{option}: {_quoted(text)} is not one of {', '.join(choices)}.")
        return choices[0]
    return text


def parse_name(option: str, text: str, problems: list[str]) -> str:
    """The name of a user or group: any text in one line. Appends a mistake to ``problems``.

    The Hub accepts invisible characters in names, such as U+202E, which reverses text. The page
    of such a user has an address like any other.
    """
    if len(text) > LONGEST_NAME or any(category(char) in _UNUSABLE for char in text):
        problems.append(f"{option}: {_quoted(text)} is not a valid {option} name.")
        return ""
    return text


def parse_zone(option: str, text: str, problems: list[str]) -> ZoneInfo | None:
    """An IANA time zone, or None for "". Appends a mistake to ``problems``."""
    if not text:
        return None
    try:
        if len(text) <= LONGEST_NAME:
            return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    problems.append(
        f"{option}: {_quoted(text)} is not a time zone; write a name such as Europe/Berlin."
    )
    return None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
