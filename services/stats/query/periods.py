"""Reads which days, whom and by what is asked, and names everything wrong with it. Pure.

For the command line's options and for the query strings of pages and API alike.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import ServiceError
from services.stats.days import By
from services.stats.query.answers import Span

USUAL_DAYS = 30
"""How far back it goes if that is not said."""

LONGEST_NAME = 255
"""Characters of a user's, group's or zone's name; the Hub's names are no longer."""

EARLIEST, LATEST = date(1970, 1, 2), date(9998, 12, 31)
"""Days outside are refused: there are no records of them, and arithmetic on them would fail."""


class BadQuery(ServiceError):
    """A question that cannot be answered as it was put: every problem of it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Range:
    """Which days are asked for, as given; None where nothing was."""

    since: date | timedelta | None = None
    until: date | None = None

    @classmethod
    def parse(
        cls, options: Mapping[str, str], problems: list[str], *, dashes: str = "--"
    ) -> "Range":
        """``since`` as a day or as so many days back (``90d``), ``until`` as a day.

        Mistakes are added to the problems. dashes: what stands before an option's name there.
        """
        since: date | timedelta | None = None
        said = options.get("since", "").strip()
        option = dashes + "since"
        if match := re.fullmatch(r"(\d{1,5})d", said, re.ASCII):
            since = timedelta(days=int(match[1]))
        elif said:
            since = parse_day(option, said, problems, hint="2026-03-01, or 90d for 90 days")
        until = options.get("until", "").strip()
        last = parse_day(dashes + "until", until, problems) if until else None
        if isinstance(since, date) and last and since > last and not problems:
            problems.append(f"{option}: {since} is after {dashes}until, {last}; exchange them.")
        return cls(since, last)

    def days(self, today: date) -> tuple[date, date]:
        """First and last day, both included."""
        last = self.until or today
        if isinstance(self.since, timedelta):
            return last - self.since + timedelta(days=1), last
        return self.since or last - timedelta(days=USUAL_DAYS - 1), last


@dataclass(frozen=True)
class Asked:
    """What a query string asks for. Empty or None is what was not said."""

    range: Range = Range()
    group: str = ""
    user: str = ""
    by: By = By.DAY
    zone: ZoneInfo | None = None
    """In which time zone moments are to be told; days are the recorder's all the same."""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Asked":
        """From ``since``, ``until``, ``group``, ``user``, ``by`` and ``timezone``.

        Raises BadQuery. What else stands in the query is not looked at.
        """
        problems: list[str] = []
        asked = cls(
            range=Range.parse(query, problems, dashes=""),
            group=parse_name("group", query.get("group", ""), problems),
            user=parse_name("user", query.get("user", ""), problems),
            by=By(one_of("by", query.get("by") or By.DAY, list(By), problems)),
            zone=parse_zone("timezone", query.get("timezone", "").strip(), problems),
        )
        if problems:
            raise BadQuery(problems)
        return asked

    def days(self, span: Span) -> tuple[date, date]:
        """First and last day, as far as there are records; no day if first is after last."""
        first, last = self.range.days(span.last_day)
        return max(first, span.first_day), min(last, span.last_day)


def parse_day(option: str, said: str, problems: list[str], *, hint: str = "2026-03-01") -> date:
    """A day; a mistake is added to the problems."""
    try:
        day = date.fromisoformat(said)
    except ValueError:
        problems.append(f"{option}: {_shown(said)} is no day; write {hint}.")
        return LATEST
    if not EARLIEST <= day <= LATEST:
        problems.append(f"{option}: {day} is too far away; write {hint}.")
    return day


def one_of(option: str, said: str, choices: Sequence[str], problems: list[str]) -> str:
    """One of the choices; a mistake is added to the problems."""
    if said not in choices:
        problems.append(f"{option}: {_shown(said)} is not one of {', '.join(choices)}.")
        return choices[0]
    return said


def parse_name(option: str, said: str, problems: list[str]) -> str:
    """A user's or group's name, which may hold nearly anything; a mistake is added."""
    if len(said) > LONGEST_NAME or not said.isprintable():
        problems.append(f"{option}: {_shown(said)} is no name of a {option}.")
        return ""
    return said


def parse_zone(option: str, said: str, problems: list[str]) -> ZoneInfo | None:
    """A time zone by its name in the IANA database, None for ""; a mistake is added."""
    if not said:
        return None
    try:
        if len(said) <= LONGEST_NAME:
            return ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    problems.append(f"{option}: {_shown(said)} is no time zone; write one such as Europe/Berlin.")
    return None


def _shown(said: str) -> str:
    return repr(said if len(said) <= 60 else said[:60] + "…")
