"""``report --dropped-off``: who worked before and has not for some days, or has not started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from common.errors import ConfigError
from services.stats.commands import report_formats as formats
from services.stats.commands.report_formats import Format
from services.stats.commands.tables.text_table import WIDTH, printable, table
from services.stats.query.access import Audience
from services.stats.query.cohort.addresses import AddressList
from services.stats.query.cohort.standing import (
    DEFAULT_DAYS,
    WORDS,
    Standing,
    StandingQuery,
    StandingRow,
    Standings,
    parse_days,
)
from services.stats.query.glance.units import duration
from services.stats.query.people import TableQuery
from services.stats.query.periods import HOUR
from services.stats.store.queries.dashboard import Queries

EMAILS = "emails"
"""The format that lists only the e-mail addresses of those who dropped off."""

TITLES = {
    "name": "user",
    "status": "status",
    "last_active": "last active",
    "last_present": "last present",
    "days_active": "days active",
    "active_hours": "work",
    "hours_per_week": "per week",
}
"""The headings of the table, by field."""


@dataclass(frozen=True)
class DroppedOffOptions:
    """What to list, from the command line."""

    days: int = DEFAULT_DAYS
    emails: bool = False
    template: str = ""
    """Of e-mail addresses."""
    wide: bool = False

    @classmethod
    def parse(
        cls, options: Mapping[str, str], problems: list[str], template: str = ""
    ) -> "DroppedOffOptions | None":
        """From ``dropped-off`` and ``format``; None if it was not given.

        Appends mistakes to ``problems``.
        """
        emails = options.get("format") == EMAILS
        if "dropped-off" not in options:
            if emails:
                problems.append("--format: emails needs --dropped-off=14d, for example.")
            return None
        problems += [
            f"--{name}: not with --dropped-off, which lists users."
            for name in ("since", "until", "by", "inactive-since")
            if name in options
        ]
        if options.get("format") == Format.HTML:
            problems.append("--format: html is a report by period; leave --dropped-off out.")
        days = parse_days("--dropped-off", options["dropped-off"], problems)
        return cls(days, emails, template, wide="wide" in options)


class _Row(NamedTuple):
    """A row of the list. Hours per week are those of the time in which the user was active."""

    name: str
    status: str
    last_active: date | None
    last_present: date | None
    days_active: int
    active_hours: float
    hours_per_week: float | None

    @classmethod
    def of(cls, row: StandingRow, found: Standings) -> "_Row":
        return cls(
            row.name,
            found.words(row),
            row.last_active,
            row.last_present,
            row.days_active,
            round(row.active_seconds / HOUR, 1),
            row.hours_per_week,
        )

    def cells(self) -> list[str]:
        """The row as a person reads it."""
        per_week = self.hours_per_week
        return [
            printable(self.name),
            self.status,
            str(self.last_active or "never"),
            str(self.last_present or "never"),
            str(self.days_active),
            duration(self.active_hours * HOUR / 60),
            "-" if per_week is None else duration(per_week * HOUR / 60),
        ]


async def dropped_off(
    queries: Queries, audience: Audience, options: DroppedOffOptions, form: Format
) -> str:
    """The list as text; names without an address are reported on standard error.

    :raises ConfigError: nobody has an e-mail address
    """
    found = await queries.standings(audience, options.days, datetime.now(UTC))
    query = TableQuery(sort=StandingQuery.DEFAULT_SORT, descending=True)
    if options.emails:
        rows = StandingQuery(query).select(found)
        return _emails(rows, found, options.template)
    # Those who dropped off first; in each part, who was active last.
    rows = [row for one in Standing for row in StandingQuery(query, standing=one).select(found)]
    shown = [_Row.of(row, found) for row in rows]
    if form is not Format.TABLE:
        return formats.rows_as(shown, list(TITLES), form)
    lines = [list(TITLES.values()), *(row.cells() for row in shown)]
    text, cut = table(lines, left=2, most=None if options.wide else WIDTH)
    note = "Long names are cut: --wide and --format=csv have them in full.\n" if cut else ""
    counts = "; ".join(f"{WORDS[one]}: {number:,}" for one, number in found.counts().items())
    return f"{text}{note}{counts}\n"


def _emails(rows: list[StandingRow], found: Standings, template: str) -> str:
    addresses = AddressList.of((row.name for row in rows), template)
    if addresses.without:
        names = ", ".join(name if name.isprintable() else repr(name) for name in addresses.without)
        hint = "" if template else "; set --email-domain to build addresses from names"
        problem = f"{addresses.report}: {names}{hint}"
        if not addresses.addresses:
            raise ConfigError([problem])
        print(f"{problem}.", file=sys.stderr)
    unknown = found.counts()[Standing.UNKNOWN]
    if unknown:
        print(f"It is not known whether these have dropped off: {found.doubt}.", file=sys.stderr)
    return addresses.text
