"""Parses the policy file, a TOML text, and reports all mistakes at once. Pure.

docs/policy.md is the reference. Defaults for a rule come from the command line's flags.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from common.config.settings_file import read_tables
from common.config.suggestions import did_you_mean
from common.durations import parse_duration
from common.errors import ConfigError
from services.cull.policy.model import DEFAULT_RULE, Flags, Policy, default_rule
from services.cull.policy.rules import Kind, Match, Rule, RuleAction
from services.cull.policy.windows import Wrong, read_span, read_weekly

_T = TypeVar("_T")

CONDITIONS = ("user", "group", "server", "kind", "admin", "profile", "hours", "between")
SERVER_CONDITIONS = ("server", "kind", "profile")
TIMES = ("idle_timeout", "max_age", "user_timeout", "user_max_age", "extend_by")
KEYS = ("name", *CONDITIONS, "action", *TIMES, "extensions_per_day")


def load_policy(text: str, flags: Flags) -> Policy:
    """The policy in a TOML text, followed by the default rule from the flags.

    :raises ConfigError: with all mistakes, each naming its rule and key
    """
    tables, problems = read_tables(text, "rule")
    if not tables and not problems:
        problems.append("the file has no rules; start one with [[rule]]")
    default = default_rule(flags)
    rules: list[Rule] = []
    for number, table in enumerate(tables, start=1):
        reader = _Reader(number, table, problems)
        rules.append(reader.rule(default))
    problems += _duplicates(rules)
    if problems:
        raise ConfigError(problems)
    return Policy((*rules, default), flags)


def _duplicates(rules: list[Rule]) -> list[str]:
    names = [rule.name for rule in rules]
    return [
        f'rule "{name}": duplicate name ({names.count(name)} rules); each rule needs its own name'
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


@dataclass
class _Reader:
    """Reads one [[rule]] table; adds mistakes to ``problems`` and continues."""

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
                self.wrong(key, f"unknown key{did_you_mean(key, KEYS) or f'; valid keys: {known}'}")
        name = self._name()
        action = self._choice("action", RuleAction, default.action)
        self._check_consistency(action)
        rule = replace(default, name=name, match=self._match(), action=action)
        times: dict[str, Any] = {key: self._duration(key) for key in TIMES if key in self.table}
        # By default a user is not deleted sooner than the rule would stop their server.
        for key, user_key in (("idle_timeout", "user_timeout"), ("max_age", "user_max_age")):
            if key in times:
                times.setdefault(user_key, _longer(times[key], getattr(default, user_key)))
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
            self.wrong(
                "name",
                f'"{DEFAULT_RULE}" is reserved for the rule from the flags; choose another name',
            )
        return name

    def _check_consistency(self, action: RuleAction) -> None:
        """Refuse a rule that has no effect or contradicts itself."""
        effects = [key for key in ("action", *TIMES, "extensions_per_day") if key in self.table]
        if not effects:
            self.wrong("action", "the rule has no effect; set an action or a time")
        if action is RuleAction.NEVER:
            for key in (*TIMES, "extensions_per_day"):
                if key in self.table:
                    self.wrong(key, 'has no effect with action = "never"; remove one of them')
        if self.table.get("kind") == "default" and self.table.get("action") == "remove":
            self.wrong("action", 'only named servers can be removed; write action = "stop"')
        if self.table.get("extend_by") == "never" and self.table.get("extensions_per_day"):
            self.wrong("extensions_per_day", 'has no effect with extend_by = "never"')
        for key in ("user_timeout", "user_max_age"):
            conditions = [condition for condition in SERVER_CONDITIONS if condition in self.table]
            if key in self.table and conditions:
                listed = ", ".join(conditions)
                what = f"a rule with conditions for servers ({listed}) does not apply to users"
                self.wrong(key, f"{what}; set it in a separate rule")

    def _match(self) -> Match:
        admin = self.table.get("admin")
        if admin is not None and not isinstance(admin, bool):
            self.wrong("admin", "write true or false")
            admin = None
        kind = self._choice("kind", Kind, None) if "kind" in self.table else None
        servers = self._globs("server")
        if kind is Kind.DEFAULT and servers:
            self.wrong("server", 'the default server has no name; remove kind = "default"')
        return Match(
            users=self._globs("user"),
            groups=self._globs("group"),
            servers=servers,
            kind=kind,
            admin=admin,
            profiles=self._globs("profile"),
            hours=tuple(self._tables("hours", read_weekly)),
            between=tuple(self._tables("between", read_span)),
        )

    def _choice(self, key: str, kind: Callable[[str], _T], default: _T) -> _T:
        value = self.table.get(key)
        if value is None:
            return default
        try:
            return kind(value)
        except (ValueError, TypeError):
            words = [member.value for member in kind]  # type: ignore[attr-defined]  # an enum
            hint = did_you_mean(str(value), words)
            self.wrong(key, f"invalid value {value!r}; write one of {', '.join(words)}{hint}")
            return default

    def _globs(self, key: str) -> tuple[str, ...]:
        value = self.table.get(key, ())
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(
            isinstance(item, str) and item for item in values
        ):
            self.wrong(key, 'write a string or a list of strings, such as ["ana", "ta-*"]')
            return ()
        if key in self.table and not values:
            self.wrong(key, "the list is empty and would match nothing; remove it or add values")
        return tuple(values)

    def _duration(self, key: str) -> float | None:
        value = self.table[key]
        if value == "never":
            return None
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.wrong(key, f'{value!r}: {error}, or "never"')
            return None
        if not seconds:
            # --max-age=0 means none; here it could also mean "at once".
            self.wrong(key, f'{value!r} is ambiguous; write "never" or a longer time')
        return seconds

    def _count(self, key: str) -> int:
        value = self.table[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
            self.wrong(key, f"{value!r}: write an integer from 0 to 1000")
            return 0
        return value

    def _tables(
        self, key: str, read: Callable[[str, Mapping[str, Any], Wrong], _T | None]
    ) -> list[_T]:
        value = self.table.get(key, [])
        entries = [value] if isinstance(value, dict) else value
        if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
            self.wrong(key, "write a table {...} or a list of tables")
            return []
        if key in self.table and not entries:
            self.wrong(key, "the list is empty and would never match; remove it or add values")
        found = [read(key, entry, self.wrong) for entry in entries]
        return [entry for entry in found if entry is not None]


def _longer(one: float | None, other: float | None) -> float | None:
    """The longer of two durations; None is infinite."""
    return None if one is None or other is None else max(one, other)
