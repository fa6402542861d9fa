"""The terms of a hub, such as semesters: a TOML file, and their form in the database. Pure.

The file lists them in any order::

    [[term]]
    name = "Winter 2025/26"
    from = 2025-10-01
    until = 2026-03-31
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from unicodedata import category

from common.config.settings_file import read_tables
from common.config.suggestions import did_you_mean
from common.errors import ConfigError
from services.stats.days import BETWEEN_TERMS, Period

KEYS = ("name", "from", "until")
LONGEST_NAME = 60
EARLIEST, LATEST = date(1970, 1, 2), date(9998, 12, 31)

Terms = tuple[Period, ...]
"""By day; they do not overlap, and each has a name."""


def load_terms(text: str) -> Terms:
    """The terms in a TOML text, by day.

    :raises ConfigError: with all mistakes, each naming its term
    """
    tables, problems = read_tables(text, "term")
    if not tables and not problems:
        problems.append("the file has no terms; start one with [[term]]")
    readers = [_Reader(number, table, problems) for number, table in enumerate(tables, start=1)]
    read = [(reader, reader.term()) for reader in readers]
    names = [reader.name for reader in readers if reader.name]
    problems += [
        f'term "{name}": duplicate name ({names.count(name)} terms)'
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    valid = sorted(
        ((reader, term) for reader, term in read if term is not None), key=lambda one: one[1]
    )
    for (earlier, before), (later, after) in pairwise(valid):
        if after.first <= before.last:
            later.wrong(
                "from",
                f"{after.first} is not after the last day of {earlier.where}, {before.last};"
                " terms must not overlap",
            )
    if problems:
        raise ConfigError(problems)
    return tuple(term for _, term in valid)


def terms_as_text(terms: Sequence[Period]) -> str:
    """The terms as the database keeps them."""
    rows = [[term.name, term.first.isoformat(), term.last.isoformat()] for term in terms]
    return json.dumps(rows, ensure_ascii=False)


def terms_of(text: str) -> Terms:
    """The terms that the database keeps; none if it has no such entry."""
    rows = json.loads(text or "[]")
    return tuple(
        Period(date.fromisoformat(first), date.fromisoformat(last), name)
        for name, first, last in rows
    )


@dataclass
class _Reader:
    """Reads one [[term]] table; adds mistakes to ``problems`` and continues."""

    number: int
    table: Mapping[str, Any]
    problems: list[str]

    @property
    def name(self) -> str:
        name = self.table.get("name")
        return name.strip() if isinstance(name, str) else ""

    @property
    def where(self) -> str:
        return f'term {self.number} ("{self.name}")' if self.name else f"term {self.number}"

    def wrong(self, key: str, what: str) -> None:
        self.problems.append(f"{self.where}, {key}: {what}")

    def term(self) -> Period | None:
        """The term; None if its days are invalid."""
        for key in self.table:
            if key not in KEYS:
                hint = did_you_mean(key, KEYS) or f"; valid keys: {', '.join(KEYS)}"
                self.wrong(key, f"unknown key{hint}")
        if not self.name:
            self.wrong("name", 'missing; give the term a name, such as name = "Winter 2025/26"')
        elif len(self.name) > LONGEST_NAME or any(
            category(c)[0] in "CZ" and c != " " for c in self.name
        ):
            self.wrong("name", f"write at most {LONGEST_NAME} printable characters")
        elif self.name == BETWEEN_TERMS:
            self.wrong("name", f'"{BETWEEN_TERMS}" is reserved for the other days')
        first, last = self._day("from", "2025-10-01"), self._day("until", "2026-03-31")
        if first is None or last is None:
            return None
        if last < first:
            self.wrong("until", f"{last} is before the first day, {first}; swap them")
            return None
        return Period(first, last, self.name)

    def _day(self, key: str, example: str) -> date | None:
        value = self.table.get(key)
        if value is None:
            self.wrong(key, f"missing; write {key} = {example}")
        elif isinstance(value, datetime) or not isinstance(value, date):
            self.wrong(key, f"write a day, without quotes: {key} = {example}")
        elif not EARLIEST <= value <= LATEST:
            self.wrong(key, f"{value} is out of range; write {key} = {example}")
        else:
            return value
        return None
