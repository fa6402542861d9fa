"""The policy as a TOML file: read whole, every mistake told at once, the last good one kept.

docs/policy.md is the reference. What a rule leaves out comes from the command line's flags.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from common.config.settings_file import did_you_mean, read_tables
from common.durations import parse_duration
from common.errors import ConfigError
from services.cull.policy.file_windows import Wrong, read_span, read_weekly
from services.cull.policy.model import DEFAULT_RULE, Flags, Policy, default_rule
from services.cull.policy.rules import Kind, Match, Rule, RuleAction

_T = TypeVar("_T")

CONDITIONS = ("user", "group", "server", "kind", "admin", "profile", "hours", "between")
FOR_SERVERS = ("server", "kind", "profile")
TIMES = ("idle_timeout", "max_age", "user_timeout", "user_max_age", "extend_by")
KEYS = ("name", *CONDITIONS, "action", *TIMES, "extensions_per_day")


def load_policy(text: str, flags: Flags) -> Policy:
    """The policy in a TOML text, ended by the rule that the flags make.

    :raises ConfigError: with every problem, each naming its rule and key
    """
    tables, problems = read_tables(text, "rule")
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
                self.wrong(key, f"unknown{did_you_mean(key, KEYS) or f'; the keys are {known}'}")
        name = self._name()
        action = self._choice("action", RuleAction, default.action)
        self._check_sense(action)
        rule = replace(default, name=name, match=self._match(), action=action)
        times: dict[str, Any] = {key: self._duration(key) for key in TIMES if key in self.table}
        # Nobody is deleted sooner than the rule would stop their server.
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
            self.wrong("name", f'"{DEFAULT_RULE}" is the rule that the flags make; choose another')
        return name

    def _check_sense(self, action: RuleAction) -> None:
        """Refuse a rule that says nothing, or two things at once."""
        says = [key for key in ("action", *TIMES, "extensions_per_day") if key in self.table]
        if not says:
            self.wrong("action", "the rule says nothing; give an action or a time")
        if action is RuleAction.NEVER:
            for key in (*TIMES, "extensions_per_day"):
                if key in self.table:
                    self.wrong(key, 'has no meaning with action = "never"; take one of them out')
        if self.table.get("kind") == "default" and self.table.get("action") == "remove":
            self.wrong("action", 'only named servers can be removed; write action = "stop"')
        if self.table.get("extend_by") == "never" and self.table.get("extensions_per_day"):
            self.wrong("extensions_per_day", 'has no meaning with extend_by = "never"')
        for key in ("user_timeout", "user_max_age"):
            asked = [condition for condition in FOR_SERVERS if condition in self.table]
            if key in self.table and asked:
                what = f"no rule that asks for a server ({', '.join(asked)}) holds for users"
                self.wrong(key, f"{what}; give it in a rule of its own")

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
            self.wrong(
                key, f"{value!r} is none of {', '.join(words)}{did_you_mean(str(value), (*words,))}"
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
            seconds = parse_duration(value)
        except ValueError as error:
            self.wrong(key, f'{value!r}: {error}, or "never"')
            return None
        if not seconds:
            # --max-age=0 means none; here it could be taken for "at once" as well.
            self.wrong(key, f'{value!r} could mean at once or not at all; write "never" or more')
        return seconds

    def _count(self, key: str) -> int:
        value = self.table[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
            self.wrong(key, f"{value!r}: write a whole number from 0 to 1000")
            return 0
        return value

    def _tables(
        self, key: str, read: Callable[[str, Mapping[str, Any], Wrong], _T | None]
    ) -> list[_T]:
        value = self.table.get(key, [])
        entries = [value] if isinstance(value, dict) else value
        if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
            self.wrong(key, "write a table {...} or a list of them")
            return []
        if key in self.table and not entries:
            self.wrong(key, "the list is empty and would never hold; take it out or fill it")
        found = [read(key, entry, self.wrong) for entry in entries]
        return [entry for entry in found if entry is not None]


def _longer(one: float | None, other: float | None) -> float | None:
    """The longer of two times, of which None is endless."""
    return None if one is None or other is None else max(one, other)
