"""The policy as a TOML file: read whole, every mistake told at once, the last good one kept.

docs/policy.md is the reference. What a rule leaves out comes from the command line's flags.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import ConfigError
from services.cull.durations import parse_duration
from services.cull.policy import DEFAULT_RULE, Flags, Policy, default_rule
from services.cull.rules import Kind, Match, Rule, RuleAction
from services.cull.windows import ALL_DAYS, MIDNIGHT, Span, Weekly

_T = TypeVar("_T")

CONDITIONS = ("user", "group", "server", "kind", "admin", "profile", "hours", "between")
TIMES = ("idle_timeout", "max_age", "user_timeout", "user_max_age", "extend_by")
KEYS = ("name", *CONDITIONS, "action", *TIMES, "extensions_per_day")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Reload(StrEnum):
    """What became of a look at the file; a closed set, used as a metric label."""

    UNCHANGED = "unchanged"
    LOADED = "loaded"
    REFUSED = "refused"


def load_policy(text: str, flags: Flags) -> Policy:
    """The policy in a TOML text, ended by the rule that the flags make.

    :raises ConfigError: with every problem, each naming its rule and key
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"this is not TOML: {error}"]) from None
    problems = [
        f"{key}: unknown; the file has [[rule]] tables only{_meant(key, ('rule',))}"
        for key in document
        if key != "rule"
    ]
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError([*problems, "rule: write each rule as a table of its own: [[rule]]"])
    if not tables and not problems:
        problems.append("the file has no rule; begin one with [[rule]]")
    default = default_rule(flags)
    rules: list[Rule] = []
    for number, table in enumerate(tables, start=1):
        reader = _Reader(number, table, problems)
        rules.append(reader.rule(default))
    problems += _repeated(rules)
    if problems:
        raise ConfigError(problems)
    return Policy((*rules, default), flags)


def _repeated(rules: list[Rule]) -> list[str]:
    names = [rule.name for rule in rules]
    return [
        f'rule "{name}": the name stands {names.count(name)} times; each rule needs its own'
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def _meant(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, 1, 0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


@dataclass
class _Reader:
    """Reads one [[rule]] table; what is wrong goes to ``problems``, and reading goes on."""

    number: int
    table: Mapping[str, Any]
    problems: list[str]

    @property
    def where(self) -> str:
        name = self.table.get("name")
        return f'rule {self.number} ("{name}")' if isinstance(name, str) else f"rule {self.number}"

    def wrong(self, key: str, what: str) -> None:
        self.problems.append(f"{self.where}, {key}: {what}")

    def rule(self, default: Rule) -> Rule:
        for key in self.table:
            if key not in KEYS:
                known = ", ".join(KEYS)
                self.wrong(key, f"unknown{_meant(key, KEYS) or f'; the keys are {known}'}")
        name = self._name()
        action = self._choice("action", RuleAction, RuleAction.STOP)
        self._check_sense(action)
        match = self._match()
        rule = replace(default, name=name, match=match, action=action)
        times: dict[str, Any] = {key: self._duration(key) for key in TIMES if key in self.table}
        rule = replace(rule, **times)
        if "extensions_per_day" in self.table:
            rule = replace(rule, extensions_per_day=self._count("extensions_per_day"))
        return rule

    def _name(self) -> str:
        name = self.table.get("name")
        if not isinstance(name, str) or not name.strip():
            self.wrong("name", 'missing; give the rule a name, such as name = "exam"')
            return f"rule {self.number}"
        if name == DEFAULT_RULE:
            self.wrong("name", f'"{DEFAULT_RULE}" is the rule that the flags make; choose another')
        return name

    def _check_sense(self, action: RuleAction) -> None:
        """Refuse a rule that says nothing, or two things at once."""
        says = [key for key in ("action", *TIMES, "extensions_per_day") if key in self.table]
        if not says:
            self.wrong("action", "the rule says nothing; give an action or a time")
        if action is RuleAction.NEVER:
            for key in TIMES:
                if key in self.table:
                    self.wrong(key, 'has no meaning with action = "never"; take one of them out')

    def _match(self) -> Match:
        admin = self.table.get("admin")
        if admin is not None and not isinstance(admin, bool):
            self.wrong("admin", "write true or false")
            admin = None
        kind = self._choice("kind", Kind, None) if "kind" in self.table else None
        servers = self._globs("server")
        if kind is Kind.DEFAULT and servers:
            self.wrong("server", 'the default server has no name; take out kind = "default"')
        return Match(
            users=self._globs("user"),
            groups=self._globs("group"),
            servers=servers,
            kind=kind,
            admin=admin,
            profiles=self._globs("profile"),
            hours=tuple(self._tables("hours", self._weekly)),
            between=tuple(self._tables("between", self._span)),
        )

    def _choice(self, key: str, kind: Callable[[str], _T], default: _T) -> _T:
        value = self.table.get(key)
        if value is None:
            return default
        try:
            return kind(value)
        except (ValueError, TypeError):
            words = [member.value for member in kind]  # type: ignore[attr-defined]  # an enum
            self.wrong(
                key, f"{value!r} is none of {', '.join(words)}{_meant(str(value), (*words,))}"
            )
            return default

    def _globs(self, key: str) -> tuple[str, ...]:
        value = self.table.get(key, ())
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(
            isinstance(item, str) and item for item in values
        ):
            self.wrong(key, 'write a text or a list of texts, such as ["ana", "ta-*"]')
            return ()
        if key in self.table and not values:
            self.wrong(key, "the list is empty and would match nobody; take it out or fill it")
        return tuple(values)

    def _duration(self, key: str) -> float | None:
        value = self.table[key]
        if value == "never":
            return None
        try:
            return parse_duration(value)
        except ValueError as error:
            self.wrong(key, f'{value!r}: {error}, or "never"')
            return None

    def _count(self, key: str) -> int:
        value = self.table[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
            self.wrong(key, f"{value!r}: write a whole number from 0 to 1000")
            return 0
        return value

    def _tables(self, key: str, read: Callable[[str, Mapping[str, Any]], _T | None]) -> list[_T]:
        value = self.table.get(key, [])
        entries = [value] if isinstance(value, dict) else value
        if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
            self.wrong(key, "write a table {...} or a list of them")
            return []
        if key in self.table and not entries:
            self.wrong(key, "the list is empty and would never hold; take it out or fill it")
        found = [read(key, entry) for entry in entries]
        return [entry for entry in found if entry is not None]

    def _unknown(self, key: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for word in entry:
            if word not in known:
                hint = _meant(word, known) or f"; the keys are {', '.join(known)}"
                self.wrong(f"{key}.{word}", f"unknown{hint}")

    def _weekly(self, key: str, entry: Mapping[str, Any]) -> Weekly | None:
        self._unknown(key, entry, ("days", "from", "to", "timezone"))
        days = self._days(key, entry.get("days"))
        start = self._clock(f"{key}.from", entry.get("from", MIDNIGHT))
        end = self._clock(f"{key}.to", entry.get("to", MIDNIGHT))
        zone = self._zone(key, entry.get("timezone"))
        if days is None or start is None or end is None or zone is None:
            return None
        return Weekly(zone, days, start, end)

    def _zone(self, key: str, name: object) -> ZoneInfo | None:
        where = f"{key}.timezone"
        if not isinstance(name, str):
            self.wrong(where, 'missing; write one such as "Europe/Zurich" or "UTC"')
            return None
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.wrong(where, f'"{name}" is no time zone known here; write one such as "UTC"')
            return None

    def _clock(self, where: str, value: object) -> time | None:
        if isinstance(value, time) and value.tzinfo is None:
            return value
        if isinstance(value, str):
            text = value.strip()
            if text == "24:00":
                return MIDNIGHT
            try:
                return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a wall clock
            except ValueError:
                pass
        self.wrong(where, f'{value!r} is no time of day; write one such as "08:30"')
        return None

    def _days(self, key: str, value: object) -> frozenset[int] | None:
        if value is None:
            return ALL_DAYS
        words = [value] if isinstance(value, str) else value
        days: set[int] = set()
        if not isinstance(words, list) or not words:
            words = [value]
        for word in words:
            first, dash, last = str(word).lower().partition("-")
            if first[:3] not in DAYS or (dash and last[:3] not in DAYS):
                hint = 'write days such as ["mon", "tue"] or "mon-fri"'
                self.wrong(f"{key}.days", f"{word!r} is no weekday; {hint}")
                return None
            begin = DAYS.index(first[:3])
            length = (DAYS.index(last[:3]) - begin) % 7 if dash else 0
            days |= {(begin + step) % 7 for step in range(length + 1)}
        return frozenset(days)

    def _span(self, key: str, entry: Mapping[str, Any]) -> Span | None:
        self._unknown(key, entry, ("from", "to"))
        start = self._moment(f"{key}.from", entry.get("from"))
        end = self._moment(f"{key}.to", entry.get("to"))
        if start is None or end is None:
            return None
        if end <= start:
            self.wrong(key, "ends before it begins")
            return None
        return Span(start, end)

    def _moment(self, where: str, value: object) -> datetime | None:
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        hint = "write date, time and offset without quotes, such as 2026-06-01T08:00:00+02:00"
        self.wrong(where, f"missing; {hint}" if value is None else f"{value} is not clear; {hint}")
        return None


class PolicyFile:
    """A policy file that is looked at again and again.

    ``policy`` is the last good one. ``problems`` are those of the newest text, empty when
    it is the one in force.
    """

    def __init__(self, path: Path, flags: Flags) -> None:
        """Read the file. :raises ConfigError: it cannot be read or used"""
        self.path = path
        self.flags = flags
        self.problems: tuple[str, ...] = ()
        self._seen: str | None = self._read()
        self.policy = load_policy(self._seen, flags)

    def reload_if_changed(self) -> Reload:
        """Look at the file; a bad one is refused, once, and the last good policy stays."""
        seen, self._seen = self._seen, None  # None until it was read
        try:
            self._seen = self._read()
            if self._seen == seen:
                return Reload.UNCHANGED
            self.policy = load_policy(self._seen, self.flags)
        except ConfigError as error:
            unheard = error.problems != self.problems
            self.problems = error.problems
            return Reload.REFUSED if unheard else Reload.UNCHANGED
        self.problems = ()
        return Reload.LOADED

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError([f"the policy file {self.path} cannot be read: {reason}"]) from None
